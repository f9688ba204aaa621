"""Handle a change of a pending request: the newest document is the one that will be decided on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.routing.cancel_pending import as_part_of_request
from consumers.routing.child_rows import cancelled_children
from consumers.runtime.handler import Done
from router.runs.changes import change_event, child_was_removed, is_redelivered_change
from router.runs.events import CancelledBeforeSending, ChangeRefused, ChangeRequested
from router.runs.hierarchy import child_ids
from router.runs.pending import embedded_child, ended_undecided, is_pending, without_children
from router.runs.processed_events import has_led_to
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRunChanger:
    """Changes a pending run over exactly the row that was read; if it was routed meanwhile, more has to be done."""

    updater: RunUpdater
    assembler: HierarchyAssembler

    async def change(self, event: Event, row: RunRow, document: RunDocument) -> Outcome:
        """Store what is requested now; route the request if it is complete."""
        if row.run_id == row.root_run_id:
            return await self._change_root(event, row, document)
        run_event = change_event(event, row, document)
        if run_event is not None:
            await self.updater.store_intention(event, row, run_event)
        return await self._resume(event, await self.updater.store.run(row.root_run_id))

    async def _change_root(self, event: Event, root: RunRow, document: RunDocument) -> Outcome:
        cancelled = await cancelled_children(self.updater.store, document)
        living = without_children(document, {row.run_id for row in cancelled})
        is_redelivery, run_event = is_redelivered_change(event, root, living), change_event(event, root, living)
        updates: list[RowUpdate] = [(root, (run_event,))] if run_event else []
        if isinstance(run_event, ChangeRequested):
            updates += await self._removal_updates(root, living)
        refused = (
            cancelled
            if isinstance(run_event, ChangeRequested)
            else [row for row in cancelled if _was_published_for(event, row)]
        )
        updates += [(row, (_refuse_return(row, document),)) for row in refused]
        updated = await self.updater.store_intentions(event, updates) if updates else ()
        if is_redelivery:
            await self._republish_ends(event, root)
        return await self._resume(event, updated[0] if run_event else root)

    async def _removal_updates(self, root: RunRow, document: RunDocument) -> list[RowUpdate]:
        """End the children that arrived as events of their own and that the newest document no longer has."""
        kept_ids = {*child_ids(document)}
        removed = [row for run_id, row in (await self.assembler.children(root)).items() if run_id not in kept_ids]
        return [(as_part_of_request(root, row), (CancelledBeforeSending(),)) for row in removed if is_pending(row)]

    async def _republish_ends(self, event: Event, root: RunRow) -> None:
        request = await self.updater.store.runs_of_request(root.request_id)
        await self.updater.republish(event, *(row for row in request if ended_undecided(row)))

    async def _resume(self, event: Event, root: RunRow | None) -> Outcome:
        return await self.assembler.route_if_complete(event, root) if root is not None and is_pending(root) else Done()


def _was_published_for(event: Event, row: RunRow) -> bool:
    return has_led_to(row, event.id, UpdateKind.CHANGE_REFUSED)


def _refuse_return(row: RunRow, root: RunDocument) -> ChangeRefused:
    document = embedded_child(root, row.run_id) or root
    return ChangeRefused(version=document.version, reasons=(child_was_removed(row),))
