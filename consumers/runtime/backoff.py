"""Compute how long to wait before the next attempt, or that there is none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff up to a maximum, without an end; times are in seconds."""

    initial_interval: float = 1.0
    backoff_coefficient: float = 2.0
    max_interval: float = 30.0

    def max_delay(self, attempt: int) -> float:
        """Return the longest wait after attempt number `attempt` (from 1) has failed."""
        try:
            return min(self.max_interval, self.initial_interval * self.backoff_coefficient ** (attempt - 1))
        except OverflowError:
            return self.max_interval

    def delay(self, attempt: int, jitter: float) -> float:
        """Return the wait after attempt number `attempt`, with full jitter so that retries are spread out."""
        return jitter * self.max_delay(attempt)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(Backoff):
    """A backoff that ends, bounded by count and by elapsed time."""

    max_interval: float = 60.0
    max_attempts: int = 20
    max_elapsed: float = 1800.0


def next_delay(
    policy: RetryPolicy, attempt: int, elapsed: float, jitter: float, retry_after: float | None = None
) -> float | None:
    """Return the seconds to wait after attempt number `attempt` (from 1) has failed; None to give up.

    `elapsed` counts from the first attempt, `jitter` is in [0, 1). The delay is exponential with full jitter, never
    shorter than Retry-After asks for, and cut so that the last attempt falls on `max_elapsed`.
    """
    remaining = policy.max_elapsed - elapsed
    if attempt >= policy.max_attempts or remaining <= 0:
        return None
    return min(_requested_delay(policy, attempt, jitter, retry_after), remaining)


def outage_delay(policy: RetryPolicy, attempt: int, jitter: float, retry_after: float | None = None) -> float:
    """Return the seconds to wait for a system that is out: as `next_delay`, but without an end."""
    # A system may ask for a week of silence and be back after an hour.
    longest = max(policy.max_interval, policy.max_elapsed)
    return min(_requested_delay(policy, attempt, jitter, retry_after), longest)


def _requested_delay(policy: RetryPolicy, attempt: int, dice: float, retry_after: float | None) -> float:
    delay = policy.delay(attempt, dice)
    # The second term spreads out retries that all got the same Retry-After.
    return max(delay, retry_after + dice * policy.initial_interval) if retry_after else delay
