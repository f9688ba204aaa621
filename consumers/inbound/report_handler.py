"""Consume reports: interpret what external systems reported and update the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.dispatch.bundle import identifies_run, run_id_candidates
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.problems import call_failed, event_misplaced, external_id_unknown, report_unreadable
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.spokes.port import NotAboutARunError, NotUnderstoodError
from router.responses import Verdict
from router.runs.events import Reported
from router.runs.reports import ExternalReport, not_found_as_cancelled
from router.runs.states import TERMINAL
from router.runs.transitions import ACCEPTED_PHASES
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel, RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

MIN_ATTEMPTS = 10  # at a report about an unknown run, however old it is
MAX_NOT_FOUND = 3  # responses "not found" about a run that was just reported


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHandler:
    """Consumes `testrun.inbound`.

    A report may overtake the response to our own POST, so one about an unknown external id is retried every
    `retry_interval` seconds until the report is `max_report_age` seconds old.
    """

    updater: RunUpdater
    caller: Caller
    retry_interval: float = 0.5
    max_report_age: float = 60.0
    on_ignored: Callable[[str], None] = lambda _: None  # called with the spoke of an event that is about no run

    async def handle(self, event: Event, attempt: Attempt) -> Outcome:
        """Handle one report."""
        received = event.data
        if not isinstance(received, InboundReceived):
            return DeadLetter(event_misplaced(event, "the inbound topic"))
        try:
            report = self._read_report(received)
        except NotAboutARunError:
            self.on_ignored(received.spoke)
            return Done()
        except NotUnderstoodError as error:
            return DeadLetter(report_unreadable(received.spoke, str(error)))
        report = replace(report, external_id=report.external_id or received.external_id or None)
        row = await self._find_reported_run(event, received, report, attempt)
        if row is None:
            return self._handle_unknown_run(received, report, attempt)
        return await self._handle(event, row, report, attempt, authentic=self._is_authentic(received))

    def _read_report(self, received: InboundReceived) -> ExternalReport:
        if received.channel is Channel.POLL and not received.body:
            return ExternalReport(external_id=received.external_id, thin=True)  # the poller was answered "not found"
        return self.caller.spoke(received.spoke).read_callback(received)

    def _is_authentic(self, received: InboundReceived) -> bool:
        authenticated = self.caller.spoke(received.spoke).profile.authenticates_callbacks
        return received.channel is not Channel.CALLBACK or authenticated

    async def _find_reported_run(
        self, event: Event, received: InboundReceived, report: ExternalReport, attempt: Attempt
    ) -> RunRow | None:
        """Find the run; an external id from a callback that anyone may send counts only if a look-up confirms it."""
        row = await self._find_run(received.spoke, report, may_name_run=True)
        if row is None or row.external_id is not None or self._is_authentic(received):
            return row
        if attempt.number & (attempt.number - 1):  # 1, 2, 4, 8, …: a callback is repeated often while it waits
            return None
        row = await ExternalIdFinder(updater=self.updater, caller=self.caller).find(event, row)
        return row if row.external_id == report.external_id else None

    async def _find_run(self, spoke: str, report: ExternalReport, *, may_name_run: bool) -> RunRow | None:
        row = await self.updater.store.run_by_external_id(spoke, report.external_id) if report.external_id else None
        return row or (await self._find_run_by_name(spoke, report) if may_name_run else None)

    async def _find_run_by_name(self, spoke: str, report: ExternalReport) -> RunRow | None:
        """Find, by our id or its name, a run that the system accepted without naming an external id."""
        for run_id in run_id_candidates(report):
            row = await self.updater.store.run(run_id)
            waits = row is not None and row.spoke == spoke and row.phase in ACCEPTED_PHASES and row.external_id is None
            if row is not None and waits and identifies_run(report, row):
                return row
        return None

    def _handle_unknown_run(self, received: InboundReceived, report: ExternalReport, attempt: Attempt) -> Outcome:
        problem = external_id_unknown(received.spoke, report)
        # After a stop of hours every report is old, and the command that learns its run's id is processed beside it.
        old = self.updater.now() - received.received_at > timedelta(seconds=self.max_report_age)
        given_up = not report.external_id or (old and attempt.number >= MIN_ATTEMPTS)
        return DeadLetter(problem) if given_up else RetryLater(self.retry_interval, problem)

    async def _handle(
        self, event: Event, row: RunRow, report: ExternalReport, attempt: Attempt, *, authentic: bool
    ) -> Outcome:
        if event.id not in row.processed_reports and report.thin:
            return await self._hydrate(event, row, _as_requested_end(row, report), attempt)
        return await self._record(event, row, report, authentic=authentic)

    async def _hydrate(self, event: Event, row: RunRow, thin: ExternalReport, attempt: Attempt) -> Outcome:
        spoke = self.caller.spoke(row.spoke)
        result = await self.caller.call(row.spoke, spoke.to_read(thin.external_id or row.external_id or ""))
        if result.meaning.verdict is Verdict.LOST and row.cancel_requested:
            gone = not_found_as_cancelled(thin.external_id, result.meaning.reasons)
            return await self._record(event, row, gone, authentic=True)
        if result.meaning.verdict is Verdict.LOST and attempt.number >= MAX_NOT_FOUND:
            return await self._record(event, row, _not_found_report(thin, result), authentic=True)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return self._retry(event, row, result, attempt)
        try:
            whole = spoke.read_reply(result.accepted_response())
        except NotUnderstoodError as error:
            return DeadLetter(report_unreadable(row.spoke, str(error)))
        if thin.deleted and thin.state is RunState.CANCELLED and whole.state not in TERMINAL:
            whole = replace(whole, state=thin.state, raw_state=thin.raw_state)
        return await self._record(event, row, replace(whole, event_id=thin.event_id, thin=False), authentic=True)

    async def _record(self, event: Event, row: RunRow, report: ExternalReport, *, authentic: bool) -> Outcome:
        if event.id in row.processed_reports:
            await self.updater.republish(event, row)
        else:
            await self.updater.store_fact(event, row, Reported(report_id=event.id, report=report))
        for nested in report.children:
            await self._record_nested(event, row.spoke, nested, authentic=authentic)
        return Done()

    async def _record_nested(self, event: Event, spoke: str, report: ExternalReport, *, authentic: bool) -> None:
        """Record what a bundle's report says of the embedded runs; ignore what belongs to no run of ours."""
        row = await self._find_run(spoke, report, may_name_run=authentic)
        if row is not None:
            await self._record(event, row, report, authentic=authentic)

    def _retry(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        problem = call_failed(result, f"Run {row.run_id} could not be read at {row.spoke}")
        delay = self.caller.delay_after(row.spoke, result, attempt, event.id)
        return DeadLetter(problem) if delay is None else RetryLater(delay, problem)


def _as_requested_end(row: RunRow, report: ExternalReport) -> ExternalReport:
    """Return the report of a deletion that was requested as that of a cancelled run; its content is what was."""
    if not (report.deleted and row.cancel_requested) or report.state in TERMINAL:
        return report
    return replace(report, state=RunState.CANCELLED, raw_state="deleted")


def _not_found_report(thin: ExternalReport, result: CallResult) -> ExternalReport:
    reasons = result.meaning.reasons
    return ExternalReport(external_id=thin.external_id, state=RunState.FAILED, raw_state="not found", reasons=reasons)
