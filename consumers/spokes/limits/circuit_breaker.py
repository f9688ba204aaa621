"""Stop the calls to a system that is down, and find out with one call at a time whether it is back.

A breaker opens only for failures that concern every call: no connection, no response in time, the statuses with
which a system refuses every caller. The refusal of one run does not count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

MAX_PAUSE_OF_SYSTEM = 1800.0  # seconds; a system may ask for a week of silence and be back after an hour
_RATE_LIMITED_FOR = timedelta(seconds=10)  # a system that limits its rate processes some calls in between


class BreakerState(StrEnum):
    """Which calls may be made."""

    CLOSED = "closed"  # all
    OPEN = "open"  # none
    HALF_OPEN = "halfOpen"  # one, which finds out whether the system is back


class BreakerSignal(StrEnum):
    """What changes the state."""

    TOO_MANY_FAILURES = "tooManyFailures"
    PAUSE_OVER = "pauseOver"
    FAILED = "failed"
    PROCESSED = "processed"


NEXT_STATE: Mapping[tuple[BreakerState, BreakerSignal], BreakerState] = MappingProxyType(
    {
        (BreakerState.CLOSED, BreakerSignal.TOO_MANY_FAILURES): BreakerState.OPEN,
        (BreakerState.OPEN, BreakerSignal.PAUSE_OVER): BreakerState.HALF_OPEN,
        (BreakerState.HALF_OPEN, BreakerSignal.FAILED): BreakerState.OPEN,
        (BreakerState.HALF_OPEN, BreakerSignal.PAUSE_OVER): BreakerState.HALF_OPEN,  # the probe has made no call
        (BreakerState.HALF_OPEN, BreakerSignal.PROCESSED): BreakerState.CLOSED,
        (BreakerState.OPEN, BreakerSignal.PROCESSED): BreakerState.CLOSED,  # a call that was made before
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens, and how long it pauses between two probes; times are in seconds."""

    failures: int = 8  # in a row
    pause: float = 1.0  # until the first probe; it doubles after each probe that fails
    max_pause: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFailure:
    """A call that the system did not process, for a reason that concerns every call."""

    sentence: str  # without secrets
    subject: str  # which run, change or query it was for
    unreachable: bool = False  # there was no response at all
    rate_limited: bool = False  # 429
    retry_after: float | None = None  # seconds that the system asks for


@dataclass(slots=True)
class _Failures:
    """The failures since the last call that the system has processed."""

    since: datetime
    last: CallFailure
    count: int = 0
    several: bool = False  # whether they concern more than one subject

    def add(self, failure: CallFailure) -> None:
        """Count one more."""
        self.several = self.several or failure.subject != self.last.subject
        self.count, self.last = self.count + 1, failure


