"""Which children a root carries that was POSTed with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.runs.run import RunRow


def children_at_system(family: Iterable[RunRow], changed: RunRow) -> tuple[RunRow, ...]:
    """Return the rows of the children that the system has and that are not cancelled, one of them as `changed`.

    `family` are the runs of the request, the root first and parents before children.
    """
    kept: dict[str, RunRow] = {}
    for row in family:
        stays = row.accepted_at is not None and not row.cancel_requested and row.phase is not Phase.CANCELLED
        if row.run_id == row.root_run_id or (stays and row.parent_run_id in kept):
            kept[row.run_id] = changed if row.run_id == changed.run_id else row
    return tuple(kept.values())[1:]
