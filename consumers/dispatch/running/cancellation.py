"""Cancel a run at its system, and find out whether it has ended: for its cancellation, or for a change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.follow_up import (
    REFUSALS,
    act_on_failure,
    call_about_run,
    read_run,
    refusal_reasons,
    wait_for_id,
    wait_until_shown,
)
from consumers.problems import CANCEL_NOT_SHOWN
from consumers.spokes.port import AnotherRunError, ErrorInSuccessError, NoRunShownError, NotUnderstoodError
from consumers.spokes.profile import CancelMethod
from router.responses import ACCEPTED_FOR_LATER, Verdict, says_nothing
from router.runs.reports.cancel_task import TaskState
from router.runs.reports.report import ExternalReport, not_found_as_cancelled
from router.runs.states import RANK, TERMINAL
from router.runs.transitions import ENDED_PHASES
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from consumers.spokes.port import Call
    from router.responses import Purpose
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation(ABC):
    """Cancels a run by the profile's method; what its end means is for those who need it."""

    noun: ClassVar[str]
    purpose: ClassVar[Purpose]
    follows_end: ClassVar[bool] = False  # whether a run without a shown end is read until it has ended
    updater: RunUpdater
    caller: Caller

    @abstractmethod
    async def ended(self, event: Event, row: RunRow, report: ExternalReport, attempt: Attempt) -> Outcome:
        """Store what the system reports; without a state, it has accepted the cancellation and will report its end."""

    @abstractmethod
    async def refused(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store why the run is not cancelled."""

    async def still_shown(self, event: Event, row: RunRow, attempt: Attempt, reason: Reason) -> Outcome:
        """Wait, because the system answers with success and shows a run that goes on."""
        return await wait_until_shown(self, event, row, attempt, (reason,))

    async def call_system(self, event: Event, row: RunRow, reason: str | None, attempt: Attempt) -> Outcome:
        """Cancel the run once its external id is known."""
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        row = await finder.find(event, row)
        if row.external_id is None:
            return await wait_for_id(self, event, row, attempt, finder.delay(row, attempt))
        call = self.caller.spoke(row.spoke).to_cancel(row, reason, event.id)
        if self._cancels_by_task(row):
            return await self._create_task(event, row, call, attempt)
        return await call_about_run(self, event, row, call, attempt, self._after_404)

    async def refuse_unless_done(
        self, event: Event, row: RunRow, reasons: tuple[Reason, ...], attempt: Attempt
    ) -> Outcome:
        """Refuse the cancellation, unless an earlier attempt cancelled the run, and its response was lost."""
        result, report = await read_run(self, event, row)
        if result.meaning.verdict not in (*REFUSALS, Verdict.ACCEPTED):
            return await act_on_failure(self, event, row, result, attempt)
        if report is None or report.state is not RunState.CANCELLED:
            return await self.refused(event, row, reasons)
        return await self.ended(event, row, report, attempt)

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
        """Refuse what the system has no such address or task for, unless it does not have the run either."""
        read, report = await read_run(self, event, row)
        if read.meaning.verdict is not Verdict.ACCEPTED:
            # For a run that has timed out nobody waits until its system answers a GET again.
            has_ended = row.phase in ENDED_PHASES and read.meaning.verdict is not Verdict.LOST
            return await (
                self.lost(event, row, result, attempt) if has_ended else act_on_failure(self, event, row, read, attempt)
            )
        if report is None and not self._shows_a_run(row, read):
            return await self.lost(event, row, result, attempt)
        if report is not None and report.state is RunState.CANCELLED:
            return await self.ended(event, row, report, attempt)
        return await self.refused(event, row, refusal_reasons(self, row, result))

    def _shows_a_run(self, row: RunRow, read: CallResult) -> bool:
        """Return whether an answer to GET is perhaps about a run: some systems say "not found" with success."""
        if says_nothing(read.accepted_response()):
            return False
        try:
            self.caller.read_run_as_of(row, read)
        except NoRunShownError:
            return False
        except NotUnderstoodError:
            return True
        return True

    async def accepted(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Store what was accepted, and what the response reports, unless the system shows that the run goes on."""
        response = result.accepted_response()
        try:
            report = self.caller.read_run_as_of(row, result)
        except ErrorInSuccessError as error:
            return await self.refused(event, row, (_not_shown(f"The external system answered, but {error}."),))
        except AnotherRunError:
            return await self.ambiguous(event, row, attempt)
        except NotUnderstoodError:
            report = None
        # A proxy or a login page may answer instead of the system, so only what it shows now counts.
        is_read = report is not None or says_nothing(response)
        if report is not None and report.cancel_task is not None and report.cancel_task.state is TaskState.REFUSED:
            return await self.refused(event, row, report.cancel_task.reasons)
        if response.status != ACCEPTED_FOR_LATER and is_read and self._is_done_by(row):
            return await self.ended(event, row, _with_end(row, report), attempt)
        if response.status != ACCEPTED_FOR_LATER and self._leaves_open(row, report):
            return await self.ambiguous(event, row, attempt)
        return await self.ended(event, row, report or ExternalReport(external_id=row.external_id), attempt)

    def _leaves_open(self, row: RunRow, report: ExternalReport | None) -> bool:
        """Return whether a success does not say whether the run has ended; the answer to a task shows no run."""
        if report is None or goes_on(report):
            return True
        return report.state is None and not self.follows_end and not self._cancels_by_task(row)

    def _is_done_by(self, row: RunRow) -> bool:
        """Return whether a success means that the run has ended; its body may show what was deleted."""
        return self.caller.spoke(row.spoke).profile.cancel is CancelMethod.DELETE

    async def ambiguous(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """GET the run, because the response to the cancellation shows a run that goes on, or no run."""
        result = await self.caller.fetch_run(row, event)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return await act_on_failure(self, event, row, result, attempt)
        try:
            report = self.caller.read_run_as_of(row, result)
        except NotUnderstoodError as error:
            shown = _not_shown(f"The external system answered with success, but then {error}.")
            return await self.still_shown(event, row, attempt, shown)
        if not self.follows_end and says_nothing(result.accepted_response()):
            shown = _not_shown("Neither the answer to the cancellation nor the run shows that it has ended.")
            return await self.still_shown(event, row, attempt, shown)
        if goes_on(report):
            shown = _not_shown(f"The external system answered with success, but the run is still {report.raw_state}.")
            return await self.still_shown(event, row, attempt, shown)
        return await self.ended(event, row, report, attempt)

    async def lost(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Store that the run is cancelled: its system does not know it, as after a DELETE whose answer was lost."""
        report = not_found_as_cancelled(row.external_id, result.meaning.reasons)
        return await self.ended(event, row, report, attempt)


def goes_on(report: ExternalReport) -> bool:
    """Return whether a report shows a run that goes on, and not one that is being cancelled."""
    return report.state in RANK.keys() - TERMINAL and not report.is_being_cancelled


def _with_end(row: RunRow, report: ExternalReport | None) -> ExternalReport:
    """Return the report of a run that was deleted: its body may show the run as it was before."""
    report = report or ExternalReport(external_id=row.external_id)
    return report if report.state in TERMINAL else replace(report, state=RunState.CANCELLED)


def _not_shown(message: str) -> Reason:
    return Reason(code=CANCEL_NOT_SHOWN, message=message)