class CircuitBreaker:
    """The breaker of one kind of calls to one system. `random` is in [0, 1) and spreads the probes of processes."""

    def __init__(
        self,
        policy: BreakerPolicy,
        now: Callable[[], datetime],
        random: Callable[[], float],
        on_change: Callable[[CircuitBreaker], None] | None = None,
    ) -> None:
        """`on_change` is called when the breaker opens after having been closed, and when it closes."""
        self._on_change = on_change
        self._policy = policy
        self._now = now
        self._random = random
        self._failures: _Failures | None = None
        self._pause = 0.0
        self._probe_at: datetime | None = None  # when the next record, or call, may find out
        self._record_at: datetime | None = None
        self.state = BreakerState.CLOSED
        self.opened_at: datetime | None = None

    @property
    def reason(self) -> str:
        """Why the breaker is not closed: the last failure."""
        return self._failures.last.sentence if self._failures else ""

    def failed(self, failure: CallFailure) -> None:
        """Record a call that the system has not processed."""
        now = self._now()
        if self._failures is None:
            self._failures = _Failures(since=now, last=failure)
        self._failures.add(failure)
        if self.state is BreakerState.CLOSED:
            if self._opens(failure, now):
                self.opened_at = self._failures.since
                self._move(BreakerSignal.TOO_MANY_FAILURES, now, failure.retry_after)
                self._changed()
        elif self.state is BreakerState.HALF_OPEN:
            self._move(BreakerSignal.FAILED, now, failure.retry_after)

    def processed(self) -> None:
        """Record a call that the system has processed, with whatever result."""
        self._failures = None
        if self.state is not BreakerState.CLOSED:
            self.state = NEXT_STATE[self.state, BreakerSignal.PROCESSED]
            self.opened_at = self._probe_at = self._record_at = None
            self._pause = 0.0
            self._changed()

    def _changed(self) -> None:
        if self._on_change is not None:
            self._on_change(self)

    def admits_call(self) -> bool:
        """Return whether a call may be made now. While the system is down, it then is the only one for a pause."""
        now = self._now()
        if self.state is BreakerState.CLOSED:
            return True
        if not _is_due(self._probe_at, now):
            return False
        self.state = NEXT_STATE[self.state, BreakerSignal.PAUSE_OVER]
        self._probe_at = now + timedelta(seconds=self._pause)
        return True

    def is_shut(self) -> bool:
        """Return whether calls may not be made, except the one that finds out whether the system is back."""
        return self.state is not BreakerState.CLOSED

    def shut_reason(self) -> str | None:
        """Return why calls are not made, and when the next one finds out whether the system is back."""
        if not self.is_shut():
            return None
        since = f" since {self.opened_at:%Y-%m-%d %H:%M:%S} UTC" if self.opened_at else ""
        return (
            f"the circuit breaker is {self.state.value}{since}: the system processed none of the last calls"
            f" ({self.reason}). The next call is made in {self.seconds_left():.0f} s; when it is processed, all go"
        )

    def admits_record(self) -> bool:
        """Return whether a record that leads to a call may be started now: while the system is down, one per pause."""
        now = self._now()
        if self.state is BreakerState.CLOSED:
            return True
        if not (_is_due(self._probe_at, now) and _is_due(self._record_at, now)):
            return False
        self._record_at = now + timedelta(seconds=self._pause)
        return True

    def seconds_left(self) -> float:
        """Return the seconds until the next probe; 0 if calls may be made."""
        if self._probe_at is None:
            return 0.0
        return max(0.0, (self._probe_at - self._now()).total_seconds())

    def _opens(self, failure: CallFailure, now: datetime) -> bool:
        failures = self._failures
        if failures is None or failures.count < self._policy.failures:
            return False
        if failure.unreachable:
            return True
        # A single run that is turned away says nothing about the others.
        return failures.several and not (failure.rate_limited and now - failures.since < _RATE_LIMITED_FOR)

    def _move(self, signal: BreakerSignal, now: datetime, retry_after: float | None) -> None:
        self.state = NEXT_STATE[self.state, signal]
        self._pause = min(max(self._policy.pause, 2 * self._pause), self._policy.max_pause)
        spread = self._pause * (1 + self._random()) / 2
        wait = max(spread, min(retry_after or 0.0, MAX_PAUSE_OF_SYSTEM))
        self._probe_at = self._record_at = now + timedelta(seconds=wait)


def _is_due(at: datetime | None, now: datetime) -> bool:
    # A clock that was set back must not hold calls for longer than any pause (that of a policy is shorter).
    return at is None or now >= at or at - now > timedelta(seconds=MAX_PAUSE_OF_SYSTEM)


@dataclass(slots=True)
class SystemBreakers:
    """The breakers of one system: for calls that write, and for those that read.

    A system in maintenance may still be read; one that accepts writes is up for every call, and one that cannot be
    reached is down for every call.
    """

    writes: CircuitBreaker
    reads: CircuitBreaker

    def breaker(self, *, writes: bool) -> CircuitBreaker:
        """Return the breaker of one kind of calls."""
        return self.writes if writes else self.reads

    def failed(self, failure: CallFailure, *, writes: bool) -> None:
        """Record a call that the system has not processed."""
        self.breaker(writes=writes).failed(failure)
        if failure.unreachable:
            self.breaker(writes=not writes).failed(failure)

    def processed(self, *, writes: bool) -> None:
        """Record a call that the system has processed."""
        self.reads.processed()
        if writes:
            self.writes.processed()


class BreakerObserver(Protocol):
    """Hears of breakers that open and close."""

    def __call__(self, spoke: str, calls: str, breaker: CircuitBreaker, /) -> None:
        """Record a change; `calls` are `writes` or `reads`."""


@dataclass(slots=True)
class Breakers:
    """The breakers of all systems that a process calls, made when they are needed first."""

    policies: Mapping[str, BreakerPolicy]
    now: Callable[[], datetime]
    random: Callable[[], float]
    on_change: BreakerObserver | None = None
    _systems: dict[str, SystemBreakers] = field(default_factory=dict)

    def of(self, spoke: str) -> SystemBreakers:
        """Return the breakers of one system."""
        breakers = self._systems.get(spoke)
        if breakers is None:
            breakers = SystemBreakers(writes=self._new(spoke, "writes"), reads=self._new(spoke, "reads"))
            self._systems[spoke] = breakers
        return breakers

    def _new(self, spoke: str, calls: str) -> CircuitBreaker:
        on_change = self.on_change
        observe = None if on_change is None else lambda breaker: on_change(spoke, calls, breaker)
        return CircuitBreaker(self.policies.get(spoke, BreakerPolicy()), self.now, self.random, observe)
