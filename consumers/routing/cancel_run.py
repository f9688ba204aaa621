"""Handle a cancelled run: store that nothing more is sent, and command the cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import run_unknown
from consumers.routing.cancel_pending import PendingRunCanceller
from consumers.routing.commands import cancel_command
from consumers.routing.embedded_children import EmbeddedChildren
from consumers.runtime.handler import DeadLetter, Done
from router.runs.events import CancelRefused, CancelRequested, cancellation_reason
from router.runs.pending import is_pending
from router.runs.processed_events import CANCEL, CHANGE, has_led_to
from router.runs.transitions import ENDED_PHASES
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.lifecycle import RunCancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelledHandler:
    """Handles `RunCancelled`."""

    updater: RunUpdater
    assembler: HierarchyAssembler

    async def handle(self, event: Event, cancelled: RunCancelled) -> Outcome:
        """Cancel one run, or a root with all its children."""
        row = await self.updater.store.run(cancelled.run_id)
        if row is None:
            return await self._cancel_embedded(event, cancelled)
        if is_pending(row):
            return await self._pending_canceller.cancel(event, row)
        if (root := await self._root_that_left_out(event, row)) is not None:
            return await self._pending_canceller.handle_redelivery_of_left_out(event, root)
        rows = await self._affected_rows(row)
        # A child that joined the request after this event was first handled is not affected by it.
        affected = [one for one in rows if _was_cancelled_by(event, one)] or [
            one for one in rows if one.phase not in ENDED_PHASES
        ]
        if not affected:
            return await self._cancel_ended_run(event, row)
        await self._command_cancellation(event, affected, cancelled.reason)
        return Done()

    @property
    def _pending_canceller(self) -> PendingRunCanceller:
        return PendingRunCanceller(updater=self.updater, assembler=self.assembler)

    async def _cancel_embedded(self, event: Event, cancelled: RunCancelled) -> Outcome:
        known = await self.updater.store.run(cancelled.root_run_id)
        if known is not None and has_led_to(known, event.id, CHANGE):
            return await self._pending_canceller.handle_redelivery_of_left_out(event, known)
        children = EmbeddedChildren(updater=self.updater, assembler=self.assembler)
        root = await children.find_pending_root(cancelled.run_id, cancelled.root_run_id)
        if root is None and known is not None and is_pending(known):
            root = known if cancelled.run_id in known.requested.child_run_ids else None  # it has not arrived
        if root is None:
            return DeadLetter(run_unknown(cancelled.run_id, "cancel"))
        return await self._pending_canceller.cancel_child(event, root, cancelled.run_id)

    async def _root_that_left_out(self, event: Event, row: RunRow) -> RunRow | None:
        """Return the root that this event made leave out a child, which was ordered again since and is in progress."""
        if row.run_id == row.root_run_id or row.phase in ENDED_PHASES or _was_cancelled_by(event, row):
            return None
        root = await self.updater.store.run(row.root_run_id)
        return root if root is not None and has_led_to(root, event.id, CHANGE) else None

    async def _affected_rows(self, row: RunRow) -> Sequence[RunRow]:
        whole = row.decision is not None and row.decision.hierarchical and row.parent_run_id is None
        return await self.updater.store.runs_of_request(row.request_id) if whole else (row,)

    async def _command_cancellation(self, event: Event, rows: Sequence[RunRow], reason: str | None) -> None:
        requested = CancelRequested(reason=cancellation_reason(reason))
        updates: list[RowUpdate] = [(row, (requested,)) for row in rows if not _was_cancelled_by(event, row)]
        await self.updater.store_facts(event, updates)
        commands = [command for row in rows if (command := cancel_command(row, reason))]
        await self.updater.announcer.publish(event, commands, decision=rows[0].decision)

    async def _cancel_ended_run(self, event: Event, row: RunRow) -> Outcome:
        if row.state is RunState.CANCELLED:
            return await self._pending_canceller.handle_redelivery(event, row)
        reason = Reason(code="RUN_ENDED", message=f"Run {row.run_id} is {row.state}; nothing is left to cancel.")
        await self.updater.store_fact(event, row, CancelRefused(reasons=(reason,)))
        return Done()


def _was_cancelled_by(event: Event, row: RunRow) -> bool:
    return has_led_to(row, event.id, CANCEL)
