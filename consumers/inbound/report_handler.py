"""Consume reports: interpret what external systems reported and update the run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.dispatch.bundle import identifies_run, match_nested, run_id_candidates
from consumers.dispatch.compensate import Compensation
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.inbound.cancel_reports import CancelReports, needs_task
from consumers.inbound.checks.cancellation_check import CancellationCheck
from consumers.inbound.checks.deadline_check import DeadlineCheck
from consumers.inbound.checks.due_checks import CHECK_CONTENT_TYPE, is_outdated
from consumers.inbound.checks.run_check import RunCheck, is_not_there
from consumers.inbound.polling.answers_without_state import as_several, no_run_shown, read_no_runs
from consumers.inbound.unknown_ids import UnknownIds
from consumers.problems import (
    REPORT_UNREADABLE,
    answer_behind,
    answer_unreadable,
    call_failed,
    event_misplaced,
    report_unreadable,
    report_without_run,
    too_many_unknown_ids,
)
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.spokes.port import NoRunShownError, NotAboutARunError, NotUnderstoodError
from router.responses import Verdict
from router.runs.checks.missing_parts import lacks_measures
from router.runs.ids import derive_event_id
from router.runs.reports.report import ExternalReport
from router.runs.reports.report_order import is_behind, merge_answer
from router.runs.revisions.replacement import expects_cancellation, is_replaced
from router.runs.states import TERMINAL
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES, NOT_ACCEPTED_PHASES
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel, Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.problem import Problem

MIN_ATTEMPTS = 10  # look-ups of an unknown run that the run store answers, regardless of the age of its report
_SEARCHED_SHARE = 0.6  # of the age at which a report is given up: 36 s; a command waits for at most 30 s
MAX_BEHIND = 100  # reports about one unknown run that wait; of more, the oldest become dead letters
MAX_RETRY_INTERVAL = 5.0  # seconds between two attempts at a report about an unknown run
_RETRY_GROWTH = 0.25  # of the time for which it has waited already
MAX_READS_UNTIL_STATE = 8  # GETs, within 16 to 32 s, until an answer has the state that the event reported
MAX_EMPTY_ANSWERS = 3  # to the GET after an event, until they mean that the run is not there
MAX_READS_UNTIL_CHANGE = 5  # GETs, within 4 to 8 s, until an answer has another state than the one that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportHandler:
    """Consumes `testrun.inbound`.

    A report may overtake the response to our own POST, so one about an unknown external id is retried, first every
    `retry_interval` seconds, until the report is `max_report_age` seconds old. All reports about one id wait together.
    """

    updater: RunUpdater
    caller: Caller
    retry_interval: float = 0.5
    max_report_age: float = 60.0
    unknown_ids: UnknownIds = field(default_factory=UnknownIds)
    on_unknown_state: Callable[[str], None] = lambda _: None  # called with the spoke that reported it
    on_jeopardy: Callable[[str], None] = lambda _: None  # called with the spoke of a run that is late
    on_ignored: Callable[[str], None] = lambda _: None  # called with the spoke of an event that is about no run

    async def handle(self, event: Event, attempt: Attempt) -> Outcome:
        """Handle one report."""
        received = event.data
        if not isinstance(received, InboundReceived):
            return DeadLetter(event_misplaced(event, "the inbound topic"))
        no_runs = read_no_runs(received) if received.channel is Channel.POLL else None
        if received.channel is Channel.POLL and not received.body and no_runs is None:
            return await self._check(event, received)
        report = no_runs or await self._understand(event, received, attempt)
        if not isinstance(report, ExternalReport):
            return report
        if report.raw_state and report.state is None and attempt.number == 1:
            self.on_unknown_state(received.spoke)
        row = await self._find_reported_run(event, received, report, attempt)
        if row is None:
            return await self._handle_replaced_or_unknown(event, received, report, attempt)
        self.unknown_ids.forget(received.spoke, report.external_id or row.run_id)
        if report.cancel_task is not None:
            return await self._cancel_reports.record(event, row, report)
        return await self._handle(event, row, report, attempt, authentic=self._is_authentic(received))

    async def _understand(self, event: Event, received: InboundReceived, attempt: Attempt) -> ExternalReport | Outcome:
        """Return the report, or the outcome of an event that reports nothing about a run."""
        try:
            report = self._read_report(received)
        except NotAboutARunError:
            self.on_ignored(received.spoke)
            return Done()
        except NotUnderstoodError as error:
            if received.channel is Channel.POLL:
                no_run = replace(no_run_shown(received.external_id, error), as_of=received.received_at)
                return as_several(no_run, received)
            return DeadLetter(report_unreadable(received.spoke, str(error)))
        if needs_task(report):
            return await self._cancel_reports.read_task(event, received.spoke, report, attempt)
        if report.cancel_task is not None:
            return report
        return replace(report, external_id=report.external_id or received.external_id or None)

    async def _check(self, event: Event, received: InboundReceived) -> Outcome:
        """Ask for the run that the event names: its check is due, or the poller was answered that it is not there."""
        run_id = event.headers.subject
        row = await self.updater.store.run(run_id) if run_id else None
        if row is None or row.spoke != received.spoke:
            row = await self.updater.store.run_by_external_id(received.spoke, received.external_id)
        if row is None:
            return DeadLetter(report_without_run(received.spoke, ExternalReport(external_id=received.external_id)))
        if received.content_type == CHECK_CONTENT_TYPE:
            was_due = self._deadline_check.is_due(event, row)
            row = await self._deadline_check.handle(event, row)
            if self._cancellation_check.is_due(event, row):
                (row, problem), was_due = await self._cancellation_check.handle(event, row), True
                if problem is not None:
                    return DeadLetter(problem)
            elif row.cancellation is not None and is_outdated(event, row):
                was_due = True  # another process published the check, too, and it was processed
            # Otherwise the check was for something that is missing, or an operator redrove it.
            if was_due and row.watch is None and row.phase is not Phase.FALLOUT:
                return Done()
        return await self._run_check.handle(event, row)

    @property
    def _deadline_check(self) -> DeadlineCheck:
        return DeadlineCheck(updater=self.updater, caller=self.caller, on_jeopardy=self.on_jeopardy)

    @property
    def _cancellation_check(self) -> CancellationCheck:
        return CancellationCheck(updater=self.updater, caller=self.caller)

    @property
    def _run_check(self) -> RunCheck:
        return RunCheck(updater=self.updater, caller=self.caller)

    @property
    def _cancel_reports(self) -> CancelReports:
        return CancelReports(updater=self.updater, caller=self.caller)

    def _read_report(self, received: InboundReceived) -> ExternalReport:
        report = self.caller.spoke(received.spoke).read_callback(received)
        if received.channel is not Channel.POLL:
            return report
        return as_several(replace(report, as_of=received.received_at), received)

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
        is_confirmed = row.external_id is not None and row.external_id == report.external_id
        return row if is_confirmed or _is_known_by_name_only(row, report) else None

    async def _find_run(self, spoke: str, report: ExternalReport, *, may_name_run: bool) -> RunRow | None:
        row = await self.updater.store.run_by_external_id(spoke, report.external_id) if report.external_id else None
        return row or (await self._find_run_by_name(spoke, report) if may_name_run else None)

    async def _handle_replaced_or_unknown(
        self, event: Event, received: InboundReceived, report: ExternalReport, attempt: Attempt
    ) -> Outcome:
        """Ignore what is reported about a test that a change has replaced."""
        spoke = received.spoke
        replaces = report.external_id and self.caller.spoke(spoke).profile.reposted
        row = await self.updater.store.run_of_replaced_test(spoke, report.external_id or "") if replaces else None
        if row is None:
            return await self._handle_unknown_run(event, received, report, attempt)
        await self.updater.republish(event, row)
        self.on_ignored(spoke)
        return Done()

    async def _find_run_by_name(self, spoke: str, report: ExternalReport) -> RunRow | None:
        """Find a run by our id or its name: one that has no external id yet, or any if the report has none either."""
        row = await self._named_run(spoke, report)
        if row is None or is_replaced(row, report.external_id):
            return None
        return row if _waits_for_id(row) or _is_known_by_name_only(row, report) else None

    async def _named_run(self, spoke: str, report: ExternalReport) -> RunRow | None:
        for run_id in run_id_candidates(report):
            row = await self.updater.store.run(run_id)
            if row is not None and row.spoke == spoke and identifies_run(report, row):
                return row
        return None

    async def _awaited_id(self, spoke: str, report: ExternalReport) -> str | None:
        """Return the id that a report waits for: its external id, or ours of a run whose external id is not known yet.

        Once the POST is answered, only a callback that anyone may send waits for that.
        """
        if report.external_id:
            return report.external_id
        row = await self._named_run(spoke, report)
        if row is None:
            return None
        is_posted = row.phase in NOT_ACCEPTED_PHASES and row.sent_at is not None
        return row.run_id if is_posted or _waits_for_id(row) else None

    async def _handle_unknown_run(
        self, event: Event, received: InboundReceived, report: ExternalReport, attempt: Attempt
    ) -> Outcome:
        problem = report_without_run(received.spoke, report)
        # After a stop of hours every report is old, and the command that learns its run's id is processed beside it.
        old = self.updater.now() - received.received_at > timedelta(seconds=self.max_report_age)
        awaited = await self._awaited_id(received.spoke, report)
        if awaited is None:
            return DeadLetter(problem)
        asked = self.unknown_ids.count_look_up(received.spoke, awaited, self.updater.now())
        if asked is None:
            return DeadLetter(too_many_unknown_ids(received.spoke, report))
        in_the_way = attempt.behind >= MAX_BEHIND or attempt.crowded
        old = old and self.unknown_ids.searched_for(received.spoke, awaited) >= self._search_time
        if (old or in_the_way) and asked >= MIN_ATTEMPTS:
            self.unknown_ids.give_up(received.spoke, awaited)
            return DeadLetter(problem)
        self.caller.exclude_attempt(received.spoke, attempt, event.id)  # no call was made: all retries of one are left
        delay = max(self.retry_interval, min(MAX_RETRY_INTERVAL, _RETRY_GROWTH * attempt.elapsed))
        return RetryLater(delay, problem)

    @property
    def _search_time(self) -> timedelta:
        """For how long a run is searched at least, however old its report is.

        Longer than the command that learns its id may wait after the run store is back.
        """
        return timedelta(seconds=self.max_report_age) * _SEARCHED_SHARE

    async def _handle(
        self, event: Event, row: RunRow, report: ExternalReport, attempt: Attempt, *, authentic: bool
    ) -> Outcome:
        if event.id not in row.processed_reports and report.thin:
            thin = _as_requested_end(row, report)
            outcome = await self._hydrate(event, row, thin, attempt)
            return await self._record_end(event, row, thin) if _is_end_without_answer(row, thin, outcome) else outcome
        if event.id not in row.processed_reports and report.as_of is None and lacks_measures(row, report):
            await self._record_answer_first(event, row)
        return await self._record(event, row, report, authentic=authentic)

    async def _hydrate(self, event: Event, row: RunRow, thin: ExternalReport, attempt: Attempt) -> Outcome:
        external_id = thin.external_id or row.external_id or ""
        result = await self.caller.call_about(row, self.caller.spoke(row.spoke).to_read(external_id), event)
        if is_not_there(result) and (result.meaning.verdict is Verdict.LOST or attempt.number >= MAX_EMPTY_ANSWERS):
            return await self._record_not_there(event, row, thin, result)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return self._retry(event, row, result, attempt)
        try:
            answer = self._read_whole(row, thin, result)
        except NotUnderstoodError as error:
            if isinstance(error, NoRunShownError) and attempt.number >= MAX_EMPTY_ANSWERS:
                return await self._record_error(event, row, thin, result.as_not_there(str(error)))
            # For example the page of a proxy during maintenance: the next answer may be readable.
            unreadable = report_unreadable(row.spoke, str(error))
            return self._retry(event, row, result.as_unknown_outcome(str(error)), attempt, unreadable)
        return await self._record_answer(event, row, thin, replace(answer, as_of=result.asked_at), attempt)

    def _read_whole(self, row: RunRow, thin: ExternalReport, result: CallResult) -> ExternalReport:
        """Read the answer to a GET, which has to show the run.

        Raises:
            NotUnderstoodError: it shows none, or another one.
        """
        if is_not_there(result):
            raise NotUnderstoodError("the answer has no content")
        return self.caller.read_run(row, result, thin.external_id)

    async def _record_not_there(self, event: Event, row: RunRow, thin: ExternalReport, result: CallResult) -> Outcome:
        """Record that the system does not show the run; an event that reported its end counts all the same."""
        if _reports_end(row, thin):
            return await self._record(event, row, replace(thin, thin=False), authentic=True)
        return await self._run_check.not_there(event, row, result)

    async def _record_end(self, event: Event, row: RunRow, thin: ExternalReport) -> Outcome:
        """Record the end that an event reported although no answer about the run could be read."""
        reasons = (*thin.reasons, answer_unreadable(row.spoke))
        return await self._record(event, row, replace(thin, thin=False, reasons=reasons), authentic=True)

    async def _record_error(self, event: Event, row: RunRow, thin: ExternalReport, result: CallResult) -> Outcome:
        """Record that the system answers with an error instead of the run, and so perhaps does not have it."""
        if _reports_end(row, thin):
            return await self._record_end(event, row, thin)
        return await self._run_check.not_there(event, row, result)

    async def _record_answer_first(self, event: Event, row: RunRow) -> None:
        """Read a run that was reported as completed without all measures; record the answer if there is one."""
        result = await self.caller.fetch_run(row, event)
        answer = None if is_not_there(result) else self._run_check.readable(row, result)
        if answer is not None:
            answer = replace(answer, as_of=result.asked_at)
            reported = self.caller.reported(row.spoke, answer, derive_event_id(event.id, "read"))
            await self.updater.store_fact(event, row, reported)

    async def _record_answer(
        self, event: Event, row: RunRow, thin: ExternalReport, answer: ExternalReport, attempt: Attempt
    ) -> Outcome:
        """Record what event and answer report together, once the answer is not older than the event."""
        cancelled = thin.deleted and thin.state is RunState.CANCELLED  # as was requested
        if not cancelled and is_behind(row, thin, answer):
            reads = MAX_READS_UNTIL_STATE if thin.state else MAX_READS_UNTIL_CHANGE
            delay = self.caller.delay_of_reread(row.spoke, attempt, event.id, reads)
            if delay is not None:
                return RetryLater(delay, answer_behind(row, thin, answer))
        return await self._record(event, row, merge_answer(thin, answer), authentic=True)

    async def _record(self, event: Event, row: RunRow, report: ExternalReport, *, authentic: bool) -> Outcome:
        if event.id in row.processed_reports:
            await self.updater.republish(event, row)
        else:
            row = await self.updater.store_fact(event, row, self.caller.reported(row.spoke, report, event.id))
        await Compensation(updater=self.updater, caller=self.caller).after_refusal(event, row)
        if report.children:
            await self._record_nested(event, row, report, authentic=authentic)
        return Done()

    async def _record_nested(self, event: Event, row: RunRow, report: ExternalReport, *, authentic: bool) -> None:
        """Store the reports about nested runs of a bundle; ignore those that belong to no run of the request."""
        rows = await self.updater.store.runs_of_request(row.request_id)
        others = [each for each in rows if each.run_id != row.run_id and each.spoke == row.spoke]
        for nested_row, nested in match_nested(others, report, _waits_for_id if authentic else _never):
            await self._record(event, nested_row, replace(nested, children=()), authentic=authentic)

    def _retry(
        self, event: Event, row: RunRow, result: CallResult, attempt: Attempt, unreadable: Problem | None = None
    ) -> Outcome:
        problem = unreadable or call_failed(result, f"Run {row.run_id} could not be read at {row.spoke}")
        delay = self.caller.delay_after(row.spoke, result, attempt, event.id)
        return DeadLetter(problem) if delay is None else RetryLater(delay, problem)


def _as_requested_end(row: RunRow, report: ExternalReport) -> ExternalReport:
    """Return the report of a deletion that was requested as that of a cancelled run; its content is what was."""
    if not (report.deleted and expects_cancellation(row)) or report.state in TERMINAL:
        return report
    return replace(report, state=RunState.CANCELLED, raw_state="deleted")


def _reports_end(row: RunRow, thin: ExternalReport) -> bool:
    return thin.state in TERMINAL and not thin.deleted and row.phase not in ENDED_PHASES


def _is_end_without_answer(row: RunRow, thin: ExternalReport, outcome: Outcome) -> bool:
    """Return whether an event reports the end of its run, and the answers to all GETs after it were unreadable."""
    unreadable = isinstance(outcome, DeadLetter) and outcome.problem.code == REPORT_UNREADABLE
    return unreadable and _reports_end(row, thin)


def _waits_for_id(row: RunRow) -> bool:
    was_accepted = row.phase in ACCEPTED_PHASES or (row.phase is Phase.FALLOUT and row.accepted_at is not None)
    return was_accepted and row.external_id is None


def _is_known_by_name_only(row: RunRow, report: ExternalReport) -> bool:
    # The test that a change has replaced has the same name.
    return report.external_id is None and row.external_id is not None and row.replacement is None


def _never(_row: RunRow) -> bool:
    return False
