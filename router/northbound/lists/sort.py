"""Read the order of a list (TMF630): `sort=state,-name`, by attributes that a database can sort by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, TypeVar

from router.northbound.errors import MistakeCode, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime

    from router.northbound.order import RunView

    Item = TypeVar("Item")

MAX_SORT_KEYS = 5
CREATED, UPDATED = "southbound.createdAt", "southbound.updatedAt"


@dataclass(frozen=True, slots=True)
class SortKey:
    """An attribute by which a list is sorted; texts by their code points, and no text before all others."""

    name: str
    is_descending: bool = False


def read_sort(text: str, sortable: Collection[str]) -> tuple[SortKey, ...]:
    """Return the keys of a `sort`, the most important one first.

    Raises:
        ApiRefusedError: 400 for an attribute by which the list cannot be sorted, 501 if it cannot be sorted at all.
    """
    if not sortable:
        raise refuse(501, MistakeCode.OTHER, "this list cannot be sorted: sort what it returns")
    names = [name.strip() for name in text.split(",")]
    if len(names) > MAX_SORT_KEYS:
        raise refuse(400, MistakeCode.TOO_MANY, f"a list can be sorted by {MAX_SORT_KEYS} attributes")
    keys = [SortKey(name.removeprefix("-").removeprefix("+"), name.startswith("-")) for name in names]
    for key in keys:
        if key.name not in sortable:
            known = ", ".join(sortable)
            raise refuse(400, MistakeCode.INVALID_VALUE, f"sort cannot be {key.name[:80]!r}: it may name {known}")
    return tuple(keys)


def sorted_by(items: Iterable[Item], keys: Iterable[SortKey], value_of: Callable[[Item, str], str]) -> list[Item]:
    """Return items in the order of the keys; those that are equal stay as they are."""
    found = list(items)
    for key in reversed(tuple(keys)):
        texts = [value_of(item, key.name) for item in found]
        places = sorted(range(len(found)), key=texts.__getitem__, reverse=key.is_descending)
        found = [found[place] for place in places]
    return found


def sort_text(view: RunView, name: str) -> str:
    """Return the value of a run's attribute as the database sorts it."""
    return _TEXTS[name](view)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _created_at(view: RunView) -> str:
    return _moment(view.row.created_at if view.row is not None else view.created_at)


def _updated_at(view: RunView) -> str:
    changed = view.order.changed_at if view.order is not None else view.created_at
    return _moment(view.row.updated_at if view.row is not None else changed)


_TEXTS: Mapping[str, Callable[[RunView], str]] = {
    "id": lambda view: view.run_id,
    "state": lambda view: view.state.value,
    "name": lambda view: view.document.name or "",
    "relatedService.id": lambda view: view.document.related_service.id or "",
    "testSpecification.id": lambda view: view.document.test_specification.id or "",
    CREATED: _created_at,
    UPDATED: _updated_at,
}
SORTABLE_RUN_ATTRIBUTES = tuple(_TEXTS)
