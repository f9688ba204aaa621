"""Take in a cancelled run: remember it, so that nothing more is sent, and command the cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import unknown_run
from consumers.routing.cancel_pending import PendingRunCanceller
from consumers.routing.commands import cancel_command
from consumers.routing.embedded_children import EmbeddedChildren
from consumers.runtime.handler import DeadLetter, Done
from router.runs.events import CancelAsked, CancelRefused
from router.runs.pending import waits
from router.runs.processed_events import CANCEL, led_to
from router.runs.transitions import ENDED
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.batch import Move
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.lifecycle import RunCancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCancelledHandler:
    """The handler of `RunCancelled`."""

    mover: RunUpdater
    gather: HierarchyAssembler

    async def __call__(self, event: Event, cancelled: RunCancelled) -> Outcome:
        """Withdraw one run, or a root with all its children."""
        row = await self.mover.store.run(cancelled.run_id)
        if row is None:
            return await self._withdraw_carried(event, cancelled)
        if waits(row):
            return await self._waiting(event, row)
        rows = await self._affected(row)
        # Whoever joined the request since this event was taken in first has nothing to do with it.
        affected = [one for one in rows if _asked(event, one)] or [one for one in rows if one.phase not in ENDED]
        if not affected:
            return await self._after_the_end(event, row)
        await self._ask(event, affected, cancelled.reason)
        return Done()

    @property
    def _waiting(self) -> PendingRunCanceller:
        return PendingRunCanceller(mover=self.mover, gather=self.gather)

    async def _withdraw_carried(self, event: Event, cancelled: RunCancelled) -> Outcome:
        children = EmbeddedChildren(mover=self.mover, gather=self.gather)
        root = await children.root_of(cancelled.run_id, cancelled.root_run_id)
        if root is None:
            return DeadLetter(unknown_run(cancelled.run_id, "cancel"))
        return await self._waiting.child(event, root, cancelled.run_id)

    async def _affected(self, row: RunRow) -> Sequence[RunRow]:
        whole = row.decision is not None and row.decision.hierarchical and row.parent_run_id is None
        return await self.mover.store.runs_of_request(row.request_id) if whole else (row,)

    async def _ask(self, event: Event, rows: Sequence[RunRow], reason: str | None) -> None:
        asked: list[Move] = [(row, (CancelAsked(),)) for row in rows if not _asked(event, row)]
        await self.mover.record_all(event, asked)
        commands = [command for row in rows if (command := cancel_command(row, reason))]
        await self.mover.voice.say(event, commands, decision=rows[0].decision)

    async def _after_the_end(self, event: Event, row: RunRow) -> Outcome:
        if row.state is RunState.CANCELLED:
            return await self._waiting.again(event, row)
        reason = Reason(code="RUN_HAS_ENDED", message=f"Run {row.run_id} is {row.state}; nothing is left to cancel.")
        await self.mover.record(event, row, CancelRefused(reasons=(reason,)))
        return Done()


def _asked(event: Event, row: RunRow) -> bool:
    return led_to(row, event.id, CANCEL)
