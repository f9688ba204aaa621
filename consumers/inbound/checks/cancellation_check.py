"""Ask a system for the task that cancels a run, because no event has reported its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.inbound.checks.run_check import is_not_there
from consumers.spokes.port import NotUnderstoodError
from router.responses import Verdict
from router.runs.checks.cancellation import MAX_ABSENCES
from router.runs.events import CancellationChecked, CancelRefused
from router.runs.ids import derive_event_id
from router.runs.reports.cancel_task import TaskState
from router.runs.reports.report import not_found_as_cancelled
from router.runs.states import TERMINAL
from router.runs.transitions import ACCEPTED_PHASES
from schemas.inbound import InboundReceived
from schemas.results import Reason

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from router.runs.events import RunEvent
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationCheck:
    """Handles a check of a run whose cancellation is followed.

    A task that is done ends the run, one that failed refuses the cancellation. Of a task that the system does not have
    the run itself is read: several answers without either mean that nothing shows the cancellation.
    """

    updater: RunUpdater
    caller: Caller

    def is_due(self, event: Event, row: RunRow) -> bool:
        """Return whether the system is to be asked for the task now."""
        # The clock of the process that found the check due may be ahead of ours.
        now = self.updater.now()
        as_of = max(now, event.data.received_at) if isinstance(event.data, InboundReceived) else now
        return row.cancellation is not None and row.phase in ACCEPTED_PHASES and row.cancellation.due <= as_of

    async def handle(self, event: Event, row: RunRow) -> RunRow:
        """Ask for the task, record what its system answers, and return the row as it is then."""
        call = self.caller.spoke(row.spoke).to_read_cancellation(row.cancellation.id if row.cancellation else "")
        if call is None:  # the system has another dialect since then
            return await self._store(event, row, CancellationChecked(gives_up=True))
        result = await self.caller.call_about(row, call, event)
        if is_not_there(result):
            return await self._without_task(event, row)
        answer = self._readable(row, result)
        task = answer.cancel_task if answer is not None else None
        if answer is None or task is None or task.state not in (TaskState.DONE, TaskState.REFUSED):
            return await self._store(event, row, CancellationChecked())
        if task.state is TaskState.REFUSED:
            return await self._store(event, row, CancelRefused(reasons=task.reasons))
        return await self._report(event, row, answer)

    async def _without_task(self, event: Event, row: RunRow) -> RunRow:
        """Read the run, because its system does not have the task (any more)."""
        result = await self.caller.fetch_run(row, event)
        if is_not_there(result):
            return await self._report(event, row, not_found_as_cancelled(row.external_id, result.meaning.reasons))
        answer = self._readable(row, result)
        if answer is not None and answer.state in TERMINAL:
            return await self._report(event, row, answer)
        if answer is None or row.cancellation is None or row.cancellation.absences + 1 < MAX_ABSENCES:
            return await self._store(event, row, CancellationChecked(absent=answer is not None))
        reason = Reason(
            code="CANCEL_NOT_SHOWN",
            message=f"The external system does not have the task {row.cancellation.id} that cancels the run, and the "
            f"run is still {answer.raw_state or row.state}.",
        )
        return await self._store(event, row, CancelRefused(reasons=(reason,)))

    def _readable(self, row: RunRow, result: CallResult) -> ExternalReport | None:
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return None
        try:
            return self.caller.read_run(row, result)
        except NotUnderstoodError:
            return None

    async def _report(self, event: Event, row: RunRow, report: ExternalReport) -> RunRow:
        report_id = derive_event_id(event.id, f"cancellation:{row.revision}")
        return await self.updater.store_fact(event, row, self.caller.reported(row.spoke, report, report_id))

    async def _store(self, event: Event, row: RunRow, run_event: RunEvent) -> RunRow:
        # Over exactly this row: an event about the task may have come at the same moment.
        return await self.updater.store_intention(event, row, run_event)
