"""Cancel a run at its external system, if there is anything left to cancel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.attempts import count_attempt, rest_of_wait, with_count
from consumers.dispatch.running.cancellation import Cancellation
from consumers.problems import run_unknown
from consumers.runtime.handler import DeadLetter, Done
from router.responses import Purpose
from router.runs.deadlines.time_out import is_cancelled_after_time_out
from router.runs.events import CancelAccepted, CancelledBeforeSending, CancelRefused
from router.runs.processed_events import has_led_to
from router.runs.states import TERMINAL
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES, UNSENT_PHASES
from schemas.problem import Problem
from schemas.results import Reason
from schemas.vocabulary import RunState, UpdateKind

if TYPE_CHECKING:
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import CancelRun


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRunHandler(Cancellation):
    """Handles `CancelRun`."""

    noun: ClassVar[str] = "cancellation"
    purpose: ClassVar[Purpose] = Purpose.CANCEL

    async def handle(self, event: Event, command: CancelRun, attempt: Attempt) -> Outcome:
        """Cancel by the profile's method; a run that was never sent ends at once."""
        row = await self.updater.store.run(command.run_id)
        if row is None:
            return DeadLetter(run_unknown(command.run_id, "cancel"))
        ended = row.phase in ENDED_PHASES and not is_cancelled_after_time_out(row)
        if ended or has_led_to(row, event.id, UpdateKind.CANCEL_ACCEPTED):
            return await self._handle_ended_run(event, row)
        if row.phase in UNSENT_PHASES and row.sent_at is None:
            await self.updater.store_intention(event, row, CancelledBeforeSending())
            return Done()
        if row.phase not in ACCEPTED_PHASES and row.accepted_at is None:
            return DeadLetter(_run_in_fallout(row), is_consequence=True)
        counted = count_attempt(self.caller, event, row, attempt)
        wait = rest_of_wait(self.caller, row, attempt, counted)
        return with_count(wait or await self._cancel(event, row, command, counted), counted)

    async def _cancel(self, event: Event, row: RunRow, command: CancelRun, attempt: Attempt) -> Outcome:
        cancelable = self.caller.spoke(row.spoke).profile.cancelable_states
        # A run that has timed out is `failed` here, and its system has reported no end.
        if not is_cancelled_after_time_out(row) and row.state is not None and row.state not in cancelable:
            return await self.refused(event, row, (past_point_of_no_return(row),))
        return await self.call_system(event, row, command.reason, attempt)

    async def ended(self, event: Event, row: RunRow, report: ExternalReport, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the end of a cancellation needs no other attempt
        """Store that the run is cancelled, or will be."""
        reported = self.caller.reported(row.spoke, report.of_part(), event.id)
        if report.state in TERMINAL - {RunState.CANCELLED}:
            too_late = Reason(code="RUN_ENDED", message=f"The run is {report.raw_state}; nothing is left to cancel.")
            await self.updater.store_fact(event, row, reported, CancelRefused(reasons=(too_late,)))
        else:
            await self.updater.store_fact(event, row, CancelAccepted(task=_task_of(report)), reported)
        return Done()

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


def _task_of(report: ExternalReport) -> str | None:
    """Return the id of the task that is cancelling the run; its end is reported, or asked for."""
    return report.cancel_task.id if report.cancel_task is not None else None


def past_point_of_no_return(row: RunRow) -> Reason:
    """Return why a run is not cancelled whose system takes no cancellation in its state."""
    message = f"{row.spoke} takes no cancellation of a run in the state {row.state}: wait for its end."
    return Reason(code="PAST_POINT_OF_NO_RETURN", message=message)


def _run_in_fallout(row: RunRow) -> Problem:
    return Problem(
        code="RUN_IN_FALLOUT",
        sentence=f"Run {row.run_id} is {row.phase}, and it is not known whether {row.spoke} has it: "
        "redrive the dead letter of its SendRun first, then this cancellation.",
    )
