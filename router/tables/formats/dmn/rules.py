"""Read the rules of a DMN decision table as rows."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from router.tables.explain.wording import cell_in_words
from router.tables.feel.lexer import TokenKind, strip_comments
from router.tables.feel.unary_test import Cell, CellError, parse
from router.tables.formats.dmn.scope import extension_text
from router.tables.formats.dmn.xml import expression_text, is_empty_expression
from router.tables.formats.entries import not_allowed_sentence, with_plain_numbers
from router.tables.formats.rows import check_allowed
from router.tables.model import DEFAULT_ROW, NO_ROW, Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.tables.formats.dmn.columns import OutputClause
    from router.tables.formats.dmn.scope import ModelPlace
    from router.tables.formats.dmn.xml import Element
    from router.tables.model import Input


_STRING = TokenKind.STRING.value

_LITERAL = re.compile(
    rf"null|true|false|{TokenKind.NUMBER.value}|@?{_STRING}|[a-z][a-z\s]*\(\s*{_STRING}\s*\)", re.DOTALL
)  # the parser checks the name of the function


def read_output_entry(text: str, column_type: str) -> object:
    """Read the value of an output entry. `null` is a value.

    Raises:
        CellError: it is not a literal, or is of another type.
    """
    text = strip_comments(text).strip()
    if not text:
        raise CellError("has no value; write null if no value is intended")
    if not _LITERAL.fullmatch(text):
        raise CellError(f'{text} is not a literal; write a value such as 5, true, null, date("2026-03-12") or "text"')
    (literal,) = parse(text, column_type).equality_literals
    return literal.value


_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

ANY_CELL = Cell("-", "any")


def rule_ids(rules: Sequence[Element]) -> list[str]:
    """Return the ids of the rules if all of them can be part of a decision's reference, else numbers (R1, R2)."""
    ids = [extension_text(rule, "row") or rule.attribute("id") for rule in rules]
    usable = all(_ID.fullmatch(row_id) and row_id not in (DEFAULT_ROW, NO_ROW) for row_id in ids)
    return ids if usable and len(set(ids)) == len(ids) else [f"R{number}" for number in range(1, len(ids) + 1)]


class RuleReader:
    """Reads rules by the columns of their table. `names` are the names that cells may refer to, with their types."""

    def __init__(self, inputs: Sequence[Input], outputs: Sequence[OutputClause], names: Mapping[str, str]) -> None:
        self._inputs = inputs
        self._outputs = outputs
        self._names = names

    def read(self, rule: Element, row_id: str, place: ModelPlace) -> Row:
        """Read one rule. An invalid cell becomes one that matches anything, because the file is refused anyway."""
        entries, results = rule.children_named("inputEntry"), rule.children_named("outputEntry")
        _check_count(entries, self._inputs, "input", rule, place)
        _check_count(results, self._outputs, "output", rule, place)
        return Row(
            id=row_id,
            cells=self._cells(entries, place),
            outputs=_outputs(results, self._outputs, place),
            note=_annotation(rule),
        )

    def _cells(self, entries: Sequence[Element], place: ModelPlace) -> tuple[Cell, ...]:
        """Read the input entries. A missing one matches anything."""
        pairs = zip_longest(self._inputs, entries[: len(self._inputs)])
        return tuple([self._cell(entry, column, place) if entry else ANY_CELL for column, entry in pairs])

    def _cell(self, entry: Element, column: Input, place: ModelPlace) -> Cell:
        under = place.part(f"column '{column.name}'")
        under.check_language(entry)
        try:
            return self._parse_entry(expression_text(entry), column)
        except CellError as error:
            under.report(str(error), entry.line)
            return ANY_CELL

    def _parse_entry(self, text: str, column: Input) -> Cell:
        if text in ("", "-"):  # modelling tools leave the entry empty where the standard requires a dash
            return ANY_CELL
        others = {name: other for name, other in self._names.items() if name != column.name}
        cell = parse(with_plain_numbers(text), column.type, others)
        for literal in cell.equality_literals:
            check_allowed(literal, column)
        return cell


def read_default(table: Element, outputs: Sequence[OutputClause], place: ModelPlace) -> Row | None:
    """Read the default outputs; None if there are none. Columns without one have null."""
    entries = [element.first_child("defaultOutputEntry") for element in table.children_named("output")]
    if all(map(is_empty_expression, entries)):
        return None
    return Row(id=DEFAULT_ROW, outputs=_outputs(entries, outputs, place))


def _check_count(
    entries: Sequence[Element], columns: Sequence[Input | OutputClause], what: str, rule: Element, place: ModelPlace
) -> None:
    if len(entries) != len(columns):
        place.report(f"has {len(entries)} {what} entries for {len(columns)} {what} columns", rule.line)


def _outputs(
    entries: Sequence[Element | None], outputs: Sequence[OutputClause], place: ModelPlace
) -> dict[str, object]:
    """Read the output entries. A missing one is null."""
    values: dict[str, object] = {output.output.name: None for output in outputs}
    for entry, output in zip(entries, outputs, strict=False):
        if entry is not None:
            values[output.output.name] = _output(entry, output, place)
    return values


def _output(entry: Element, output: OutputClause, place: ModelPlace) -> object:
    under = place.part(f"output '{output.output.name}'")
    under.check_language(entry)
    try:
        text = expression_text(entry)
        value = read_output_entry(text, output.output.type)
    except CellError as error:
        under.report(str(error), entry.line)
        return None
    if output.allowed and value is not None and not output.allowed.matches(value):
        under.report(not_allowed_sentence(text, cell_in_words(output.allowed).split(", ")), entry.line)
    return value


def _annotation(rule: Element) -> str:
    texts = [
        rule.find_text("description"),
        *[entry.find_text("text") for entry in rule.children_named("annotationEntry")],
    ]
    return "; ".join(filter(None, texts))
