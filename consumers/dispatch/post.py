"""Make one attempt at a POST, after finding out whether an earlier one arrived."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

from consumers.dispatch.attempts import failed_attempt
from consumers.dispatch.bundle import reports_by_run
from consumers.dispatch.call import MembershipUncertainError
from consumers.dispatch.compensate import Compensation
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.look_up import Absent, Found, LookUp, NotProven
from consumers.problems import (
    body_changed,
    call_failed,
    external_id_taken,
    look_up_impossible,
    not_settled,
    outcome_not_proven,
    reason_of,
    response_unreadable,
    test_repeated,
)
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.spokes.port import NotUnderstoodError
from consumers.store.port import ExternalIdTakenError
from router.responses import HttpResponse, Purpose, Verdict, says_success
from router.runs.checks.doubt import after_absent_answer, wait_until_settled
from router.runs.events import (
    Accepted,
    AttemptFailed,
    CancelledBeforeSending,
    ChangeRefused,
    CommandDelayed,
    GivenUp,
    NotFound,
    OutcomeUnknown,
    ParentNotAccepted,
    Refused,
    RefusedInDoubt,
    Sending,
)
from router.runs.failed_attempt import is_worth_storing
from router.runs.ids import idempotency_key
from router.runs.reports.unread_fields import id_not_shown
from router.runs.revisions.change_plan import plan_change, without_ignored
from router.runs.revisions.replacement import is_replaced, is_reposted, replaced_ids
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.dispatch.call import Caller, CallResult
    from consumers.dispatch.look_up import LookUpAnswer
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from consumers.spokes.port import Call
    from router.runs.events import RunEvent
    from router.runs.failed_attempt import FailedAttempt
    from router.runs.reports.report import ExternalReport
    from router.runs.revisions.change_plan import ChangePlan
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import SendRun
    from schemas.problem import Problem
    from schemas.results import Reason
    from schemas.run_document import RunDocument

    Rows = tuple[RunRow, ...]


_REFUSES_THE_RUN = (400, 422)  # what was requested is wrong; other refusals are about the HTTP request

_MAX_KEPT_BODY = 250_000  # bytes that a run in doubt keeps of its POST


@dataclass(frozen=True, slots=True, kw_only=True)
class PostAttempt:
    """One attempt to send runs with one POST: the first of the rows, with the others embedded."""

    updater: RunUpdater
    caller: Caller
    event: Event
    command: SendRun
    attempt: Attempt
    parent: RunRow | None

    async def post(self, rows: Rows) -> Outcome:
        """POST, and store the run before and after it."""
        if rows[0].failed_attempt is not None and rows[0].failed_attempt.was_refused:
            # It answered that it did not process the POST. Many POSTs could follow, so this is checked.
            known = await self._find(rows[0])
            if known is not None:
                return await self._adopt(rows, known)
        if self._has_other_bytes(rows):
            return await self._give_up(rows, body_changed(rows[0]))
        return await self._act_on(*await self._call(rows))

    async def _act_on(self, rows: Rows, result: CallResult) -> Outcome:
        match result.meaning.verdict:
            case Verdict.ACCEPTED:
                return await self._handle_accepted(rows, result)
            case Verdict.REFUSED | Verdict.LOST:
                return await self._handle_refused(rows, result)
            case Verdict.CONFLICT:
                return await self._handle_conflict(rows, result)
            case Verdict.AMBIGUOUS:
                return await self._unknown_outcome(rows, result, was_accepted=says_success(result.response))
            case Verdict.TRANSIENT | Verdict.CONFIGURATION:
                return await self._retry(rows, result)
            case _:
                assert_never(result.meaning.verdict)

    async def _call(self, rows: Rows) -> tuple[Rows, CallResult]:
        sending, call = rows, self._post_call(rows)

        async def store_sending() -> None:
            # Once the call has its connection: a crash leaves only runs in doubt whose call was in progress, and
            # nothing is stored while no connection can be made (ADR-0003).
            nonlocal sending
            if sending is rows:  # a call may make more than one request, or connection
                sending = await self.updater.store_intentions(self.event, self._sending(rows, call))
                await asyncio.sleep(0)  # so that calls that were stored together are sent one after the other: ADR-0021

        try:
            result = await self.caller.call_about(rows[0], call, self.event, store_sending, others=rows[1:])
        except MembershipUncertainError:
            if sending is not rows:
                await self._record(sending, AttemptFailed())  # nothing was sent, so no look-up is needed
            raise
        return sending, result

    def _sending(self, rows: Rows, call: Call) -> list[RowUpdate]:
        # Children of a bundle are a part of the bytes of their root.
        keys = (call.idempotency_key or "", *("" for _ in rows[1:]))
        return [(row, (Sending(document=self._document(row), key=key),)) for row, key in zip(rows, keys, strict=True)]

    async def _record_failed(self, rows: Rows, failed: FailedAttempt) -> Rows:
        """Store that the attempt had no effect, for the rows that would change."""
        stale = tuple(row for row in rows if _differs_after_failure(row))
        if rows[0] not in stale:
            rows = await self._record_delay(rows, failed)
        failure = AttemptFailed(failed_attempt=failed)
        recorded = {row.run_id: row for row in await self._record(stale, failure)} if stale else {}
        return tuple(recorded.get(row.run_id, row) for row in rows)

    async def _record_delay(self, rows: Rows, failed: FailedAttempt) -> Rows:
        """Store an attempt that changes nothing, of a few of them."""
        if failed.next_at is None or not is_worth_storing(rows[0].failed_attempt, failed):
            return rows
        return (*await self._record(rows[:1], CommandDelayed(failed_attempt=failed)), *rows[1:])

    async def look_up(self, rows: Rows) -> Outcome:
        """Look the run up before another POST, because an earlier one was perhaps accepted."""
        return await self._act_on_look_up(rows, await self._ask(rows[0]))

    async def _act_on_look_up(self, rows: Rows, answer: LookUpAnswer | None) -> Outcome:
        match answer:
            case Found():
                return await self._adopt(rows, answer.report)
            case Absent():
                return await self._absent(rows, answer.as_of)
            case NotProven():
                return await self._not_proven(rows, answer)
            case None:
                return await self._give_up_in_doubt(rows, look_up_impossible(rows[0]))
            case _:
                assert_never(answer)

    async def post_unless_found(self, rows: Rows) -> Outcome:
        """POST again after an attempt without effect that followed a doubt, unless the run has appeared meanwhile."""
        answer = await self._ask(rows[0])
        match answer:
            case Found():
                return await self._adopt(rows, answer.report)
            case NotProven():
                return await self._retry_look_up(rows, answer.result, answer.provable_at)
            case Absent() | None:
                return await self.post(rows)
            case _:
                assert_never(answer)

    async def _ask(self, row: RunRow) -> LookUpAnswer | None:
        # Look up what was POSTed, not what is requested by now: a change may have renamed the run meanwhile.
        call = self._look_up_call(row)
        if call is None:
            return None
        posted = row.sent or row.requested
        return await LookUp(caller=self.caller, store=self.updater.store, cause=self.event).find(row, posted, call)

    def _look_up_call(self, row: RunRow) -> Call | None:
        return self.caller.spoke(row.spoke).to_look_up(row.sent or row.requested)

    async def _absent(self, rows: Rows, as_of: datetime) -> Outcome:
        row = rows[0]
        settle_time = self.caller.spoke(row.spoke).profile.effective_settle_time
        wait = wait_until_settled(after_absent_answer(row.doubt, as_of), as_of, settle_time)
        absent = NotFound(as_of=as_of, redriven=self._is_vouched_for(row))
        if wait is None:
            return await self._settled((*await self._record((row,), absent), *rows[1:]))
        problem = not_settled(row, wait)
        self.caller.exclude_attempt(row.spoke, self.attempt, self.event.id)
        await self._record((row,), replace(absent, failed_attempt=self._failed(problem, wait)))
        return RetryLater(wait, problem)

    async def _settled(self, rows: Rows) -> Outcome:
        """Act on the certainty that the system does not have the run."""
        doubt = rows[0].doubt
        if rows[0].cancel_requested:
            updates: list[RowUpdate] = [(row, (CancelledBeforeSending(),)) for row in rows if row.cancel_requested]
            await self.updater.store_intentions(self.event, updates)
            return Done()
        if doubt is not None and doubt.refusal:
            return await self._store_refusal(rows, doubt.refusal)
        if doubt is not None and doubt.was_accepted:
            return await self._give_up_in_doubt(rows, response_unreadable(rows[0]))
        return await self.post(rows)

    async def _not_proven(self, rows: Rows, answer: NotProven) -> Outcome:
        if self._is_vouched_for(rows[0]) and answer.result.meaning.verdict is Verdict.AMBIGUOUS:
            return await self.post(rows)
        return await self._unknown_outcome(rows, answer.result, provable_at=answer.provable_at)

    async def _give_up_in_doubt(self, rows: Rows, problem: Problem) -> Outcome:
        return await (self.post(rows) if self._is_vouched_for(rows[0]) else self._give_up(rows, problem))

    def _is_vouched_for(self, row: RunRow) -> bool:
        # A person who redrives it has asked the system and knows that the run never arrived. Who replays it does not.
        return row.phase is Phase.FALLOUT and self.event.headers.is_redriven

    async def _handle_accepted(self, rows: Rows, result: CallResult) -> Outcome:
        try:
            report = self.caller.read_run(rows[0], result)
        except NotUnderstoodError as error:
            return await self._unknown_outcome(rows, result.as_unknown_outcome(str(error)), was_accepted=True)
        ignored = self._ignored(rows[0], result)
        if report.external_id is not None:
            return await self._adopt(rows, report, ignored)
        if result.accepted_response().status == HTTPStatus.ACCEPTED:  # it names no id yet
            report = replace(report, shown="")
        found = await self._find(rows[0], report.href)
        if found is not None and found.external_id is None and found.state is RunState.REJECTED:
            return await self._store_refusal(rows, found.reasons)
        # It may come later, by a callback or a look-up; a system that accepted a run is not sent it again.
        return await self._adopt(rows, found or report, ignored)

    def _ignored(self, row: RunRow, result: CallResult) -> tuple[Reason, ...]:
        """Return which fields the system shows without the change for which the run was POSTed again."""
        if not is_reposted(row):
            return ()
        spoke = self.caller.spoke(row.spoke)
        # Not what is requested by now: that may have changed during the call.
        made = self._plan_of_repost(row, row.sent).changes
        return spoke.contradictions(result.accepted_response(), row, made)

    async def _find(self, row: RunRow, href: str | None = None) -> ExternalReport | None:
        """Ask once for a run; None proves nothing. `href` is the address that the system named for it."""
        return await ExternalIdFinder(updater=self.updater, caller=self.caller).look_up(row, href)

    async def _adopt(self, rows: Rows, report: ExternalReport, ignored: tuple[Reason, ...] = ()) -> Outcome:
        if is_replaced(rows[0], report.external_id):
            return await self._give_up(rows, test_repeated(rows[0], report))
        reports = reports_by_run(rows, report)
        try:
            adopted = await self.updater.store_facts(
                self.event, [self._adoption(row, reports.get(row.run_id), ignored) for row in rows]
            )
        except ExternalIdTakenError as error:
            return await self._give_up(rows, external_id_taken(rows[0], report, str(error)))
        return await self._compensated(adopted)

    async def _compensated(self, rows: Rows) -> Outcome:
        """Finish, after the other runs are cancelled if one of these was refused and its profile wants that."""
        compensation = Compensation(updater=self.updater, caller=self.caller)
        for row in rows:
            await compensation.after_refusal(self.event, row)
        return Done()

    def _adoption(self, row: RunRow, report: ExternalReport | None, ignored: tuple[Reason, ...]) -> RowUpdate:
        document, profile = self._accepted_document(row, ignored), self.caller.spoke(row.spoke).profile
        external_id, href = (report.external_id, report.href) if report else (None, None)
        accepted = Accepted(
            external_id=external_id,
            href=href,
            document=document,
            id_deadline=profile.id_deadline,
            limits=profile.time_limits,
            without_id=None if external_id or profile.id_shown_by == "callback" else _without_id(row, report),
        )
        refused = self._refused_part(row, ignored)
        if report is None:
            return row, (accepted, *refused)
        return row, (accepted, *refused, self.caller.reported(row.spoke, report.of_part(), self.event.id))

    def _accepted_document(self, row: RunRow, ignored: tuple[Reason, ...]) -> RunDocument:
        """Return what the system has: what it was sent, without the changes that it shows as not made."""
        sent, base = row.sent or row.requested, row.replacement.base if row.replacement is not None else None
        return sent if base is None or not ignored else without_ignored(base, sent, ignored)

    def _refused_part(self, row: RunRow, ignored: tuple[Reason, ...]) -> tuple[ChangeRefused, ...]:
        """Return which part of the change is not made for which the run was POSTed again."""
        sent = row.sent or row.requested
        if not is_reposted(row):
            return ()
        # A newer change has its own command, which refuses what it has to.
        refused = self._plan_of_repost(row).refused if sent.version == row.requested.version else ()
        reasons = (*ignored, *refused)
        return (ChangeRefused(version=sent.version, reasons=reasons),) if reasons else ()

    async def _handle_conflict(self, rows: Rows, result: CallResult) -> Outcome:
        """Look the run up, because a conflict may say that it exists; a list may show it later than that."""
        if was_posted_before(rows[0]):
            return await self._handle_refused(rows, result)
        answer = await self._ask(rows[0])
        if isinstance(answer, Found):
            return await self._adopt(rows, answer.report)
        if answer is None and not _was_answered_before(rows[0]):
            return await self._store_refusal(rows, result.meaning.reasons)
        return await self._act_on_look_up(await self._record_refusal(rows, result), answer)

    async def _handle_refused(self, rows: Rows, result: CallResult) -> Outcome:
        row = rows[0]
        if was_posted_before(row) or (_was_answered_before(row) and self._look_up_call(row) is not None):
            return await self.look_up(await self._record_refusal(rows, result))
        return await self._handle_first_refusal(rows, result)

    async def _record_refusal(self, rows: Rows, result: CallResult) -> Rows:
        return await self._record(rows, RefusedInDoubt(reasons=result.meaning.reasons))

    async def _handle_first_refusal(self, rows: Rows, result: CallResult) -> Outcome:
        if result.accepted_response().status not in _REFUSES_THE_RUN:
            # What checks sizes and formats may stand behind what stores runs.
            known = await self._find(rows[0])
            if known is not None:
                return await self._adopt(rows, known)
        return await self._store_refusal(rows, result.meaning.reasons)

    async def _store_refusal(self, rows: Rows, reasons: tuple[Reason, ...]) -> Outcome:
        blocked = ParentNotAccepted(parent_run_id=rows[0].run_id)
        children: list[RowUpdate] = [(row, (blocked,)) for row in rows[1:]]
        return await self._compensated(
            await self.updater.store_facts(self.event, [(rows[0], (Refused(reasons=reasons),)), *children])
        )

    async def _unknown_outcome(
        self, rows: Rows, result: CallResult, *, was_accepted: bool = False, provable_at: datetime | None = None
    ) -> Outcome:
        if rows[0].phase not in (Phase.SENDING, Phase.ROUTED):  # routed: perhaps sent as a lost run store knew
            return await self._retry_look_up(rows, result, provable_at)
        problem, delay = self._next_attempt(rows[0], result, provable_at)
        failed = self._failed(problem, delay)
        unknown = OutcomeUnknown(
            reasons=result.meaning.reasons,
            was_accepted=was_accepted,
            failed_attempt=failed,
            posted_at=result.asked_at,
        )
        # Children of a bundle are a part of the bytes of their root.
        events = [(row, (unknown if row is not rows[0] else self._with_bytes(rows, unknown),)) for row in rows]
        recorded = await self.updater.store_facts(self.event, events)
        return await self._wait_or_give_up(recorded, problem, failed, delay)

    async def _retry(self, rows: Rows, result: CallResult) -> Outcome:
        """Wait for the next attempt, or give up, after a POST that had no effect."""
        problem, delay = self._next_attempt(rows[0], result)
        was_answered = isinstance(result.response, HttpResponse)
        was_refused = was_answered and result.meaning.verdict is Verdict.CONFIGURATION
        if rows[0].phase is not Phase.SENDING and (last := rows[0].failed_attempt):
            was_refused = was_refused or last.was_refused  # nothing was sent since then
        was_answered = was_answered or _was_answered_before(rows[0])
        failed = replace(self._failed(problem, delay), was_refused=was_refused, was_answered=was_answered)
        return await self._wait_or_give_up(await self._record_failed(rows, failed), problem, failed, delay)

    async def _retry_look_up(self, rows: Rows, result: CallResult, provable_at: datetime | None) -> Outcome:
        """Wait for the next attempt, or give up, after a look-up that proved nothing."""
        problem, delay = self._next_attempt(rows[0], result, provable_at)
        failed = self._failed(problem, delay)
        return await self._wait_or_give_up(await self._record_delay(rows, failed), problem, failed, delay)

    def _next_attempt(
        self, row: RunRow, result: CallResult, provable_at: datetime | None = None
    ) -> tuple[Problem, float | None]:
        """Return why the attempt failed, and the seconds until the next one; None if there is none.

        The attempts until `provable_at` do not count if it is near enough: only time is missing.
        """
        problem = call_failed(result, f"Run {row.run_id} could not be sent to {row.spoke}")
        if provable_at is not None:
            delay = self.caller.delay_until(row.spoke, provable_at, self.attempt, self.event.id)
            if delay is not None:
                return problem, delay
        return problem, self.caller.delay_after(row.spoke, result, self.attempt, self.event.id)

    def _failed(self, problem: Problem, delay: float | None) -> FailedAttempt:
        is_excluded = self.caller.outages.history_of(self.event.id).is_outage
        return failed_attempt(
            self.caller, self.event, self.attempt, problem, delay, Purpose.SEND, is_excluded=is_excluded
        )

    async def _wait_or_give_up(
        self, rows: Rows, problem: Problem, failed: FailedAttempt, delay: float | None
    ) -> Outcome:
        if delay is not None:
            return RetryLater(delay, problem)
        in_doubt = rows[0].phase is Phase.IN_DOUBT
        return await self._give_up(rows, outcome_not_proven(rows[0], problem) if in_doubt else problem, failed)

    async def _give_up(self, rows: Rows, problem: Problem, failed: FailedAttempt | None = None) -> Outcome:
        await self._record(rows, GivenUp(reasons=(reason_of(problem),), failed_attempt=failed))
        return DeadLetter(problem)

    def _post_call(self, rows: Rows) -> Call:
        run, children = self._document(rows[0]), tuple(self._document(row) for row in rows[1:])
        if children or run.children:
            run = run.model_copy(update={"children": children})
        command = self.command if run is self.command.run else self.command.model_copy(update={"run": run})
        call = self.caller.spoke(rows[0].spoke).to_send(command, self.parent)
        # A change back to what an earlier test was sent has the same bytes, and must not be answered with that test.
        replaced = replaced_ids(rows[0])
        body = (call.body or b"") + "".join(replaced).encode() if replaced else call.body or b""
        key = idempotency_key(self.command.request_id, run.run_id, body)
        return self._as_before(rows[0], replace(call, idempotency_key=key))

    def _as_before(self, row: RunRow, call: Call) -> Call:
        """Return the POST with bytes and key of the one that was perhaps accepted."""
        doubt = row.doubt
        if doubt is None or not doubt.body or row.sent_at is None or self._is_vouched_for(row):
            return call
        return replace(call, body=doubt.body.encode(), idempotency_key=doubt.key)

    def _has_other_bytes(self, rows: Rows) -> bool:
        """Return whether another body would follow a POST that was perhaps accepted, without a person's decision."""
        doubt = rows[0].doubt
        if doubt is None or not doubt.key or rows[0].sent_at is None or self._is_vouched_for(rows[0]):
            return False
        return self._post_call(rows).idempotency_key != doubt.key

    def _document(self, row: RunRow) -> RunDocument:
        """Return what is POSTed: the newest document, but after a POST that was perhaps accepted the same one again."""
        if row.sent_at is not None and row.sent is not None:
            return row.sent
        return self._plan_of_repost(row).document if is_reposted(row) else row.requested

    def _plan_of_repost(self, row: RunRow, wanted: RunDocument | None = None) -> ChangePlan:
        """Plan the change from what the test that was replaced had to what is `wanted`; None: what is requested now."""
        base, wanted = row.replacement.base if row.replacement is not None else None, wanted or row.requested
        return plan_change(base or wanted, wanted, self.caller.spoke(row.spoke).profile.change_rules)

    def _with_bytes(self, rows: Rows, unknown: OutcomeUnknown) -> OutcomeUnknown:
        """Return the event with what was sent, from which the same POST can be made again whatever the profile says."""
        if rows[0].phase is not Phase.SENDING:
            return unknown
        call = self._post_call(rows)
        unknown = replace(unknown, key=call.idempotency_key or "")
        if call.body is None or len(call.body) > _MAX_KEPT_BODY:
            return unknown
        try:
            return replace(unknown, body=call.body.decode())
        except UnicodeDecodeError:
            return unknown

    async def _record(self, rows: Rows, run_event: RunEvent) -> Rows:
        return await self.updater.store_facts(self.event, [(row, (run_event,)) for row in rows])


def _differs_after_failure(row: RunRow) -> bool:
    """Return whether an attempt without effect changes the row, because it is stored as sent or as not tried."""
    return row.phase is Phase.SENDING or (row.phase in (Phase.ROUTED, Phase.FALLOUT) and row.sent_at is None)


def was_posted_before(row: RunRow) -> bool:
    """Return whether an earlier POST than the last was perhaps accepted."""
    return row.doubt is not None and row.doubt.earlier_post_at is not None


def _was_answered_before(row: RunRow) -> bool:
    """Return whether the system answered an earlier POST as if it had not processed it, which may be untrue."""
    last = row.failed_attempt
    return last is not None and (last.was_answered or last.was_refused)


def _without_id(row: RunRow, report: ExternalReport | None) -> Reason | None:
    return id_not_shown(row.spoke, report.shown) if report is not None and report.shown else None
