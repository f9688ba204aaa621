"""Read and record what a system reports about the cancellation of a run that is a task of its own (TMF653 v5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumers.problems import call_failed, report_unreadable
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.spokes.port import NotUnderstoodError
from router.responses import Verdict
from router.runs.events import CancelRefused, ChangeRefused
from router.runs.reports.cancel_task import TaskState
from router.runs.revisions.replacement import is_being_replaced
from router.runs.transitions import ACCEPTED_PHASES

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event


def needs_task(report: ExternalReport) -> bool:
    """Return whether a report names a task, but neither the outcome of the task nor the run that it cancels."""
    task = report.cancel_task
    if task is None or task.id is None:
        return False
    return report.external_id is None or (task.state is TaskState.UNKNOWN and not report.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReports:
    """Handles reports about such tasks."""

    updater: RunUpdater
    caller: Caller

    async def read_task(
        self, event: Event, spoke: str, report: ExternalReport, attempt: Attempt
    ) -> ExternalReport | Outcome:
        """Return the report completed from the task itself, or the outcome of the event if the task cannot be read."""
        task_id = report.cancel_task.id if report.cancel_task else None
        call = self.caller.spoke(spoke).to_read_cancellation(task_id or "")
        if call is None:
            return report
        row = await self._find_run(spoke, report, task_id)
        asked = self.caller.call(spoke, call) if row is None else self.caller.call_about(row, call, event)
        result = await asked
        sentence = f"The cancellation {task_id} could not be read at {spoke}"
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return self._retry(event, spoke, result, attempt, sentence)
        try:
            answer = self.caller.spoke(spoke).read_reply(result.accepted_response())
        except NotUnderstoodError as error:
            return DeadLetter(report_unreadable(spoke, str(error)))
        if answer.cancel_task is None:
            return DeadLetter(report_unreadable(spoke, f"{task_id} is not a task that cancels a run"))
        if not _is_asked_for(answer, report):
            another = f"the answer is about another cancellation or run than {task_id}"
            return self._retry(event, spoke, result.as_unknown_outcome(another), attempt, sentence)
        return replace(
            answer,
            external_id=answer.external_id or report.external_id,
            event_id=report.event_id,
            asked=report.asked,
        )

    async def _find_run(self, spoke: str, report: ExternalReport, task_id: str | None) -> RunRow | None:
        """Return the run that the event is about: it names it, or the run was cancelled by this task."""
        if report.external_id is not None:
            return await self.updater.store.run_by_external_id(spoke, report.external_id)
        return await self.updater.store.run_by_cancel_task(spoke, task_id) if task_id else None

    def _retry(self, event: Event, spoke: str, result: CallResult, attempt: Attempt, sentence: str) -> Outcome:
        problem = call_failed(result, sentence)
        delay = self.caller.delay_after(spoke, result, attempt, event.id)
        lost = result.meaning.verdict is Verdict.LOST
        return DeadLetter(problem) if delay is None or lost else RetryLater(delay, problem)

    async def record(self, event: Event, row: RunRow, report: ExternalReport) -> Outcome:
        """Record that the run is cancelled, that it goes on, or what the system needs first."""
        if event.id in row.processed_reports:
            await self.updater.republish(event, row)
            return Done()
        reported = self.caller.reported(row.spoke, report, event.id)
        task = report.cancel_task
        # Somebody else may have tried to cancel the run at the system: nobody here waits for the outcome.
        if task is not None and task.state is TaskState.REFUSED and _waits_for_outcome(row):
            await self.updater.store_fact(event, row, reported, CancelRefused(reasons=task.reasons))
        elif task is not None and task.state is TaskState.REFUSED and is_being_replaced(row):
            version = row.requested.version
            refused = ChangeRefused(version=version, reasons=task.reasons, test_goes_on=True)
            await self.updater.store_fact(event, row, reported, refused)
        else:
            await self.updater.store_fact(event, row, reported)
        return Done()


def _is_asked_for(answer: ExternalReport, report: ExternalReport) -> bool:
    """Return whether task and run of an answer are those that the event named, as far as both name them."""
    task, asked = answer.cancel_task, report.cancel_task
    pairs = ((task and task.id, asked and asked.id), (answer.external_id, report.external_id))
    return all(not shown or not named or shown.casefold() == named.casefold() for shown, named in pairs)


def _waits_for_outcome(row: RunRow) -> bool:
    return row.cancel_requested and row.phase in ACCEPTED_PHASES
