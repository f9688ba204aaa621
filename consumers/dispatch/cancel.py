"""Cancel a run at its external system, if there is anything left to cancel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.follow_up import call_about_run, wait_for_id
from consumers.problems import run_unknown
from consumers.runtime.handler import DeadLetter, Done
from consumers.spokes.port import NotUnderstoodError
from router.runs.events import CancelAccepted, CancelledBeforeSending, CancelRefused, Reported
from router.runs.processed_events import has_led_to
from router.runs.reports import ExternalReport
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES, UNSENT_PHASES
from schemas.problem import Problem
from schemas.results import Reason
from schemas.vocabulary import RunState, UpdateKind

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import CancelRun

NO_CONTENT = 204  # the response to a DELETE without a body: the run no longer exists


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRunHandler:
    """Handles `CancelRun`."""

    noun: ClassVar[str] = "cancellation"
    updater: RunUpdater
    caller: Caller

    async def handle(self, event: Event, command: CancelRun, attempt: Attempt) -> Outcome:
        """Cancel by the profile's method; a run that was never sent ends at once."""
        row = await self.updater.store.run(command.run_id)
        if row is None:
            return DeadLetter(run_unknown(command.run_id, "cancel"))
        if row.phase in ENDED_PHASES or has_led_to(row, event.id, UpdateKind.CANCEL_ACCEPTED):
            return await self._handle_ended_run(event, row)
        if row.phase in UNSENT_PHASES and row.sent_at is None:
            await self.updater.store_intention(event, row, CancelledBeforeSending())
            return Done()
        if row.phase not in ACCEPTED_PHASES:
            return DeadLetter(_run_in_fallout(row))
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        row = await finder.find(event, row)
        if row.external_id is None:
            return await wait_for_id(self, event, row, finder.delay(row, attempt))
        return await self._cancel(event, row, command, attempt)

    async def _cancel(self, event: Event, row: RunRow, command: CancelRun, attempt: Attempt) -> Outcome:
        call = self.caller.spoke(row.spoke).to_cancel(row, command.reason, event.id)
        return await call_about_run(self, event, row, call, attempt)

    async def accepted(self, event: Event, row: RunRow, result: CallResult) -> Outcome:
        """Store what was accepted, and what the response reports."""
        report = self._read_report(row, result)
        await self.updater.store_fact(event, row, CancelAccepted(), Reported(report_id=event.id, report=report))
        return Done()

    def _read_report(self, row: RunRow, result: CallResult) -> ExternalReport:
        if result.accepted_response().status == NO_CONTENT:
            return ExternalReport(external_id=row.external_id, state=RunState.CANCELLED)
        try:
            report = self.caller.spoke(row.spoke).read_reply(result.accepted_response())
        except NotUnderstoodError:
            return ExternalReport(external_id=row.external_id)
        return replace(report, as_of=result.asked_at)

    async def _handle_ended_run(self, event: Event, row: RunRow) -> Outcome:
        if row.state is RunState.CANCELLED or has_led_to(row, event.id, UpdateKind.CANCEL_ACCEPTED):
            await self.updater.republish(event, row)
            return Done()
        ended = Reason(code="RUN_ENDED", message=f"Run {row.run_id} is {row.state}; nothing is left to cancel.")
        return await self.refused(event, row, (ended,))

    async def refused(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store why the run is not cancelled."""
        await self.updater.store_fact(event, row, CancelRefused(reasons=reasons))
        return Done()


def _run_in_fallout(row: RunRow) -> Problem:
    return Problem(
        code="RUN_IN_FALLOUT",
        sentence=f"Run {row.run_id} is {row.phase}, and it is not known whether {row.spoke} has it: "
        "redrive the dead letter of its SendRun first, then this cancellation.",
    )
