"""Call an external system and classify its response."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Protocol

from consumers.dispatch.correlation import with_run_headers
from consumers.dispatch.outages import OutageTracker
from consumers.runtime.backoff import Backoff, next_delay, outage_delay
from consumers.spokes.conventions.http_conventions import meaning_of_errors
from consumers.spokes.limits.circuit_breaker import Breakers, BreakerState, CallFailure
from consumers.spokes.port import AnotherRunError, CallPreventedError, UnknownSpokeError, do_nothing
from consumers.spokes.profile import EndOfRun
from router.responses import (
    RESPONSE_UNREADABLE,
    DeclaredMeaning,
    HttpResponse,
    NoResponse,
    Purpose,
    ResponseMeaning,
    Verdict,
    classify,
    reasons_in,
)
from router.runs.events import Reported
from router.runs.reports.identity import contradiction_of
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from consumers.runtime.handler import Attempt
    from consumers.spokes.port import BeforeCall, Call, Spoke, SpokeCaller
    from consumers.spokes.profile import SystemProfile
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

_REREAD = Backoff(initial_interval=0.5, max_interval=8.0)
MAX_SENTENCE_LENGTH = 500  # characters of the last failure, in what is said of calls that are not made
NOT_SHOWN = "RUN_NOT_SHOWN"
_JUST_AFTER = 0.05  # seconds, so that a call is made after the moment and not at it
_RATE_LIMITED = 429
_BUSY_STATUSES = (_RATE_LIMITED, 502, 503, 504, 507)
_READS = (Purpose.LOOK_UP, Purpose.READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """One attempt: the response and what it means."""

    purpose: Purpose
    response: HttpResponse | NoResponse
    meaning: ResponseMeaning
    asked_at: datetime | None = None  # when the call was made; the response shows the run as of then or later

    def accepted_response(self) -> HttpResponse:
        """The response of an accepted call."""
        if isinstance(self.response, NoResponse):
            raise TypeError(f"There is no answer: {self.response.cause}")
        return self.response

    def as_unknown_outcome(self, explanation: str) -> CallResult:
        """Return the result of an accepted call whose response cannot be read: its outcome is unknown."""
        reason = Reason(code=RESPONSE_UNREADABLE, message=explanation)
        return replace(self, meaning=ResponseMeaning(verdict=Verdict.AMBIGUOUS, reasons=(reason,)))

    def as_not_there(self, explanation: str) -> CallResult:
        """Return the result of an accepted GET whose response says in another way than by 404 that there is no run."""
        reason = Reason(code=NOT_SHOWN, message=f"The external system answered with success, but {explanation}.")
        return replace(self, meaning=ResponseMeaning(verdict=Verdict.LOST, reasons=(reason,)))

    @property
    def is_outage(self) -> bool:
        """Whether the system was not reached: no reason to give up this one run."""
        return isinstance(self.response, NoResponse) and not self.response.perhaps_sent

    @property
    def is_busy(self) -> bool:
        """Whether nothing was done for a reason that concerns every run, unless the system processes others.

        Wrong credentials keep all runs waiting; a system that accepts other runs forbids this one (403, 404).
        """
        if self.meaning.verdict is Verdict.CONFIGURATION:
            return True
        turned_away = isinstance(self.response, NoResponse) or self.says_busy
        return turned_away and self.meaning.verdict is Verdict.TRANSIENT

    @property
    def says_busy(self) -> bool:
        """Whether the status says that the system processes nothing at the moment."""
        if self.meaning.declared is not None:
            return self.meaning.declared is DeclaredMeaning.BUSY
        return not isinstance(self.response, NoResponse) and self.response.status in _BUSY_STATUSES


class ObservedCall(NamedTuple):
    """A call that was made, and its response. `run_ids` are the runs that it is about."""

    run_ids: Sequence[str]
    system: SystemProfile
    call: Call
    response: HttpResponse | NoResponse
    meaning: ResponseMeaning
    began: datetime
    ended: datetime


class CallObserver(Protocol):
    """Observes every call."""

    def __call__(self, observed: ObservedCall, /) -> None:
        """Observe one call."""


def observe_nothing(_: ObservedCall) -> None:
    """Observe nothing."""


class MembershipUncertainError(Exception):
    """This worker may have lost its partitions, so it calls no external system."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemCaller(ABC):
    """Calls external systems by name, classifies the responses, and decides how long to wait between attempts."""

    client: SpokeCaller
    now: Callable[[], datetime]
    random: Callable[[], float]
    may_send: Callable[[], bool]
    on_call: CallObserver = observe_nothing
    outages: OutageTracker = field(default_factory=OutageTracker)
    breakers: Breakers

    @abstractmethod
    def profile_of(self, name: str) -> SystemProfile:
        """Return the profile of one system.

        Raises:
            UnknownSpokeError: no profile has this name.
        """

    def require_membership(self) -> None:
        """Return if no other worker can have taken over.

        Raises:
            MembershipUncertainError: the last proof of its membership is too old.
        """
        # A worker that was suspended for longer than its session has been replaced; only its successor may send.
        if not self.may_send():
            raise MembershipUncertainError(
                "This worker has had no response from Kafka for too long to be sure that it owns the run."
            )

    async def call(
        self, name: str, call: Call, before: BeforeCall = do_nothing, *, about: Sequence[str] = ()
    ) -> CallResult:
        """Make one attempt and classify the response. `before` is awaited when the call has its connection.

        `about` are the ids of the runs that the call is about, for their timelines. While the circuit breaker of the
        system is open, no call is made, and the result says so.

        Raises:
            MembershipUncertainError: the last proof of its membership is too old.
        """
        profile, began = self.profile_of(name), self.now()
        breaker = self.breakers.of(name).breaker(writes=call.purpose not in _READS)

        def admit() -> None:
            if not breaker.admits_call():
                raise CallPreventedError(breaker.reason)

        async def at_its_turn() -> None:
            # It may have waited for a connection for longer than a session; that is not the system's time.
            nonlocal began
            self.require_membership()
            await before()
            self.require_membership()  # storing what is about to be sent may take long
            began = self.now()

        try:
            answer = await self.client.call(name, call, at_its_turn, admit)
        except CallPreventedError as error:
            return _prevented(call.purpose, name, str(error))
        ended = self.now()
        declared = None if isinstance(answer, NoResponse) else _declared_meaning(profile, call, answer)
        success = profile.success_codes_of(call.method)
        if call.also_success:
            success |= call.also_success
        judgement = classify(call.purpose, answer, success, now=ended, declared=declared)
        self.on_call(ObservedCall(about, profile, call, answer, judgement, began, ended))
        self.outages.note_verdict(name, call.purpose, judgement.verdict)
        result = CallResult(purpose=call.purpose, response=answer, meaning=judgement, asked_at=began)
        self._note_result(name, call, result)
        return result

    def _note_result(self, name: str, call: Call, result: CallResult) -> None:
        breakers, writes = self.breakers.of(name), call.purpose not in _READS
        if (failure := _failure_of(call, result)) is not None:
            breakers.failed(failure, writes=writes)
        elif result.meaning.verdict not in (Verdict.TRANSIENT, Verdict.AMBIGUOUS):
            breakers.processed(writes=writes)
        elif breakers.breaker(writes=writes).state is BreakerState.HALF_OPEN:
            # It answers, and processes nothing.
            failure = CallFailure(sentence=_sentence_of(result), subject=_subject_of(call))
            breakers.failed(failure, writes=writes)

    def exclude_attempt(self, name: str, attempt: Attempt, event_id: str) -> None:
        """Do not count this attempt at a record towards the profile's limit of attempts and time."""
        self.outages.history_after(event_id, attempt, name, Purpose.LOOK_UP, out=True, busy=False)

    def delay_until(self, name: str, at: datetime, attempt: Attempt, event_id: str) -> float | None:
        """Return the seconds until the next attempt at what can succeed from `at` on; none until then counts.

        None if that is longer than the profile retries. The last pause ends just after `at`.
        """
        policy, left = self.profile_of(name).retry.policy(), (at - self.now()).total_seconds() + _JUST_AFTER
        if attempt.elapsed + left > policy.max_elapsed:
            return None
        self.exclude_attempt(name, attempt, event_id)
        return max(min(outage_delay(policy, attempt.number, self.random(), None), left), _JUST_AFTER)

    def delay_of_reread(self, name: str, attempt: Attempt, event_id: str, max_reads: int) -> float | None:
        """Return the seconds until a run is read again because the answer is older than the event; None to stop."""
        history = self.outages.history_after(event_id, attempt, name, Purpose.READ, out=False, busy=False)
        reads = attempt.number - history.excluded
        if reads >= max_reads:
            self.outages.forget(event_id)
            return None
        return _REREAD.max_delay(reads) * (1 + self.random()) / 2

    def delay_after(self, name: str, result: CallResult, attempt: Attempt, event_id: str) -> float | None:
        """Return the seconds to wait before the next attempt at a record (its event's id); None to give it up.

        An outage is waited out for as long as it takes, and does not count: the records keep their order.
        """
        policy = self.profile_of(name).retry.policy()
        retry_after, jitter = result.meaning.retry_after, self.random()
        history = self.outages.history_after(
            event_id, attempt, name, result.purpose, out=result.is_outage, busy=result.is_busy
        )
        if history.is_outage:
            # While the breaker is open, everything waits for its next probe, and goes on in order once that succeeds.
            left = self.breakers.of(name).breaker(writes=result.purpose not in _READS).seconds_left()
            return left or outage_delay(policy, attempt.number, jitter, retry_after)
        delay = next_delay(
            policy, attempt.number - history.excluded, attempt.elapsed - history.excluded_seconds, jitter, retry_after
        )
        if delay is None:
            self.outages.forget(event_id)
        return delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller(SystemCaller):
    """Calls the systems that execute runs, each through its spoke."""

    spokes: Mapping[str, Spoke]
    list_waiting_runs: set[str] = field(default_factory=set)  # spokes whose lists have shown a run that had not begun

    def profile_of(self, name: str) -> SystemProfile:
        """Return the profile of one spoke."""
        return self.spoke(name).profile

    def spoke(self, name: str) -> Spoke:
        """Return the translations for one system.

        Raises:
            UnknownSpokeError: no profile has this name.
        """
        try:
            return self.spokes[name]
        except KeyError:
            raise UnknownSpokeError.named(name, self.spokes) from None

    async def call_about(
        self,
        row: RunRow,
        call: Call,
        cause: Event | None,
        before: BeforeCall = do_nothing,
        *,
        others: Sequence[RunRow] = (),
    ) -> CallResult:
        """Make one attempt at a call about a run, with its headers; `cause` is the event that leads to it.

        `others` are further runs that the call is about.
        """
        traceparent = cause.headers.traceparent if cause is not None else None
        names = self.spoke(row.spoke).profile.run_headers
        about = [row.run_id, *(other.run_id for other in others)]
        return await self.call(row.spoke, with_run_headers(call, names, row, traceparent), before, about=about)

    def read_run(self, row: RunRow, result: CallResult, external_id: str | None = None) -> ExternalReport:
        """Read the answer to an accepted call about one run; `external_id` is what it was asked by, if not the row's.

        Raises:
            AnotherRunError: the answer is about another run.
            NotUnderstoodError: the answer is not usable.
        """
        report = self.spoke(row.spoke).read_reply(result.accepted_response())
        contradiction = contradiction_of(report, row, external_id)
        if contradiction is not None:
            raise AnotherRunError(contradiction)
        return report

    def read_run_as_of(self, row: RunRow, result: CallResult) -> ExternalReport:
        """Read the answer to an accepted call about one run as what held when the call was made.

        Raises:
            AnotherRunError: the answer is about another run.
            NotUnderstoodError: the answer is not usable.
        """
        return replace(self.read_run(row, result), as_of=result.asked_at)

    async def fetch_run(self, row: RunRow, cause: Event | None, *, is_poll: bool = False) -> CallResult:
        """GET a run; a poll comes after the calls that records wait for."""
        call = self.spoke(row.spoke).to_read(row.external_id or "")
        return await self.call_about(row, replace(call, is_poll=True) if is_poll else call, cause)

    def reported(self, name: str, report: ExternalReport, report_id: str) -> Reported:
        """Return the run event of a report, with the times that the profile of its system sets."""
        profile = self.spoke(name).profile
        return Reported(
            report_id=report_id,
            report=report,
            measures_grace=profile.measures_grace,
            id_deadline=profile.id_deadline,
            ends_with_measures=profile.end_of_run is EndOfRun.MEASURES,
            keeps_unknown_measures=profile.unknown_measures == "keep",
            limits=profile.time_limits,
            comparators=profile.threshold_comparators,
        )


