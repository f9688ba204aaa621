"""Make one attempt to bring a run at a target up to the revision that the run store has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, assert_never

from consumers.northbound.writeback.problems import (
    look_up_unproven,
    not_settled_at_target,
    run_unknown_at_target,
    written_by_other,
)
from consumers.northbound.writeback.target_calls import TargetCalls
from consumers.problems import call_failed
from consumers.runtime.handler import DeadLetter, RetryLater
from consumers.store.claims.write_claims import ClaimResult, WriteClaim
from router.responses import NoResponse, Verdict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.dispatch.call import CallResult
    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.northbound.writeback.target_caller import TargetCaller
    from consumers.runtime.handler import Attempt
    from consumers.store.claims.write_claims import WriteClaims, WrittenRun
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

CLAIM_MARGIN = 5.0  # seconds after the longest call until a claim counts for nothing
BUSY_DELAY, MAX_BUSY_DELAY = 0.25, 2.0  # seconds; it grows with each attempt
MAX_CONFLICTS = 3  # attempts at a write that the target answers with a conflict
SETTLE_DELAY = 5.0  # seconds between two looks for a run whose POST was perhaps accepted
_SERVER_ERROR = 500
_NOT_STARTED = (503, 507)  # a target sends these when it has not started to process the request


class WriteOutcome(StrEnum):
    """The outcome of an event at a target."""

    UPDATED = "updated"
    CREATED = "created"
    UNCHANGED = "unchanged"  # the target has this revision of the run, or a newer one
    SKIPPED = "skipped"  # the profile of the target does not choose it


class _NotClaimedError(Exception):
    """The run was not claimed, so nothing is sent."""

    def __init__(self, result: ClaimResult) -> None:
        super().__init__(result)
        self.result = result


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWriter:
    """Writes one run to one target: a PATCH, or a POST where the target does not have the run.

    A call is made only under a claim, which is stored when the call has its connection. So the revisions of a run
    arrive in their order, although its events come from two topics and are perhaps read by two processes (ADR-0036).
    """

    target: WritebackTarget
    caller: TargetCaller
    claims: WriteClaims
    row: RunRow
    writer: str
    event: Event
    attempt: Attempt
    ordered_as: str | None = None  # the id that the target gave the run when it ordered it

    async def write(self) -> WriteOutcome | RetryLater | DeadLetter:
        """Make one attempt."""
        known = await self.claims.read(self.target.name, self.row.run_id)
        if self._is_written(known):
            return WriteOutcome.UNCHANGED
        try:
            return await self._write(known)
        except _NotClaimedError as error:
            if error.result is ClaimResult.WRITTEN:
                return WriteOutcome.UNCHANGED
            delay = min(MAX_BUSY_DELAY, BUSY_DELAY * self.attempt.number)
            return RetryLater(delay, written_by_other(self.row.run_id, self.target.name))

    @property
    def _is_forced(self) -> bool:
        return self.event.headers.replay is not None  # a person redrove it: the target is perhaps to be repaired

    @property
    def _calls(self) -> TargetCalls:
        return TargetCalls(self.target)

    @property
    def _may_be_repeated(self) -> bool:
        # A refused order has no row, so its revision is that of "nothing is written"; each of its writes is the same.
        return self._is_forced or self.row.revision == 0

    def _is_written(self, known: WrittenRun) -> bool:
        return known.written > self.row.revision or (known.written == self.row.revision and not self._may_be_repeated)

    async def _write(self, known: WrittenRun) -> WriteOutcome | RetryLater | DeadLetter:
        look_up = self._calls.look_up(self.row)
        if known.target_id is None and known.posted_at is not None and look_up is not None:
            result = await self.caller.call(self.target.name, look_up, about=(self.row.run_id,))
            return await self._after_look_up(known, result)
        return await self._update(known, known.target_id or self.ordered_as or self.row.run_id)

    async def _update(self, known: WrittenRun, target_id: str) -> WriteOutcome | RetryLater | DeadLetter:
        call = self._calls.update(self.row, target_id)
        result = await self.caller.call(self.target.name, call, self._claiming(), about=(self.row.run_id,))
        verdict = result.meaning.verdict
        is_absent = verdict is Verdict.ACCEPTED and self._calls.shows_no_run(result.accepted_response())
        if verdict is Verdict.LOST or is_absent:
            return await self._create_unknown(known)
        if verdict is Verdict.ACCEPTED:
            await self.claims.complete(self._claim(), target_id if target_id != self.row.run_id else None)
            return WriteOutcome.UPDATED
        return await self._failed(result, posted=known.posted_at is not None)

    async def _create_unknown(self, known: WrittenRun) -> WriteOutcome | RetryLater | DeadLetter:
        """Create the run, unless a POST of it may still arrive."""
        if not self.target.create_unknown_runs:
            await self.claims.release(self._claim(), posted=False)
            return DeadLetter(run_unknown_at_target(self.row.run_id, self.target.name))
        if known.target_id is not None:
            await self.claims.forget(self._claim())
        elif (wait := self._settle_wait(known)) > 0:
            await self.claims.release(self._claim(), posted=True)
            return self._wait_until_settled(wait)
        return await self._create()

    async def _after_look_up(self, known: WrittenRun, result: CallResult) -> WriteOutcome | RetryLater | DeadLetter:
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return await self._failed(result, posted=True)
        listed = self._calls.read_list(result.accepted_response(), self.row)
        if listed is None:
            return await self._failed(result.as_unknown_outcome("it is no list of test runs"), posted=True)
        if listed.target_id is not None:
            return await self._update(known, listed.target_id)
        if (wait := self._settle_wait(known)) > 0:
            return self._wait_until_settled(wait)
        if not listed.proven and not self._is_forced:
            return DeadLetter(look_up_unproven(self.row.run_id, self.target.name))
        return await self._create()

    def _settle_wait(self, known: WrittenRun) -> float:
        """Return the seconds for which a POST may still arrive."""
        if known.posted_at is None:
            return 0.0
        passed = (self.caller.now() - known.posted_at).total_seconds()
        return self.target.effective_settle_time - passed

    def _wait_until_settled(self, wait: float) -> RetryLater:
        self.caller.exclude_attempt(self.target.name, self.attempt, self.event.id)
        return RetryLater(min(wait, SETTLE_DELAY), not_settled_at_target(self.row.run_id, self.target.name, wait))

    async def _create(self) -> WriteOutcome | RetryLater | DeadLetter:
        call = self._calls.create(self.row, self.ordered_as)
        result = await self.caller.call(self.target.name, call, self._claiming(posts=True), about=(self.row.run_id,))
        match result.meaning.verdict:
            case Verdict.ACCEPTED:
                return await self._created(result)
            case Verdict.AMBIGUOUS | Verdict.CONFLICT:
                return await self._failed(result, posted=True)
            case Verdict.TRANSIENT | Verdict.CONFIGURATION | Verdict.REFUSED | Verdict.LOST:
                return await self._failed(result, posted=False)
            case _:
                assert_never(result.meaning.verdict)

    async def _created(self, result: CallResult) -> WriteOutcome | RetryLater | DeadLetter:
        response = result.accepted_response()
        target_id = self._calls.created_id(response, self.row, self.ordered_as)
        if target_id is None:
            return await self._failed(result.as_unknown_outcome("the response names no id"), posted=True)
        if self._calls.shows_other_state(response, self.row):
            followed = await self.caller.call(
                self.target.name,
                self._calls.update(self.row, target_id),
                self._claiming(),
                about=(self.row.run_id,),
            )
            if followed.meaning.verdict is not Verdict.ACCEPTED:
                return await self._failed(followed, posted=True)
        await self.claims.complete(self._claim(), target_id if target_id != self.row.run_id else None)
        return WriteOutcome.CREATED

    async def _failed(self, result: CallResult, *, posted: bool) -> RetryLater | DeadLetter:
        if not _perhaps_done(result):
            await self.claims.release(self._claim(), posted=posted)
        problem = call_failed(result, f"Run {self.row.run_id} could not be written to {self.target.name}")
        match result.meaning.verdict:
            case Verdict.REFUSED:
                return DeadLetter(problem)
            case Verdict.CONFLICT if self.attempt.number >= MAX_CONFLICTS:
                return DeadLetter(problem)
            case Verdict.CONFLICT:
                return RetryLater(float(self.attempt.number), problem)
            case _:
                delay = self.caller.delay_after(self.target.name, result, self.attempt, self.event.id)
        return RetryLater(delay, problem) if delay is not None else DeadLetter(problem)

    def _claiming(self, *, posts: bool = False) -> Callable[[], Awaitable[None]]:
        async def claim() -> None:
            result = await self.claims.claim(self._claim(posts=posts))
            if result is not ClaimResult.CLAIMED:
                raise _NotClaimedError(result)

        return claim

    def _claim(self, *, posts: bool = False) -> WriteClaim:
        now = self.caller.now()
        return WriteClaim(
            target=self.target.name,
            run_id=self.row.run_id,
            revision=self.row.revision,
            writer=self.writer,
            at=now,
            abandoned_before=now - timedelta(seconds=self.target.timeouts.total + CLAIM_MARGIN),
            posts=posts,
            force=self._may_be_repeated,
        )


def _perhaps_done(result: CallResult) -> bool:
    """Return whether the target may still process the call, so that the next revision must not overtake it."""
    response = result.response
    if isinstance(response, NoResponse):
        return response.perhaps_sent
    return response.status >= _SERVER_ERROR and response.status not in _NOT_STARTED
