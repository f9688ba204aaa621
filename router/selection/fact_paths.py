"""The facts of a run that a table may refer to, and the type of each."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import TYPE_CHECKING, Annotated, TypeGuard, Union, get_args, get_origin

from router.tables.facts import UnknownFactError
from schemas.base import Model
from schemas.run_document import AppliedSpecification, RunDocument

if TYPE_CHECKING:
    from collections.abc import Callable

# Facts that no field holds: a run's position in its hierarchy and its plan.
DERIVED_FACTS: dict[str, tuple[str, Callable[[RunDocument], object]]] = {
    "has_children": ("boolean", lambda run: bool(run.children or run.child_run_ids)),
    "child_count": ("number", lambda run: len(run.children) or len(run.child_run_ids)),
    "is_child": ("boolean", lambda run: run.parent_run_id is not None),
    "planned": ("boolean", lambda run: run.start_date_time is not None),
}

_CHARACTERISTIC = re.compile(r"characteristic\[([^\[\]]+)\]((?:\.\w+)*)")
SPECIFICATION = "specification"
_OF_SPECIFICATION = re.compile(rf"{SPECIFICATION}\.(?:characteristic\[([^\[\]]+)\]|([\w-]+))((?:\.\w+)*)")


@dataclass(frozen=True, slots=True)
class FactPath:
    """A checked path: the fields to follow, or the name of a characteristic and the keys inside its value."""

    text: str
    type: str  # the column type that fits; any if only the event determines it
    characteristic: str | None = None
    of_specification: bool = False  # the characteristic is one of the run's test specification
    fields: tuple[str, ...] = ()
    getter: Callable[[object], object] | None = None  # the fast way, not usable if a list lies on the path
    may_be_list: bool = False


@cache
def fact_path(text: str) -> FactPath:
    """Check a path such as `test_specification.id`, `characteristic[speed]` or `has_children`.

    What follows `specification.` is a field of the test specification that is applied to the run, or the name of one of
    its characteristics.

    Raises:
        UnknownFactError: a run document has no such fact.
    """
    if text in DERIVED_FACTS:
        return FactPath(text, DERIVED_FACTS[text][0])
    if named := _CHARACTERISTIC.fullmatch(text):
        return FactPath(text, "any", named[1].strip(), fields=tuple(named[2].split(".")[1:]), may_be_list=True)
    if (of_specification := _OF_SPECIFICATION.fullmatch(text)) and (name := _characteristic_of(of_specification)):
        keys = tuple(of_specification[3].split(".")[1:])
        return FactPath(text, "any", name, of_specification=True, fields=keys, may_be_list=True)
    if text == "characteristic" or text.startswith("characteristic["):
        raise UnknownFactError(f"path '{text}' needs the name of a characteristic: characteristic[speed]")
    fields = tuple(text.split("."))
    fact_type = _type_at(text, RunDocument, fields)
    may_be_list = fact_type == "any" or _passes_through_list(RunDocument, fields)
    return FactPath(text, fact_type, fields=fields, getter=attrgetter(text), may_be_list=may_be_list)


def _characteristic_of(path: re.Match[str]) -> str | None:
    """Return the characteristic of a test specification that a path names; None if it names a field."""
    if path[1]:
        return path[1].strip()
    return None if path[2] in AppliedSpecification.model_fields else path[2]


def _type_at(text: str, model: type[Model], fields: tuple[str, ...]) -> str:
    name, rest = fields[0], fields[1:]
    if name not in model.model_fields:
        raise UnknownFactError(_no_such_fact(text, name, model))
    inner = _unwrapped_annotation(model.model_fields[name].annotation)
    if not rest:
        return _leaf_type(text, inner)
    if not _is_model(inner):
        raise UnknownFactError(f"path '{text}' goes on after '{name}', which has no fields")
    return _type_at(text, inner, rest)


def _passes_through_list(model: type[Model], fields: tuple[str, ...]) -> bool:
    annotation = model.model_fields[fields[0]].annotation
    inner = _unwrapped_annotation(annotation)
    return _is_list(annotation) or (_is_model(inner) and len(fields) > 1 and _passes_through_list(inner, fields[1:]))


def _is_list(annotation: object) -> bool:
    return get_origin(annotation) is tuple or any(map(_is_list, get_args(annotation)))


def _no_such_fact(text: str, name: str, model: type[Model]) -> str:
    derived = DERIVED_FACTS if model is RunDocument else ()
    matches = difflib.get_close_matches(name, [*model.model_fields, *derived], n=1)
    hint = f"; did you mean '{text.replace(name, matches[0], 1)}'?" if matches else ""
    return f"path '{text}' is not a fact of a run{hint}"


def _leaf_type(text: str, annotation: object) -> str:
    if _is_model(annotation):
        raise UnknownFactError(
            f"path '{text}' is a group; name one of its fields: {', '.join(annotation.model_fields)}"
        )
    return _column_type(annotation)


def _column_type(annotation: object) -> str:
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return "string"
    types: dict[object, str] = {
        str: "string",
        bool: "boolean",
        int: "number",
        float: "number",
        datetime: "datetime",
    }
    return types.get(annotation, "any")


def _unwrapped_annotation(annotation: object) -> object:
    """Look through `| None`, `Annotated` and `tuple[…, ...]`."""
    origin = get_origin(annotation)
    if origin is Annotated or origin is tuple:
        return _unwrapped_annotation(get_args(annotation)[0])
    if origin in (Union, UnionType):
        present = [part for part in get_args(annotation) if part is not type(None)]
        return _unwrapped_annotation(present[0]) if len(present) == 1 else object
    return annotation


def _is_model(annotation: object) -> TypeGuard[type[Model]]:
    return isinstance(annotation, type) and issubclass(annotation, Model)