def _declared_meaning(profile: SystemProfile, call: Call, answer: HttpResponse) -> DeclaredMeaning | None:
    """Return what the profile says of an error in the body, or else of the status; `classify` heeds no success."""
    found = None
    if profile.error_meanings and answer.status >= HTTPStatus.BAD_REQUEST:
        found = meaning_of_errors(reasons_in(answer), profile.error_meanings)
    return found or (profile.meanings.get((call.method, answer.status)) if profile.meanings else None)


def _prevented(purpose: Purpose, name: str, reason: str) -> CallResult:
    """Return the result of a call that was not made; `reason` is why the last one was not processed."""
    cause = f"no call was made, because {name} does not process any: {reason}"
    response = NoResponse(perhaps_sent=False, cause=cause)
    meaning = ResponseMeaning(verdict=Verdict.TRANSIENT, reasons=(Reason(code="CALL_PREVENTED", message=cause),))
    return CallResult(purpose=purpose, response=response, meaning=meaning)


def _failure_of(call: Call, result: CallResult) -> CallFailure | None:
    """Return the failure that concerns every call to the system; None if it has processed this one, or perhaps."""
    response = result.response
    unreachable = isinstance(response, NoResponse)
    status = None if isinstance(response, NoResponse) else response.status
    if not (unreachable or result.says_busy or result.meaning.verdict is Verdict.CONFIGURATION):
        return None
    return CallFailure(
        sentence=_sentence_of(result),
        subject=_subject_of(call),
        unreachable=unreachable,
        rate_limited=status == _RATE_LIMITED,
        retry_after=result.meaning.retry_after,
    )


def _sentence_of(result: CallResult) -> str:
    reasons = "; ".join([reason.message for reason in result.meaning.reasons[:2]])
    return reasons[:MAX_SENTENCE_LENGTH] or f"it answered {result.meaning.verdict}"


def _subject_of(call: Call) -> str:
    return call.idempotency_key or f"{call.path}?{call.query}"
