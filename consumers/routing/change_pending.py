"""Take in a changed request that waits: its newest document is what is decided on when its turn comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.routing.cancel_pending import into_request
from consumers.routing.child_rows import gone_from
from consumers.runtime.handler import Done
from router.runs.changes import ask_for, was_removed
from router.runs.events import CancelledUnsent, ChangeAsked, ChangeRefused
from router.runs.hierarchy import child_ids
from router.runs.pending import carried, never_went, waits, without
from router.runs.processed_events import CHANGE, led_to
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.batch import Move
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRunChanger:
    """Revise a run that waits over the very row that was read: if its turn has come meanwhile, more has to be done."""

    mover: RunUpdater
    gather: HierarchyAssembler

    async def __call__(self, event: Event, row: RunRow, document: RunDocument) -> Outcome:
        """Remember what is wanted now; route the request if it can go by now."""
        if row.run_id == row.root_run_id:
            return await self._revise_root(event, row, document)
        asked = ask_for(event, row, document)
        if asked is not None:
            await self.mover.intend(event, row, asked)
        return await self._resume(event, await self.mover.store.run(row.root_run_id))

    async def _revise_root(self, event: Event, root: RunRow, document: RunDocument) -> Outcome:
        gone = await gone_from(self.mover.store, document)
        living = without(document, {row.run_id for row in gone})
        again, asked = led_to(root, event.id, CHANGE), ask_for(event, root, living)
        moves: list[Move] = [(root, (asked,))] if asked else []
        if isinstance(asked, ChangeAsked):
            moves += await self._removed(root, living)
        told = gone if isinstance(asked, ChangeAsked) else [row for row in gone if _was_told(event, row)]
        moves += [(row, (_cannot_come_back(row, document),)) for row in told]
        moved = await self.mover.intend_all(event, moves) if moves else ()
        if again:
            await self._tell_ends_again(event, root)
        return await self._resume(event, moved[0] if asked else root)

    async def _removed(self, root: RunRow, document: RunDocument) -> list[Move]:
        """End the children that came by themselves and that the newest document does not have any more."""
        wanted = {*child_ids(document)}
        left = [row for run_id, row in (await self.gather.children(root)).items() if run_id not in wanted]
        return [(into_request(root, row), (CancelledUnsent(),)) for row in left if waits(row)]

    async def _tell_ends_again(self, event: Event, root: RunRow) -> None:
        request = await self.mover.store.runs_of_request(root.request_id)
        await self.mover.tell_again(event, *(row for row in request if never_went(row)))

    async def _resume(self, event: Event, root: RunRow | None) -> Outcome:
        return await self.gather.resume(event, root) if root is not None and waits(root) else Done()


def _was_told(event: Event, row: RunRow) -> bool:
    return led_to(row, event.id, UpdateKind.CHANGE_REFUSED)


def _cannot_come_back(row: RunRow, root: RunDocument) -> ChangeRefused:
    document = carried(root, row.run_id) or root
    return ChangeRefused(version=document.version, reasons=(was_removed(row),))
