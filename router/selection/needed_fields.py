"""Compute which fields of a run document the paths of a table read, so that the others need not be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.fact_paths import DERIVED_FACTS, SPECIFICATION, fact_path
from schemas.codec.projection import ItemsNamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.tables.table import DecisionTable
    from schemas.codec.projection import Wanted

# Facts that a run may take from its test specification, and the fields that decide what it takes.
_TAKEN_FROM_SPECIFICATION = frozenset({SPECIFICATION, "test_measure", "expected_duration", "time_out"})
_FIELDS_FOR_SPECIFICATION: Wanted = {
    "test_specification": {"id": None, "version": None},
    "test_measure": None,
    "expected_duration": None,
    "time_out": None,
}
_DERIVED_FIELDS: Mapping[str, Wanted] = {
    "has_children": {"children": {}, "child_run_ids": None},  # only how many there are
    "child_count": {"children": {}, "child_run_ids": None},
    "is_child": {"parent_run_id": None},
    "planned": {"start_date_time": None},
}


def fields_read_by(*tables: DecisionTable) -> Wanted:
    """Return the fields that these tables read of a run document."""
    return fields_of_paths(column.path or column.name for table in tables for column in table.inputs)


def fields_of_paths(paths: Iterable[str]) -> Wanted:
    """Return the fields that these paths read.

    Raises:
        UnknownFactError: a run document has no such fact.
    """
    needed: Wanted = {}
    for path in paths:
        needed = _merge(needed, _fields_of_path(path))
    return needed


def is_taken_from_specification(path: str) -> bool:
    """Return whether a run may take the fact at a path from its test specification."""
    return path.partition(".")[0] in _TAKEN_FROM_SPECIFICATION


def _fields_of_path(path: str) -> Wanted:
    if path in DERIVED_FACTS:
        return _DERIVED_FIELDS[path]
    checked = fact_path(path)
    if is_taken_from_specification(path):
        return _FIELDS_FOR_SPECIFICATION
    if checked.characteristic is not None:
        return {"characteristic": ItemsNamed(frozenset({checked.characteristic}))}
    *groups, last = checked.fields
    needed: Wanted = {last: None}
    for name in reversed(groups):
        needed = {name: needed}
    return needed


def _merge(first: Wanted, second: Wanted) -> Wanted:
    shared = {name: _merge_field(first[name], second[name]) for name in first.keys() & second.keys()}
    return {**first, **second, **shared}


def _merge_field(first: Wanted | ItemsNamed | None, second: Wanted | ItemsNamed | None) -> Wanted | ItemsNamed | None:
    if first is None or second is None:
        return None
    if isinstance(first, ItemsNamed) and isinstance(second, ItemsNamed):
        return ItemsNamed(first.names | second.names)
    if isinstance(first, ItemsNamed) or isinstance(second, ItemsNamed):
        return None
    return _merge(first, second)
