"""Take in a cancelled run: remember it, so that nothing more is sent, and command the cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.outcomes import DeadLetter, Done
from consumers.troubles import unknown_run
from router.happenings import CancelAsked, CancelledUnsent, CancelRefused
from router.transitions import ENDED
from schemas.commands import CancelRun
from schemas.outcomes import Reason
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.moves import Mover
    from consumers.runtime.outcomes import Outcome
    from router.runs import RunRow
    from schemas.envelope import Event
    from schemas.lifecycle import RunCancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRuns:
    """The handler of `RunCancelled`."""

    mover: Mover

    async def __call__(self, event: Event, cancelled: RunCancelled) -> Outcome:
        """Withdraw one run, or a root with all its children."""
        row = await self.mover.store.run(cancelled.run_id)
        if row is None:
            return DeadLetter(unknown_run(cancelled.run_id, "cancel"))
        if row.phase is Phase.CREATED:
            await self.mover.intend(event, row, CancelledUnsent())
            return Done()
        affected = [one for one in await self._affected(row) if one.phase not in ENDED]
        if not affected:
            await self._refuse(event, row)
            return Done()
        for one in affected:
            await self.ask(event, one, cancelled.reason)
        return Done()

    async def _affected(self, row: RunRow) -> Sequence[RunRow]:
        whole = row.decision is not None and row.decision.hierarchical and row.parent_run_id is None
        return await self.mover.store.runs_of_request(row.request_id) if whole else (row,)

    async def ask(self, event: Event, row: RunRow, reason: str | None) -> None:
        """Mark one run as not wanted and command its cancellation."""
        if not row.cancel_asked:
            row = await self.mover.intend(event, row, CancelAsked())
        if row.decision is None:
            return
        command = CancelRun(
            run_id=row.run_id,
            root_run_id=row.root_run_id,
            request_id=row.request_id,
            spoke=row.spoke,
            decision=row.decision,
            reason=reason,
        )
        await self.mover.voice.say(event, [command], decision=row.decision)

    async def _refuse(self, event: Event, row: RunRow) -> None:
        reason = Reason(code="RUN_HAS_ENDED", message=f"Run {row.run_id} is {row.state}; nothing is left to cancel.")
        await self.mover.record(event, row, CancelRefused(reasons=(reason,)))
