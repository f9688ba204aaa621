"""Put the runs of a request in order: parents before children, siblings as their parent lists them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.runs import RunRow


def in_family_order(rows: Iterable[RunRow]) -> list[RunRow]:
    """Sort in pre-order; a run whose parent is not among the rows counts as a root."""
    by_id = {row.run_id: row for row in rows}
    children = _children_by_parent(by_id)
    ordered: dict[str, RunRow] = {}
    waiting = children.pop(None, [])
    while waiting:
        row = waiting.pop()
        ordered[row.run_id] = row
        waiting.extend(children.pop(row.run_id, ()))
    # Runs that are each other's parents hang on no root; they still belong to the request.
    return [*ordered.values(), *(row for run_id, row in sorted(by_id.items()) if run_id not in ordered)]


def _children_by_parent(by_id: dict[str, RunRow]) -> dict[str | None, list[RunRow]]:
    children: dict[str | None, list[RunRow]] = defaultdict(list)
    # Last sibling first, because the walk takes from the end.
    for row in sorted(by_id.values(), key=_place, reverse=True):
        children[row.parent_run_id if row.parent_run_id in by_id else None].append(row)
    return children


def _place(row: RunRow) -> tuple[int, str]:
    return row.requested.order, row.run_id
