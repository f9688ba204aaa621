"""Say how long to wait before the next attempt, or that there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that widen with every attempt up to a ceiling, and never end; times in seconds."""

    first: float = 1.0
    factor: float = 2.0
    ceiling: float = 30.0

    def widest(self, attempt: int) -> float:
        """Give the longest wait after attempt number `attempt` (from 1) has failed."""
        try:
            return min(self.ceiling, self.first * self.factor ** (attempt - 1))
        except OverflowError:
            return self.ceiling

    def delay(self, attempt: int, dice: float) -> float:
        """Give the wait after attempt number `attempt`: full jitter, so that many do not come back together."""
        return dice * self.widest(attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(Backoff):
    """How patient to be with one command: bounded by count and by elapsed time."""

    ceiling: float = 60.0
    max_attempts: int = 20
    max_elapsed: float = 1800.0


def next_delay(
    policy: RetryPolicy, attempt: int, elapsed: float, dice: float, retry_after: float | None = None
) -> float | None:
    """Give the seconds to wait after attempt number `attempt` (from 1) has failed; None: give up.

    `elapsed` counts from the first attempt, `dice` is in [0, 1). The delay is exponential with full jitter,
    never shorter than what the other side asked for, and cut so that the last attempt falls on `max_elapsed`.
    """
    left = policy.max_elapsed - elapsed
    if attempt >= policy.max_attempts or left <= 0:
        return None
    return min(_wanted(policy, attempt, dice, retry_after), left)


def outage_delay(policy: RetryPolicy, attempt: int, dice: float, retry_after: float | None = None) -> float:
    """Give the seconds to wait for a system that is out: as `next_delay`, but nothing is ever given up."""
    # Whoever asks for a week would not be heard when the system is back after an hour.
    longest = max(policy.ceiling, policy.max_elapsed)
    return min(_wanted(policy, attempt, dice, retry_after), longest)


def _wanted(policy: RetryPolicy, attempt: int, dice: float, retry_after: float | None) -> float:
    delay = policy.delay(attempt, dice)
    # The second term spreads out those who were all told the same Retry-After.
    return max(delay, retry_after + dice * policy.first) if retry_after else delay
