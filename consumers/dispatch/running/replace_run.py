"""Replace a run at its system for a change that it takes only with another POST: cancel the test that it has.

Once that has ended, whoever stores it publishes the `SendRun` that sends the changed run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.follow_up import growing_delay, is_overdue, wait_for_next, wait_until_shown
from consumers.dispatch.running.cancellation import Cancellation
from consumers.runtime.handler import Done
from consumers.spokes.port import NotUnderstoodError
from router.responses import Purpose, Verdict
from router.runs.changes import run_has_ended
from router.runs.events import ChangeRefused, ReplacementBegun, ReplacementDelayed
from router.runs.ids import derive_event_id
from router.runs.reports.report import not_found_as_cancelled
from router.runs.revisions.replacement import is_being_replaced
from router.runs.run import replace as with_state
from router.runs.states import TERMINAL
from schemas.problem import Problem
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.reports.report import ExternalReport
    from router.runs.revisions.change_plan import ChangePlan
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

CANCEL_AWAITED = "CANCEL_AWAITED"
_WHY = "the run has changed and is sent again"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReplacer(Cancellation):
    """Cancels the test of a run for a change; one attempt of a `ChangeRun`.

    That it is being cancelled is stored first, so the end of the test, whoever reports it, is not that of the run.
    """

    noun: ClassVar[str] = "cancellation that the change needs"
    purpose: ClassVar[Purpose] = Purpose.CHANGE
    follows_end: ClassVar[bool] = True
    plan: ChangePlan
    attempt: Attempt
    has_called: bool = False  # in this attempt

    async def cancel_test(self, event: Event, row: RunRow) -> Outcome:
        """Cancel the test, unless an earlier attempt has; then find out whether it has ended."""
        if is_being_replaced(row):
            return await self.ambiguous(event, row, self.attempt)
        row = await self.updater.store_intention(event, row, ReplacementBegun())
        return await self._cancel(event, row)

    async def _cancel(self, event: Event, row: RunRow) -> Outcome:
        return await replace(self, has_called=True).call_system(event, row, _WHY, self.attempt)

    async def still_shown(self, event: Event, row: RunRow, attempt: Attempt, reason: Reason) -> Outcome:
        """Cancel the test that is still active, or wait if the system has accepted that."""
        last = row.failed_attempt
        if self.has_called:
            return await wait_until_shown(self, event, row, attempt, (reason,))
        if last is not None and last.command == event.id and last.code == CANCEL_AWAITED:
            return await self._await_end(event, row, attempt)
        return await self._cancel(event, row)

    async def ended(self, event: Event, row: RunRow, report: ExternalReport, attempt: Attempt) -> Outcome:
        """Store the end of the test: it is the end of the run unless the test was cancelled."""
        if report.state not in TERMINAL:
            return await self._await_end(event, row, attempt)
        # What the response shows is the test that was asked for, whatever it calls it.
        report = replace(report, external_id=row.external_id)
        report_id = derive_event_id(event.id, f"replaced {row.external_id}")
        reported = self.caller.reported(row.spoke, report, report_id)
        if report.state is RunState.CANCELLED:
            await self.updater.store_fact(event, row, reported)
            return Done()
        too_late = run_has_ended(with_state(row, state=report.state))
        refused = ChangeRefused(version=row.requested.version, reasons=(too_late,))
        await self.updater.store_fact(event, row, reported, refused)
        return Done()

    async def _await_end(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """Wait until the system shows the end of the test; after some time only its reports count."""
        deadline = self.caller.spoke(row.spoke).profile.change_deadline
        if is_overdue(self.caller, attempt, deadline):
            await self.updater.store_fact(event, row, ReplacementDelayed(reason=_not_ended(row, deadline)))
            return Done()
        problem = Problem(
            code=CANCEL_AWAITED,
            sentence=f"{row.spoke} has accepted the cancellation of its test {row.external_id} of run {row.run_id}: "
            "the changed run is sent once that has ended.",
        )
        return await wait_for_next(self, event, row, attempt, problem, growing_delay(attempt))

    async def refused(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store that the change is not made, unless the test has ended in spite of the answer."""
        report = await self._read(event, row)
        if report is not None and report.state in TERMINAL:
            return await self.ended(event, row, report, self.attempt)
        fields = tuple(_not_replaced(change.field) for change in self.plan.changes)
        refused = ChangeRefused(
            version=row.requested.version,
            reasons=(*reasons, *fields, *self.plan.refused),
            test_goes_on=report is not None and report.state is not None,
        )
        await self.updater.store_fact(event, row, refused)
        return Done()

    async def _read(self, event: Event, row: RunRow) -> ExternalReport | None:
        """Ask once for the test; None if nothing of it is certain."""
        result = await self.caller.fetch_run(row, event)
        if result.meaning.verdict is Verdict.LOST:
            return not_found_as_cancelled(row.external_id, result.meaning.reasons)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return None
        try:
            return self.caller.read_run_as_of(row, result)
        except NotUnderstoodError:
            return None


def _not_replaced(field: str) -> Reason:
    return Reason(
        code="TEST_NOT_CANCELLED",
        message=f"{field} is changed with another POST, and the test that the system has was not cancelled.",
        property_path=f"/{field}",
    )


def _not_ended(row: RunRow, deadline: float) -> Reason:
    return Reason(
        code=CANCEL_AWAITED,
        message=f"{row.spoke} has accepted the cancellation of its test {row.external_id}, and has not shown its end "
        f"for {deadline:g} s: the changed run is sent once it reports it.",
    )
