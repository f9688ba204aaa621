"""Call an external system and judge what came back."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from consumers.dispatch.outages import OutageTracker
from consumers.runtime.backoff import next_delay, outage_delay
from consumers.spokes.port import UnknownSpokeError
from router.responses import HttpResponse, NoResponse, ResponseMeaning, Verdict, judge
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from consumers.runtime.handler import Attempt
    from consumers.spokes.port import Call, Spoke, SpokeCaller
    from router.responses import Purpose

_TURNED_AWAY = (429, 502, 503, 504, 507)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """One attempt: what came back and what it means."""

    purpose: Purpose
    answer: HttpResponse | NoResponse
    judgement: ResponseMeaning

    def answered(self) -> HttpResponse:
        """Give the response that an accepting verdict is built on."""
        if isinstance(self.answer, NoResponse):
            raise TypeError(f"There is no answer: {self.answer.what}")
        return self.answer

    def doubted(self, why: str) -> CallResult:
        """Turn an acceptance that cannot be read into a doubt."""
        reason = Reason(code="ANSWER_NOT_UNDERSTOOD", message=why)
        return replace(self, judgement=ResponseMeaning(verdict=Verdict.AMBIGUOUS, reasons=(reason,)))

    @property
    def is_outage(self) -> bool:
        """The system was not reached or refuses everybody: no reason to give up on this one run."""
        unreached = isinstance(self.answer, NoResponse) and not self.answer.perhaps_sent
        return unreached or self.judgement.verdict is Verdict.CONFIGURATION

    @property
    def is_busy(self) -> bool:
        """Nothing was done, and for a reason that has more to do with the system than with this one run."""
        turned_away = isinstance(self.answer, NoResponse) or self.answer.status in _TURNED_AWAY
        return turned_away and self.judgement.verdict is Verdict.TRANSIENT


class ObserveCall(Protocol):
    """Hear of every call: to whom, what for, what came of it, and how many seconds it took."""

    def __call__(self, spoke: str, purpose: Purpose, verdict: Verdict, seconds: float) -> None:
        """Note one call."""


def see_nothing(spoke: str, purpose: Purpose, verdict: Verdict, seconds: float) -> None:
    """Note nothing."""


class MayNotSendError(Exception):
    """This worker may have lost its partitions, so it does not call anybody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The external systems by name, and how long to wait between attempts."""

    spokes: Mapping[str, Spoke]
    client: SpokeCaller
    now: Callable[[], datetime]
    dice: Callable[[], float]
    may_send: Callable[[], bool]
    observe: ObserveCall = see_nothing
    outages: OutageTracker = field(default_factory=OutageTracker)

    def spoke(self, name: str) -> Spoke:
        """Give the translations for one system.

        Raises:
            UnknownSpokeError: no profile has this name.
        """
        try:
            return self.spokes[name]
        except KeyError:
            raise UnknownSpokeError.named(name, self.spokes) from None

    def must_own_the_run(self) -> None:
        """Return if no other worker can have taken over.

        Raises:
            MayNotSendError: this worker's last word from Kafka is too old.
        """
        # A worker that slept past its session has been replaced; its successor sends, not it.
        if not self.may_send():
            raise MayNotSendError("This worker has not heard from Kafka for too long to be sure that it owns the run.")

    async def ask(self, name: str, call: Call) -> CallResult:
        """Make one attempt and judge it.

        Raises:
            MayNotSendError: this worker's last word from Kafka is too old.
        """
        success, began = self.spoke(name).profile.success_codes, self.now()

        def at_its_turn() -> None:
            # It may have waited for a free connection for longer than a session; that is not the system's time.
            nonlocal began
            self.must_own_the_run()
            began = self.now()

        answer = await self.client.call(name, call, at_its_turn)
        ended = self.now()
        judgement = judge(call.purpose, answer, success, now=ended)
        self.observe(name, call.purpose, judgement.verdict, (ended - began).total_seconds())
        self.outages.saw(name, call.purpose, judgement.verdict)
        return CallResult(purpose=call.purpose, answer=answer, judgement=judgement)

    def wait(self, name: str, asked: CallResult, attempt: Attempt, record: str) -> float | None:
        """Say how many seconds to wait before the next attempt at a record (its event's id); None: give it up.

        An outage is waited out for as long as it takes, and does not count: the records keep their place.
        """
        policy = self.spoke(name).profile.retry.policy()
        told, dice = asked.judgement.retry_after, self.dice()
        tries = self.outages.after(record, attempt, name, asked.purpose, out=asked.is_outage, busy=asked.is_busy)
        if tries.is_out:
            return outage_delay(policy, attempt.number, dice, told)
        delay = next_delay(policy, attempt.number - tries.excused, attempt.elapsed - tries.excused_for, dice, told)
        if delay is None:
            self.outages.forget(record)
        return delay
