"""Compute which fields of a run document the paths of a table read, so that the others need not be decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.fact_paths import DERIVED, fact_path
from schemas.codec.projection import ItemsNamed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.tables.table import DecisionTable
    from schemas.codec.projection import Wanted

_BEHIND: Mapping[str, Wanted] = {
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
    wanted: Wanted = {}
    for path in paths:
        wanted = _both(wanted, _behind(path))
    return wanted


def _behind(path: str) -> Wanted:
    if path in DERIVED:
        return _BEHIND[path]
    checked = fact_path(path)
    if checked.characteristic is not None:
        return {"characteristic": ItemsNamed(frozenset({checked.characteristic}))}
    *above, last = checked.fields
    wanted: Wanted = {last: None}
    for name in reversed(above):
        wanted = {name: wanted}
    return wanted


def _both(one: Wanted, other: Wanted) -> Wanted:
    shared = {name: _of_both(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **shared}


def _of_both(one: Wanted | ItemsNamed | None, other: Wanted | ItemsNamed | None) -> Wanted | ItemsNamed | None:
    if one is None or other is None:
        return None
    if isinstance(one, ItemsNamed) and isinstance(other, ItemsNamed):
        return ItemsNamed(one.names | other.names)
    if isinstance(one, ItemsNamed) or isinstance(other, ItemsNamed):
        return None
    return _both(one, other)
