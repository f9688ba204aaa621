"""Register the address of the listener at the hub of one system, renew it, and remove it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from consumers.inbound.registration.progress import IN_EFFECT, Answer, HubPhase, Registration, advance
from consumers.spokes.limits.circuit_breaker import CallFailure
from consumers.spokes.port import CallPreventedError
from router.responses import HttpResponse, NoResponse, Purpose, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.inbound.registration.hub_dialect import HubDialect
    from consumers.spokes.limits.circuit_breaker import SystemBreakers
    from consumers.spokes.port import Call, SpokeCaller

MAX_STEPS = 8  # calls in a row; a renewal needs five at most
MISSED_BEFORE_CHECK = 3  # changes that polls found since the last callback
MIN_CHECK_INTERVAL = timedelta(seconds=60)  # between two checks because of missed callbacks
MAX_RETRY_AFTER = 1800.0  # seconds; a system may ask for a week of silence and be back after an hour
_BUSY = frozenset({429, 502, 503, 504, 507})
_NOT_PROCESSED = _BUSY | {401, 403, 407}


class RegistrationObserver(Protocol):
    """Hears of what becomes of a registration."""

    def __call__(self, spoke: str, outcome: str, sentence: str | None, /) -> None:
        """Record an outcome; the sentence is for the log, and None if it says nothing new."""


@dataclass(slots=True, kw_only=True)
class HubRegistrar:
    """Keeps the registration at one system. Its sentences quote no response: a system may repeat a secret there.

    `random` is in [0, 1).
    """

    dialect: HubDialect
    client: SpokeCaller
    breakers: SystemBreakers
    now: Callable[[], datetime]
    random: Callable[[], float]
    observe: RegistrationObserver
    registration: Registration = field(default_factory=Registration)
    problem: str | None = "is not registered yet"  # why notifications are not known to arrive
    _failures: int = 0
    _missed: int = 0
    _checked_at: datetime | None = None
    _said: str | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """The name of the system."""
        return self.dialect.profile.name

    @property
    def is_in_effect(self) -> bool:
        """Whether the system has the registration, as far as is known."""
        return self.registration.phase in IN_EFFECT

    def warning(self) -> str | None:
        """Return what an operator should know, in a sentence; None: the registration is in effect."""
        return None if self.problem is None else f"the callback address of {self.name} {self.problem}"

    def callback_received(self) -> None:
        """Record that a notification has arrived."""
        self._missed = 0

    def change_polled(self) -> None:
        """Record that a poll found a change of which no notification has arrived."""
        self._missed += 1
        if self._missed >= MISSED_BEFORE_CHECK and self.registration.is_resting and self._may_check():
            self._wake.set()

    def _may_check(self) -> bool:
        # A clock that was set back does not prevent checks.
        return self._checked_at is None or abs(self.now() - self._checked_at) >= MIN_CHECK_INTERVAL

    async def run(self) -> None:
        """Register, and renew the registration, until cancelled."""
        while True:
            pause = await self.work()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()

    async def work(self) -> float:
        """Register, or renew the registration if it exists; return the seconds until the next time."""
        if self.registration.is_resting:
            self.registration = self.registration.due(suspected=self._missed >= MISSED_BEFORE_CHECK)
        self._checked_at, self._missed = self.now(), 0
        for _ in range(MAX_STEPS):
            call = self.dialect.call_of(self.registration.phase, self._subject_id())
            response = await self._call(call)
            answer, found = self._read(response)
            if answer is Answer.FAILED:
                return self._failed(call, response)
            self.registration = advance(self.registration, answer, found)
            if self.registration.is_resting:
                return self._rested(call, response)
        return self._pause()  # a system whose answers contradict each other

    async def remove(self) -> None:
        """Remove the registration, at a clean stop. One attempt, which the timeouts of the profile limit."""
        if not self.dialect.profile.hub.remove_at_stop or self.registration.id is None:
            return
        call = self.dialect.call_of(HubPhase.TIDYING, self.registration.id)
        response = await self._call(call)
        gone = isinstance(response, HttpResponse) and self.dialect.read(HubPhase.TIDYING, response)[0] is Answer.REMOVED
        outcome = "removed" if gone else "failed"
        self.observe(self.name, outcome, f"DELETE of the registration was answered with {_outcome_of(response)}")
        if gone:
            self.registration = Registration()

    def _subject_id(self) -> str | None:
        registration = self.registration
        return registration.former_id if registration.phase is HubPhase.TIDYING else registration.id

    def _read(self, response: HttpResponse | NoResponse) -> tuple[Answer, str | None]:
        if isinstance(response, NoResponse):
            return Answer.FAILED, None
        return self.dialect.read(self.registration.phase, response)

    async def _call(self, call: Call) -> HttpResponse | NoResponse:
        """Make one attempt, unless the circuit breaker of the system is open, and note for it what became of it."""
        writes = call.purpose is not Purpose.READ
        breaker = self.breakers.breaker(writes=writes)

        def admit() -> None:
            if not breaker.admits_call():
                raise CallPreventedError(breaker.reason)

        try:
            response = await self.client.call(self.name, call, admit=admit)
        except CallPreventedError as prevented:
            return NoResponse(perhaps_sent=False, cause=f"no call was made, because the system is down: {prevented}")
        if isinstance(response, NoResponse):
            self.breakers.failed(
                CallFailure(sentence=response.cause, subject=call.path, unreachable=True), writes=writes
            )
        elif response.status in _BUSY:
            sentence = f"{call.method} {call.path} was answered with {response.status}"
            self.breakers.failed(CallFailure(sentence=sentence, subject=call.path), writes=writes)
        elif response.status not in _NOT_PROCESSED:
            self.breakers.processed(writes=writes)
        return response

    def _failed(self, call: Call, response: HttpResponse | NoResponse) -> float:
        """Record an attempt that will be repeated; return the seconds until then."""
        self._failures += 1
        what = f"{call.method} {self.dialect.profile.hub.path}"
        self.problem = f"is not known to be registered: {what} was answered with {_outcome_of(response)}; retrying"
        self._report("failed")
        policy = self.dialect.profile.retry.policy()
        delay = policy.max_delay(self._failures) * (1 + self.random()) / 2
        if isinstance(response, HttpResponse):
            asked = retry_after_seconds(response.headers.get("retry-after"), self.now()) or 0.0
            delay = max(delay, min(asked, MAX_RETRY_AFTER))
        return delay

    def _rested(self, call: Call, response: HttpResponse | NoResponse) -> float:
        """Record that there is nothing to do until the renewal; return the seconds until then."""
        self._failures = 0
        phase = self.registration.phase
        self.problem = {
            HubPhase.OCCUPIED: "is not registered: the hub has a registration of another address and takes no other"
            " (409); remove that one at the system",
            HubPhase.UNSUPPORTED: "cannot be registered, because the system has no hub"
            f" ({call.method} {call.path} was answered with {_outcome_of(response)}): set `result_channels: [poll]` and"
            " `hub.register: false`, or correct hub.path",
        }.get(phase)
        self._report(phase)
        return self._pause()

    def _report(self, outcome: str) -> None:
        """Report an outcome; its sentence only if it says something new."""
        sentence = self.problem or ("is registered" if self.registration.id else "is registered; its id is not known")
        news, self._said = sentence != self._said, sentence
        self.observe(
            self.name, outcome, self.warning() or f"the callback address of {self.name} {sentence}" if news else None
        )

    def _pause(self) -> float:
        # Processes that start together do not renew together.
        return self.dialect.profile.hub.renew_every * (0.9 + self.random() / 10)


def _outcome_of(response: HttpResponse | NoResponse) -> str:
    return f"no response ({response.cause})" if isinstance(response, NoResponse) else str(response.status)
