"""Cancel pending runs that were never routed: a whole request, or one child with its descendants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.routing.embedded_children import embedded_child_row
from consumers.runtime.handler import Done
from router.runs.events import CancelledBeforeSending, ChangeRequested, ParentNotAccepted
from router.runs.hierarchy import child_ids, with_children
from router.runs.pending import embedded_child, embedded_descendants, ended_undecided, is_pending, without_children
from router.runs.processed_events import CHANGE, has_led_to
from router.runs.requests.compensation import left_out_reason
from router.runs.run import replace
from schemas.lifecycle import RunCancelled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.events import RunEvent
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRunCanceller:
    """Ends each run in the request of its root; what stays pending no longer names the cancelled runs."""

    updater: RunUpdater
    assembler: HierarchyAssembler

    async def cancel(self, event: Event, row: RunRow) -> Outcome:
        """Cancel a run that has a row of its own."""
        if row.run_id == row.root_run_id:
            return await self._cancel_request(event, row)
        root = await self.updater.store.run(row.root_run_id)
        if root is not None and has_led_to(root, event.id, CHANGE):
            # The child was left out before it arrived: a redelivered cancellation is not about the one that is here.
            return await self.handle_redelivery_of_left_out(event, root)
        if root is not None and is_pending(root) and row.run_id in child_ids(root.requested):
            return await self.cancel_child(event, root, row.run_id)
        await self.updater.store_intention(event, row, CancelledBeforeSending())
        return Done()

    async def cancel_child(self, event: Event, root: RunRow, run_id: str) -> Outcome:
        """Remove a child and its descendants from the pending request; the other runs stay pending."""
        known = await self.assembler.children(root)
        family = embedded_descendants(_known_tree(root, known), run_id)
        new = [embedded_child_row(root, child) for child in family if child.run_id not in known]
        old = [as_part_of_request(root, known[child.run_id]) for child in family if child.run_id in known]
        updates: list[RowUpdate] = [(row, (_end_event(row, run_id),)) for row in (*new, *old) if is_pending(row)]
        remaining = without_children(root.requested, {run_id, *(child.run_id for child in family)})
        absent = run_id in root.requested.child_run_ids and run_id not in {child.run_id for child in family}
        left_out = left_out_reason(run_id, _reason_of(event)) if absent else None
        changed = ChangeRequested(document=remaining, left_out=left_out)
        moved = await self.updater.store_intentions(event, [*updates, (root, (changed,))], new)
        return await self.assembler.route_if_complete(event, moved[-1])

    async def handle_redelivery(self, event: Event, row: RunRow) -> Outcome:
        """Publish again what a cancellation led to, and continue as it did."""
        request = await self.updater.store.runs_of_request(row.request_id) if ended_undecided(row) else ()
        await self.updater.republish(event, row, *(one for one in request if ended_undecided(one) and one != row))
        root = await self.updater.store.run(row.root_run_id)
        went_on = root is not None and is_pending(root) and has_led_to(root, event.id, CHANGE)
        return await self.assembler.route_if_complete(event, root) if root is not None and went_on else Done()

    async def handle_redelivery_of_left_out(self, event: Event, root: RunRow) -> Outcome:
        """Publish again that a child which has not arrived is left out, and continue without it."""
        await self.updater.republish(event, root)
        if is_pending(root):
            return await self.assembler.route_if_complete(event, root)
        await self.assembler.commands.publish_again(event, await self.updater.store.runs_of_request(root.request_id))
        return Done()

    async def _cancel_request(self, event: Event, root: RunRow) -> Outcome:
        known = await self.assembler.children(root)
        new = [embedded_child_row(root, child) for child in root.requested.children if child.run_id not in known]
        old = [as_part_of_request(root, row) for row in known.values() if is_pending(row)]
        cancelled = _cancelled_event(event)
        updates: list[RowUpdate] = [(row, (cancelled,)) for row in (root, *new, *old)]
        await self.updater.store_intentions(event, updates, new)
        return Done()


def as_part_of_request(root: RunRow, child: RunRow) -> RunRow:
    """Return a child's row as part of its root's request, where its end is counted and found."""
    return replace(child, request_id=root.request_id)


def _reason_of(event: Event) -> str | None:
    return event.data.reason if isinstance(event.data, RunCancelled) else None


def _cancelled_event(event: Event) -> CancelledBeforeSending:
    """Return what happens to the runs of a pending request, with the reason that the event has."""
    known, why = CancelledBeforeSending(), _reason_of(event)
    if not why:
        return known
    message = f"{known.reason.message.removesuffix('.')}: {why}"
    return CancelledBeforeSending(reason=known.reason.model_copy(update={"message": message}))


def _known_tree(root: RunRow, known: Mapping[str, RunRow]) -> RunDocument:
    alone = [row.requested for row in known.values() if not embedded_child(root.requested, row.run_id)]
    return with_children(root.requested, alone)


def _end_event(row: RunRow, cancelled: str) -> RunEvent:
    parent = row.parent_run_id or row.root_run_id
    return CancelledBeforeSending() if row.run_id == cancelled else ParentNotAccepted(parent_run_id=parent)
