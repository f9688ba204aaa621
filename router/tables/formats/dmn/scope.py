"""The names that a decision table of a DMN model may use: its inputs, and the variables of the whole model."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.feel.lexer import TokenKind, tokenize
from router.tables.formats.dmn.types import FeelType, ItemDefinitions, UnknownTypeError
from router.tables.formats.dmn.writer import EXTENSION_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.dmn.xml import Element

_MAX_LENGTH = 500  # of a sentence, because a cell may be very long
_NAME = re.compile(TokenKind.NAME.value)
_RESERVED = frozenset({"true", "false", "null", "not"})
_FEEL = re.compile(r"(?:https?://www\.omg\.org/spec/(?:DMN|FEEL)/.*|s-?feel|feel)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """A part of a model with its name in sentences: `decision 'Fee', row R3, column 'age'`."""

    diagnostics: Diagnostics
    path: str

    def report(self, problem: str, line: int) -> None:
        """Add a problem of this part, shortened to one line."""
        sentence = " ".join(problem.splitlines())
        sentence = sentence if len(sentence) <= _MAX_LENGTH else f"{sentence[: _MAX_LENGTH - 1]}…"
        self.diagnostics.add(line, f"{self.path}: {sentence}")

    def part(self, name: str) -> ModelPlace:
        """Return a part of this part."""
        return ModelPlace(self.diagnostics, f"{self.path}, {name}")

    def check_language(self, element: Element) -> None:
        """Report an expression language other than FEEL."""
        language = element.attribute("expressionLanguage")
        if language and not _FEEL.fullmatch(language):
            self.report(f"expression language '{language}' is not supported, only FEEL", element.line)


class ModelScope:
    """The input data and decisions of a model with their types. Cells and expressions may refer to them."""

    def __init__(self, definitions: Element, types: ItemDefinitions) -> None:
        self.types = types
        self._variables = dict(_variables(definitions, types))

    def is_name(self, expression: str) -> bool:
        """Return whether an expression is only a name or a path."""
        if expression in self._variables:
            return True
        return _NAME.fullmatch(expression) is not None and expression not in _RESERVED

    def names_for(self, decision: str, columns: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
        """Return every name that cells of a decision may use, with its type.

        Columns, variables, and paths into these.
        """
        variables = {name: _column_type(of) for name, of in self._variables.items() if name != decision}
        known = variables | dict(columns)
        pieces = [piece for text in texts if "." in text for piece in _names_in(text, known)]
        return known | {
            path: self._type_at(path) for path in pieces if path not in known and self._starts_with_variable(path)
        }

    def _starts_with_variable(self, path: str) -> bool:
        return path.partition(".")[0] in self._variables

    def component(self, feel_type: FeelType, path: Sequence[str]) -> FeelType:
        """Return the type at a path into the components of a type; `any` if there is none."""
        with suppress(UnknownTypeError):
            return self.types.component(feel_type, path)
        return FeelType()

    def _type_at(self, path: str) -> str:
        head, *rest = path.split(".")
        return _column_type(self.component(self._variables[head], rest))


def extension_text(element: Element, name: str) -> str:
    """Return the text of our own extension element; empty without one."""
    extension = element.first_child("extensionElements")
    ours = (child for child in extension.children if child.namespace == EXTENSION_NAMESPACE) if extension else ()
    return next((child.find_text() for child in ours if child.name == name), "")


def normalize_name(text: str) -> str:
    """Return a name or path with single spaces, and none around its dots."""
    return re.sub(r"\s*\.\s*", ".", " ".join(text.split()))


def _variables(definitions: Element, types: ItemDefinitions) -> Iterator[tuple[str, FeelType]]:
    for element in (*definitions.children_named("inputData"), *definitions.children_named("decision")):
        variable = element.first_child("variable")
        # In the standard the two names are equal, but tools with labels may give the variable a name of its own.
        names = {normalize_name(named.attribute("name")) for named in (element, variable) if named}
        for name in sorted(names - {""}):
            yield name, _type_of(variable, types)


def _type_of(variable: Element | None, types: ItemDefinitions) -> FeelType:
    with suppress(UnknownTypeError):
        return types.resolve(variable.attribute("typeRef")) if variable else FeelType()
    return FeelType()  # a column that uses the type reports it


def _column_type(feel_type: FeelType) -> str:
    return "any" if feel_type.is_list else feel_type.column


def _names_in(text: str, known: Mapping[str, str]) -> list[str]:
    with suppress(CellError):
        return [normalize_name(piece.text) for piece in tokenize(text, known) if piece.kind is TokenKind.NAME]
    return []
