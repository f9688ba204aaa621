"""Call an external system and judge what came back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from router.answers import Answer, Judgement, NoAnswer, Verdict, judge
from router.backoff import RetryPolicy, next_delay
from schemas.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from consumers.runtime.outcomes import Attempt
    from consumers.spokes.port import Call, Spoke, SpokeCaller
    from router.answers import Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One attempt: what came back and what it means."""

    answer: Answer | NoAnswer
    judgement: Judgement

    def answered(self) -> Answer:
        """Give the response that an accepting verdict is built on."""
        if isinstance(self.answer, NoAnswer):
            raise TypeError(f"There is no answer: {self.answer.what}")
        return self.answer

    def doubted(self, why: str) -> Asked:
        """Turn an acceptance that cannot be read into a doubt."""
        reason = Reason(code="ANSWER_NOT_UNDERSTOOD", message=why)
        return replace(self, judgement=Judgement(verdict=Verdict.AMBIGUOUS, reasons=(reason,)))

    @property
    def is_outage(self) -> bool:
        """The system was not reached or refuses everybody: no reason to give up on this one run."""
        unreached = isinstance(self.answer, NoAnswer) and not self.answer.perhaps_sent
        return unreached or self.judgement.verdict is Verdict.CONFIGURATION


class ObserveCall(Protocol):
    """Hear of every call: to whom, what for, what came of it, and how many seconds it took."""

    def __call__(self, spoke: str, purpose: Purpose, verdict: Verdict, seconds: float) -> None:
        """Note one call."""


def see_nothing(spoke: str, purpose: Purpose, verdict: Verdict, seconds: float) -> None:
    """Note nothing."""


class UnknownSpokeError(Exception):
    """A command names a spoke that has no profile."""


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

    def spoke(self, name: str) -> Spoke:
        """Give the translations for one system.

        Raises:
            UnknownSpokeError: no profile has this name.
        """
        try:
            return self.spokes[name]
        except KeyError:
            known = ", ".join(sorted(self.spokes))
            raise UnknownSpokeError(
                f"No profile defines the spoke {name!r} (known: {known}): add its profile file and redrive this record."
            ) from None

    def must_own_the_run(self) -> None:
        """Return if no other worker can have taken over.

        Raises:
            MayNotSendError: this worker's last word from Kafka is too old.
        """
        # A worker that slept past its session has been replaced; its successor sends, not it.
        if not self.may_send():
            raise MayNotSendError("This worker has not heard from Kafka for too long to be sure that it owns the run.")

    async def ask(self, name: str, call: Call) -> Asked:
        """Make one attempt and judge it.

        Raises:
            MayNotSendError: this worker's last word from Kafka is too old.
        """
        success, began = self.spoke(name).profile.success_codes, self.now()
        # Not before its turn has come: it may wait for a free connection for longer than a session.
        answer = await self.client.call(name, call, self.must_own_the_run)
        ended = self.now()
        judgement = judge(call.purpose, answer, success, now=ended)
        self.observe(name, call.purpose, judgement.verdict, (ended - began).total_seconds())
        return Asked(answer=answer, judgement=judgement)

    def wait(self, name: str, asked: Asked, attempt: Attempt) -> float | None:
        """Say how many seconds to wait before the next attempt; None: the retries are used up.

        An outage is waited out for as long as it takes: the records keep their place, nothing is given up.
        """
        policy = RetryPolicy(**dict(self.spoke(name).profile.retry))
        delay = next_delay(
            policy,
            attempt=attempt.number,
            elapsed=attempt.elapsed,
            dice=self.dice(),
            retry_after=asked.judgement.retry_after,
        )
        return policy.ceiling if delay is None and asked.is_outage else delay
