"""Ask an external system for a run of which something is missing, and record what it answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumers.dispatch.find_external_id import ExternalIdFinder, settles
from consumers.problems import external_id_missing, reason_of, state_unknown
from consumers.runtime.handler import DeadLetter, Done
from consumers.spokes.port import NoRunShownError, NotUnderstoodError
from router.responses import Verdict, says_nothing
from router.runs.checks.missing_parts import waits_for
from router.runs.checks.watch import RETURN_WITHIN, UNKNOWN_STATE_WITHIN, Missing, is_over
from router.runs.events import Checked, RunMissing
from router.runs.ids import derive_event_id
from router.runs.processed_events import has_been_processed
from router.runs.reports.report import not_found_as_cancelled
from router.runs.revisions.replacement import expects_cancellation, is_reposted
from router.runs.transitions import ENDED_PHASES
from schemas.inbound import InboundReceived
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from consumers.spokes.profile import Profile
    from router.runs.checks.watch import Watch
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """Handles a report without content: a check that is due, or the poller was answered that the run is not there.

    Whatever the system answers, or not, the record is done; the row says when the run is checked again.
    """

    updater: RunUpdater
    caller: Caller

    async def handle(self, event: Event, row: RunRow) -> Outcome:
        """Ask for the run, unless that was done before, or nothing is missing any more."""
        is_settled = self._is_settled(event, row)
        if is_settled or has_been_processed(row, event.id):
            await self.updater.republish(event, row)
        if is_settled or is_reposted(row):
            return Done()
        if row.external_id is None:
            return await self._look_up(event, row)
        result = await self.caller.fetch_run(row, event)
        if is_not_there(result):
            return await self.not_there(event, row, result)
        try:
            report = self._read(row, result)
        except NoRunShownError as error:
            return await self.not_there(event, row, result.as_not_there(str(error)))
        if report is not None:
            # A redriven check has the same id, and its answer counts.
            report_id = derive_event_id(event.id, f"check:{row.revision}")
            row = await self.updater.store_fact(event, row, self.caller.reported(row.spoke, report, report_id))
        return await self._continue(event, row, answered=report is not None and not report.is_no_run)

    def _is_settled(self, event: Event, row: RunRow) -> bool:
        if row.watch is None:
            return row.phase in ENDED_PHASES
        # The clock of the process that found the check due may be ahead of ours.
        published_at = event.data.received_at if isinstance(event.data, InboundReceived) else row.watch.since
        return row.watch.due > max(self.updater.now(), published_at)

    async def not_there(self, event: Event, row: RunRow, result: CallResult) -> Outcome:
        """Record the answer that the system does not have the run."""
        profile, reasons = self._profile(row), result.meaning.reasons
        if expects_cancellation(row) and row.phase not in ENDED_PHASES:
            gone = not_found_as_cancelled(row.external_id, reasons)
            await self.updater.store_fact(event, row, self.caller.reported(row.spoke, gone, event.id))
        elif waits_for(row, Missing.MEASURES):  # a system may delete a run that has completed
            return await self._continue(event, row, answered=True)
        else:
            await self.updater.store_fact(event, row, RunMissing(lost_after=profile.lost_after, reasons=reasons))
        return Done()

    async def _look_up(self, event: Event, row: RunRow) -> Outcome:
        answer = await ExternalIdFinder(updater=self.updater, caller=self.caller).ask(row)
        if answer.found is not None and settles(answer.found):
            reported = self.caller.reported(row.spoke, answer.found.of_part(), event.id)
            await self.updater.store_fact(event, row, reported)
            return Done()
        return await self._continue(event, row, answered=answer.answered)

    async def _continue(self, event: Event, row: RunRow, *, answered: bool) -> Outcome:
        """Set the time of the next check, or give up."""
        if row.watch is None and row.phase is not Phase.FALLOUT:
            return Done()
        problem = self._problem(row) if answered else None
        gives_up = reason_of(problem) if problem else None
        within = _within(row.watch, self._profile(row)) if row.watch else 0.0
        await self.updater.store_fact(event, row, Checked(within=within, answered=answered, gives_up=gives_up))
        return DeadLetter(problem) if problem else Done()

    def _problem(self, row: RunRow) -> Problem | None:
        """Return the problem that only a person can solve, once the time for checks is over."""
        if row.watch is None:  # in fallout; the dead letter was redriven
            return external_id_missing(row, "Its result")
        if not is_over(row.watch, self.updater.now(), _within(row.watch, self._profile(row))):
            return None
        if row.watch.missing is Missing.EXTERNAL_ID:
            return external_id_missing(row, "Its result")
        return state_unknown(row) if row.watch.missing is Missing.STATE else None

    def readable(self, row: RunRow, result: CallResult) -> ExternalReport | None:
        """Return what the answer to a GET reports; None if the call failed or its answer cannot be read."""
        try:
            return self._read(row, result)
        except NoRunShownError:
            return None

    def _read(self, row: RunRow, result: CallResult) -> ExternalReport | None:
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return None
        try:
            report = self.caller.read_run(row, result)
        except NoRunShownError:
            raise
        except NotUnderstoodError:
            return None
        # It is about the test that was asked for, which a change may replace meanwhile.
        return report if report.external_id is not None else replace(report, external_id=row.external_id)

    def _profile(self, row: RunRow) -> Profile:
        return self.caller.spoke(row.spoke).profile


def is_not_there(result: CallResult) -> bool:
    """Return whether the answer to a GET says that there is no such run: 404, 410, or success without content."""
    if result.meaning.verdict is Verdict.ACCEPTED:
        return says_nothing(result.accepted_response())
    return result.meaning.verdict is Verdict.LOST


def _within(watch: Watch, profile: Profile) -> float:
    return {
        Missing.MEASURES: profile.measures_grace,
        Missing.RUN: profile.lost_after,
        Missing.EXTERNAL_ID: profile.id_deadline,
        Missing.STATE: UNKNOWN_STATE_WITHIN,
        Missing.RETURN: RETURN_WITHIN,
    }[watch.missing]
