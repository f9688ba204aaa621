"""Make one attempt at a POST, after finding out whether an earlier one arrived."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from consumers.dispatch.bundle import reports_by_run
from consumers.dispatch.call import MembershipUncertainError
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.problems import call_failed, external_id_taken, look_up_impossible, reason_of
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.spokes.port import NotUnderstoodError
from consumers.store.port import ExternalIdTakenError
from router.responses import Verdict
from router.runs.events import (
    Accepted,
    AttemptFailed,
    CancelledBeforeSending,
    GivenUp,
    OutcomeUnknown,
    ParentNotAccepted,
    Refused,
    Reported,
    Sending,
)
from router.runs.ids import idempotency_key
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from consumers.spokes.port import Call
    from router.runs.events import RunEvent
    from router.runs.reports import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import SendRun
    from schemas.problem import Problem

    Rows = tuple[RunRow, ...]

HTTP_ACCEPTED = 202


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
        """POST, and store what is known before and after it."""
        self.caller.require_membership()  # first, because a stored `Sending` without a POST would look like a doubt
        rows = await self.updater.store_intentions(
            self.event, [(row, (Sending(document=row.requested),)) for row in rows]
        )
        result = await self._call(rows)
        match result.meaning.verdict:
            case Verdict.ACCEPTED:
                return await self._handle_accepted(rows, result)
            case Verdict.REFUSED | Verdict.LOST:
                return await self._handle_refused(rows, result)
            case Verdict.CONFLICT:
                return await self.look_up(rows, refusal=result)
            case Verdict.AMBIGUOUS:
                return await self._unknown_outcome(rows, result)
            case Verdict.TRANSIENT | Verdict.CONFIGURATION:
                return await self._retry(await self._record(rows, AttemptFailed()), result)
            case _:
                assert_never(result.meaning.verdict)

    async def _call(self, rows: Rows) -> CallResult:
        try:
            call = self._post_call(rows)
            await asyncio.sleep(0)  # so that calls which were stored together are written in a row: ADR-0021
            return await self.caller.call(rows[0].spoke, call)
        except MembershipUncertainError:
            await self._record(rows, AttemptFailed())  # nothing was sent, so no look-up is needed
            raise

    async def look_up(self, rows: Rows, refusal: CallResult | None = None) -> Outcome:
        """Look the run up before another POST, because an earlier one was perhaps sent."""
        row = rows[0]
        # Look up what was POSTed, not what is requested by now: a change may have renamed the run meanwhile.
        posted = row.sent or row.requested
        call = self.caller.spoke(row.spoke).to_look_up(posted)
        if call is None:
            return await self._give_up_in_doubt(rows)
        result = await self.caller.call(row.spoke, call)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return await self._unknown_outcome(rows, result)
        try:
            found = self.caller.spoke(row.spoke).find_run(result.accepted_response(), posted)
        except NotUnderstoodError as error:
            return await self._unknown_outcome(rows, result.as_unknown_outcome(str(error)))
        if found is not None:
            return await self._adopt(rows, found)
        return await (self._not_found(rows) if refusal is None else self._handle_refused(rows, refusal))

    async def _give_up_in_doubt(self, rows: Rows) -> Outcome:
        # A person who redrives it has asked the system and knows that the run never arrived.
        if rows[0].phase is Phase.FALLOUT and self.event.headers.replay is not None:
            return await self.post(rows)
        return await self._give_up(rows, look_up_impossible(rows[0]))

    async def _not_found(self, rows: Rows) -> Outcome:
        if not rows[0].cancel_requested:
            return await self.post(rows)
        updates: list[RowUpdate] = [(row, (CancelledBeforeSending(),)) for row in rows if row.cancel_requested]
        await self.updater.store_intentions(self.event, updates)
        return Done()

    async def _handle_accepted(self, rows: Rows, result: CallResult) -> Outcome:
        try:
            report = self.caller.spoke(rows[0].spoke).read_reply(result.accepted_response())
        except NotUnderstoodError as error:
            return await self._unknown_outcome(rows, result.as_unknown_outcome(str(error)))
        if report.external_id is not None:
            return await self._adopt(rows, report)
        if result.accepted_response().status != HTTP_ACCEPTED:
            return await self._unknown_outcome(rows, result.as_unknown_outcome("The answer names no id for the run."))
        known = await ExternalIdFinder(updater=self.updater, caller=self.caller).look_up(rows[0])
        return await self._adopt(rows, known or report)

    async def _adopt(self, rows: Rows, report: ExternalReport) -> Outcome:
        reports = reports_by_run(rows, report)
        try:
            await self.updater.store_facts(self.event, [self._adoption(row, reports.get(row.run_id)) for row in rows])
        except ExternalIdTakenError as error:
            return await self._give_up(rows, external_id_taken(rows[0], report, str(error)))
        return Done()

    def _adoption(self, row: RunRow, report: ExternalReport | None) -> RowUpdate:
        document = row.sent or row.requested
        if report is None:
            return row, (Accepted(external_id=None, href=None, document=document),)
        accepted = Accepted(external_id=report.external_id, href=report.href, document=document)
        return row, (accepted, Reported(report_id=self.event.id, report=report))

    async def _handle_refused(self, rows: Rows, result: CallResult) -> Outcome:
        refused = Refused(reasons=result.meaning.reasons)
        embedded: list[RowUpdate] = [(row, (ParentNotAccepted(parent_run_id=rows[0].run_id),)) for row in rows[1:]]
        await self.updater.store_facts(self.event, [(rows[0], (refused,)), *embedded])
        return Done()

    async def _unknown_outcome(self, rows: Rows, result: CallResult) -> Outcome:
        if rows[0].phase is Phase.SENDING:
            rows = await self._record(rows, OutcomeUnknown(reasons=result.meaning.reasons))
        return await self._retry(rows, result)

    async def _retry(self, rows: Rows, result: CallResult) -> Outcome:
        problem = call_failed(result, f"Run {rows[0].run_id} could not be sent to {rows[0].spoke}")
        delay = self.caller.delay_after(rows[0].spoke, result, self.attempt, self.event.id)
        return await self._give_up(rows, problem) if delay is None else RetryLater(delay, problem)

    async def _give_up(self, rows: Rows, problem: Problem) -> Outcome:
        await self._record(rows, GivenUp(reasons=(reason_of(problem),)))
        return DeadLetter(problem)

    def _post_call(self, rows: Rows) -> Call:
        # The rows have the newest documents: a change that arrived while the command waited is included.
        run, children = rows[0].requested, tuple(row.requested for row in rows[1:])
        if children or run.children:
            run = run.model_copy(update={"children": children})
        command = self.command if run is self.command.run else self.command.model_copy(update={"run": run})
        return self.caller.spoke(rows[0].spoke).to_send(command, self.parent, idempotency_key(self.command))

    async def _record(self, rows: Rows, run_event: RunEvent) -> Rows:
        return await self.updater.store_facts(self.event, [(row, (run_event,)) for row in rows])
