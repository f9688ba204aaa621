"""Cancel runs that wait and were never routed: a whole request, or one child with all below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.routing.embedded_children import row_of_carried
from consumers.runtime.handler import Done
from router.runs.events import CancelledUnsent, ChangeAsked, ParentNotAccepted
from router.runs.hierarchy import child_ids, with_children
from router.runs.pending import carried, family_of, never_went, waits, without
from router.runs.processed_events import CHANGE, led_to
from router.runs.run import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.batch import Move
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.events import Happening
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRunCanceller:
    """Give each run its end, in the request of its root; what waits on never names who is gone."""

    mover: RunUpdater
    gather: HierarchyAssembler

    async def __call__(self, event: Event, row: RunRow) -> Outcome:
        """Cancel a run that has a row of its own."""
        if row.run_id == row.root_run_id:
            return await self._whole(event, row)
        root = await self.mover.store.run(row.root_run_id)
        if root is not None and waits(root) and row.run_id in child_ids(root.requested):
            return await self.child(event, root, row.run_id)
        await self.mover.intend(event, row, CancelledUnsent())
        return Done()

    async def child(self, event: Event, root: RunRow, run_id: str) -> Outcome:
        """Take a child out of the request that it waits with, and all below it; the others wait on."""
        known = await self.gather.children(root)
        family = family_of(_tree(root, known), run_id)
        new = [row_of_carried(root, child) for child in family if child.run_id not in known]
        old = [into_request(root, known[child.run_id]) for child in family if child.run_id in known]
        moves: list[Move] = [(row, (_end_of(row, run_id),)) for row in (*new, *old) if waits(row)]
        left = without(root.requested, {child.run_id for child in family})
        moved = await self.mover.intend_all(event, [*moves, (root, (ChangeAsked(document=left),))], new)
        return await self.gather.resume(event, moved[-1])

    async def again(self, event: Event, row: RunRow) -> Outcome:
        """Say once more what a cancellation led to, and go on as it did."""
        request = await self.mover.store.runs_of_request(row.request_id) if never_went(row) else ()
        await self.mover.tell_again(event, row, *(one for one in request if never_went(one) and one != row))
        root = await self.mover.store.run(row.root_run_id)
        went_on = root is not None and waits(root) and led_to(root, event.id, CHANGE)
        return await self.gather.resume(event, root) if root is not None and went_on else Done()

    async def _whole(self, event: Event, root: RunRow) -> Outcome:
        known = await self.gather.children(root)
        new = [row_of_carried(root, child) for child in root.requested.children if child.run_id not in known]
        old = [into_request(root, row) for row in known.values() if waits(row)]
        moves: list[Move] = [(row, (CancelledUnsent(),)) for row in (root, *new, *old)]
        await self.mover.intend_all(event, moves, new)
        return Done()


def into_request(root: RunRow, child: RunRow) -> RunRow:
    """Give a child's row as one of its root's request, where its end is counted and found."""
    return replace(child, request_id=root.request_id)


def _tree(root: RunRow, known: Mapping[str, RunRow]) -> RunDocument:
    alone = [row.requested for row in known.values() if not carried(root.requested, row.run_id)]
    return with_children(root.requested, alone)


def _end_of(row: RunRow, cancelled: str) -> Happening:
    parent = row.parent_run_id or row.root_run_id
    return CancelledUnsent() if row.run_id == cancelled else ParentNotAccepted(parent_run_id=parent)
