"""Ask a system for a run that it is cancelling, or for the task that does so, because no event has reported the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from consumers.inbound.checks.run_check import is_not_there
from consumers.problems import CANCEL_NOT_SHOWN, cancellation_not_shown, reason_of
from consumers.spokes.port import NotUnderstoodError
from router.responses import Verdict
from router.runs.checks.cancellation import MAX_ABSENCES, is_overdue
from router.runs.events import CancellationChecked, CancelRefused
from router.runs.ids import derive_event_id
from router.runs.reports.cancel_task import TaskState
from router.runs.reports.report import not_found_as_cancelled
from router.runs.revisions.replacement import expects_cancellation
from router.runs.states import TERMINAL
from router.runs.transitions import ACCEPTED_PHASES
from schemas.inbound import InboundReceived
from schemas.results import Reason

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from router.runs.checks.cancellation import FollowedTask
    from router.runs.events import RunEvent
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.problem import Problem


class CancellationNews(NamedTuple):
    """The row after a check, and the problem that only a person can solve."""

    row: RunRow
    problem: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationCheck:
    """Handles a check of a run whose cancellation is followed.

    A task that is done ends the run, one that failed refuses the cancellation. Without a task the run itself is read,
    and of one that the system does not have: several answers without either mean that nothing shows the cancellation.
    So does an answer after `cancel_deadline` of the profile.
    """

    updater: RunUpdater
    caller: Caller

    def is_due(self, event: Event, row: RunRow) -> bool:
        """Return whether the system is to be asked for the task now."""
        # The clock of the process that found the check due may be ahead of ours.
        now = self.updater.now()
        as_of = max(now, event.data.received_at) if isinstance(event.data, InboundReceived) else now
        return row.cancellation is not None and row.phase in ACCEPTED_PHASES and row.cancellation.due <= as_of

    async def handle(self, event: Event, row: RunRow) -> CancellationNews:
        """Ask for the task or the run, and record what its system answers."""
        followed = row.cancellation
        if followed is None or not expects_cancellation(row):  # the change that needed it was refused
            return CancellationNews(await self._store(event, row, CancellationChecked(gives_up=True)))
        call = self.caller.spoke(row.spoke).to_read_cancellation(followed.id) if followed.id else None
        if call is None:
            return await self._read_run(event, row, followed)
        result = await self.caller.call_about(row, call, event)
        if is_not_there(result):
            return await self._read_run(event, row, followed)
        answer = self._readable(row, result)
        task = answer.cancel_task if answer is not None else None
        if answer is None or task is None or task.state not in (TaskState.DONE, TaskState.REFUSED):
            return await self._go_on(event, row, followed, "being cancelled" if answer else None)
        if task.state is TaskState.REFUSED:
            return CancellationNews(await self._store(event, row, CancelRefused(reasons=task.reasons)))
        return CancellationNews(await self._report(event, row, answer))

    async def _read_run(self, event: Event, row: RunRow, followed: FollowedTask) -> CancellationNews:
        """Read the run: there is no task, or its system does not have it (any more)."""
        result = await self.caller.fetch_run(row, event)
        if is_not_there(result):
            gone = not_found_as_cancelled(row.external_id, result.meaning.reasons)
            return CancellationNews(await self._report(event, row, gone))
        answer = self._readable(row, result)
        if answer is not None and answer.state in TERMINAL:
            return CancellationNews(await self._report(event, row, answer))
        if answer is not None and answer.raw_state and answer.state is not row.state and not answer.is_being_cancelled:
            row = await self._report(event, row, answer)  # perhaps a word for its end that the profile has to explain
            if row.phase not in ACCEPTED_PHASES:  # its measures have ended it
                return CancellationNews(row)
        shown = (answer.raw_state or str(row.state)) if answer is not None else None
        if not followed.id or shown is None or followed.absences + 1 < MAX_ABSENCES:
            return await self._go_on(event, row, followed, shown, absent=bool(followed.id and shown))
        reason = Reason(
            code=CANCEL_NOT_SHOWN,
            message=f"The external system does not have the task {followed.id} that cancels the run, and the run is "
            f"still {shown}.",
        )
        return CancellationNews(await self._store(event, row, CancelRefused(reasons=(reason,))))

    async def _go_on(
        self, event: Event, row: RunRow, followed: FollowedTask, shown: str | None, *, absent: bool = False
    ) -> CancellationNews:
        """Set the time of the next question; a cancellation that an answer does not show in time is for a person."""
        seconds = self.caller.spoke(row.spoke).profile.cancel_deadline
        if shown is None or not row.cancel_requested or not is_overdue(followed, self.updater.now(), seconds):
            return CancellationNews(await self._store(event, row, CancellationChecked(absent=absent, within=seconds)))
        problem = cancellation_not_shown(row, shown, seconds)
        refused = CancelRefused(reasons=(reason_of(problem),))
        return CancellationNews(await self._store(event, row, refused), problem)

    def _readable(self, row: RunRow, result: CallResult) -> ExternalReport | None:
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return None
        try:
            return self.caller.read_run_as_of(row, result)
        except NotUnderstoodError:
            return None

    async def _report(self, event: Event, row: RunRow, report: ExternalReport) -> RunRow:
        report_id = derive_event_id(event.id, f"cancellation:{row.revision}")
        return await self.updater.store_fact(event, row, self.caller.reported(row.spoke, report, report_id))

    async def _store(self, event: Event, row: RunRow, run_event: RunEvent) -> RunRow:
        # Over exactly this row: an event about the task may have come at the same moment.
        return await self.updater.store_intention(event, row, run_event)
