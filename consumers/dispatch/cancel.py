"""Cancel a run at its external system, if there is anything left to cancel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.attempts import count_attempt, rest_of_wait, with_count
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.follow_up import (
    REFUSALS,
    act_on_failure,
    call_about_run,
    read_run,
    wait_for_id,
    wait_until_shown,
)
from consumers.problems import run_unknown
from consumers.runtime.handler import DeadLetter, Done
from consumers.spokes.port import ErrorInSuccessError, NotUnderstoodError
from consumers.spokes.profile import CancelMethod
from router.responses import Purpose, Verdict
from router.runs.deadlines.time_out import is_cancelled_after_time_out
from router.runs.events import CancelAccepted, CancelledBeforeSending, CancelRefused
from router.runs.processed_events import has_led_to
from router.runs.reports.cancel_task import TaskState
from router.runs.reports.report import ExternalReport, not_found_as_cancelled
from router.runs.states import RANK, TERMINAL
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES, UNSENT_PHASES
from schemas.problem import Problem
from schemas.results import Reason
from schemas.vocabulary import RunState, UpdateKind

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from consumers.spokes.port import Call
    from router.responses import HttpResponse
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import CancelRun

ACCEPTED_FOR_LATER = 202  # the run is cancelled when a callback or a poll reports it
NO_CONTENT = 204  # the response to a DELETE without a body: the run no longer exists


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRunHandler:
    """Handles `CancelRun`."""

    noun: ClassVar[str] = "cancellation"
    purpose: ClassVar[Purpose] = Purpose.CANCEL
    updater: RunUpdater
    caller: Caller

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
            return await self.refused(event, row, (_past_point_of_no_return(row),))
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        row = await finder.find(event, row)
        if row.external_id is None:
            return await wait_for_id(self, event, row, attempt, finder.delay(row, attempt))
        call = self.caller.spoke(row.spoke).to_cancel(row, command.reason, event.id)
        if self._cancels_by_task(row):
            return await self._create_task(event, row, call, attempt)
        return await call_about_run(self, event, row, call, attempt)

    async def refuse_unless_done(
        self, event: Event, row: RunRow, reasons: tuple[Reason, ...], attempt: Attempt
    ) -> Outcome:
        """Refuse the cancellation, unless an earlier attempt cancelled the run, and its response was lost."""
        result, report = await read_run(self, event, row)
        if result.meaning.verdict not in (*REFUSALS, Verdict.ACCEPTED):
            return await act_on_failure(self, event, row, result, attempt)
        if report is None or report.state is not RunState.CANCELLED:
            return await self.refused(event, row, reasons)
        return await self._store_end(event, row, report)

    def _cancels_by_task(self, row: RunRow) -> bool:
        return self.caller.spoke(row.spoke).profile.cancel is CancelMethod.TASK

    async def _create_task(self, event: Event, row: RunRow, call: Call, attempt: Attempt) -> Outcome:
        """POST the task; a 404 or 409 of the tasks' address is about the task, not about the run."""
        result = await self.caller.call_about(row, call, event)
        verdict = result.meaning.verdict
        if verdict is Verdict.ACCEPTED:
            return await self.accepted(event, row, result, attempt)
        if verdict is Verdict.CONFLICT and attempt.number > 1:
            # The task of an earlier attempt, whose response was lost, is under way.
            return await self.ambiguous(event, row, attempt)
        if verdict is Verdict.LOST:
            return await self._after_404(event, row, result, attempt)
        return await act_on_failure(self, event, row, result, attempt)

    async def _after_404(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Refuse what the system has no such tasks for, unless it does not have the run either."""
        read = await self.caller.call_about(row, self.caller.spoke(row.spoke).to_read(row.external_id or ""), event)
        if read.meaning.verdict is Verdict.ACCEPTED:
            return await self.refused(event, row, result.meaning.reasons)
        return await act_on_failure(self, event, row, read, attempt)

    async def accepted(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Store what was accepted, and what the response reports, unless the system shows that the run goes on."""
        response = result.accepted_response()
        try:
            report = replace(self.caller.spoke(row.spoke).read_reply(response), as_of=result.asked_at)
        except ErrorInSuccessError as error:
            return await self.refused(event, row, (_not_shown(f"The external system answered, but {error}."),))
        except NotUnderstoodError:
            report = None
        if report is not None and report.cancel_task is not None and report.cancel_task.state is TaskState.REFUSED:
            return await self.refused(event, row, report.cancel_task.reasons)
        if response.status != ACCEPTED_FOR_LATER and self._is_done_by(row, response):
            return await self._store_end(event, row, _with_end(row, report))
        if response.status != ACCEPTED_FOR_LATER and (report is None or report.state in RANK.keys() - TERMINAL):
            return await self.ambiguous(event, row, attempt)
        return await self._store_end(event, row, report or ExternalReport(external_id=row.external_id))

    def _is_done_by(self, row: RunRow, response: HttpResponse) -> bool:
        """Return whether a success means that the run has ended; its body may show what was deleted."""
        deletes = self.caller.spoke(row.spoke).profile.cancel is CancelMethod.DELETE
        return deletes or (response.status == NO_CONTENT and not self._cancels_by_task(row))

    async def ambiguous(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """GET the run, because the response to the cancellation shows a run that goes on, or no run."""
        spoke = self.caller.spoke(row.spoke)
        result = await self.caller.call_about(row, spoke.to_read(row.external_id or ""), event)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return await act_on_failure(self, event, row, result, attempt)
        try:
            report = replace(spoke.read_reply(result.accepted_response()), as_of=result.asked_at)
        except NotUnderstoodError as error:
            shown = _not_shown(f"The external system answered with success, but then {error}.")
            return await wait_until_shown(self, event, row, attempt, (shown,))
        if report.state in RANK.keys() - TERMINAL:
            shown = _not_shown(f"The external system answered with success, but the run is still {report.raw_state}.")
            return await wait_until_shown(self, event, row, attempt, (shown,))
        return await self._store_end(event, row, report)

    async def _store_end(self, event: Event, row: RunRow, report: ExternalReport) -> Outcome:
        reported = self.caller.reported(row.spoke, report, event.id)
        if report.state in TERMINAL - {RunState.CANCELLED}:
            too_late = Reason(code="RUN_ENDED", message=f"The run is {report.raw_state}; nothing is left to cancel.")
            await self.updater.store_fact(event, row, reported, CancelRefused(reasons=(too_late,)))
        else:
            await self.updater.store_fact(event, row, CancelAccepted(task=_task_of(report)), reported)
        return Done()

    async def lost(self, event: Event, row: RunRow, result: CallResult) -> Outcome:
        """Store that the run is cancelled: its system does not know it, as after a DELETE whose answer was lost."""
        report = not_found_as_cancelled(row.external_id, result.meaning.reasons)
        return await self._store_end(event, row, report)

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


def _with_end(row: RunRow, report: ExternalReport | None) -> ExternalReport:
    """Return the report of a run that was deleted: its body may show the run as it was before."""
    report = report or ExternalReport(external_id=row.external_id)
    return report if report.state in TERMINAL else replace(report, state=RunState.CANCELLED)


def _task_of(report: ExternalReport) -> str | None:
    """Return the id of the task that is cancelling the run; its end is reported, or asked for."""
    return report.cancel_task.id if report.cancel_task is not None else None


def _past_point_of_no_return(row: RunRow) -> Reason:
    message = f"{row.spoke} takes no cancellation of a run in the state {row.state}: wait for its end."
    return Reason(code="PAST_POINT_OF_NO_RETURN", message=message)


def _not_shown(message: str) -> Reason:
    return Reason(code="CANCEL_NOT_SHOWN", message=message)


def _run_in_fallout(row: RunRow) -> Problem:
    return Problem(
        code="RUN_IN_FALLOUT",
        sentence=f"Run {row.run_id} is {row.phase}, and it is not known whether {row.spoke} has it: "
        "redrive the dead letter of its SendRun first, then this cancellation.",
    )
