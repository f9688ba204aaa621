"""Compute the deadline of a run that its system has accepted: pure functions of the document, limits and the time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.run_document import RunDocument

MAX_SECONDS = 3_660 * 86_400.0  # ten years: an ordering service may write any number
DEFAULT_TIME_OUT = 86_400.0
DEFAULT_PENDING_TIME_OUT = 7 * 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeLimits:
    """What the profile of a system says, in seconds. A run or its specification may say something else.

    `expected`: None means half of the time-out. `pending`: for which a run may be pending, each time.
    """

    expected: float | None = None
    time_out: float = DEFAULT_TIME_OUT
    pending: float = DEFAULT_PENDING_TIME_OUT


DEFAULT_LIMITS = TimeLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """When a run is late (`jeopardy`, None once that is published) and when it times out (`expires`).

    While the run is pending, `left` has the seconds that were left of its time, and `expires` is when it has been
    pending for too long. `is_set` is False for a run of an earlier version: its time begins with its first check.
    """

    expires: datetime
    jeopardy: datetime | None = None
    left: float | None = None
    left_until_jeopardy: float | None = None
    is_set: bool = True

    @property
    def due(self) -> datetime:
        """The next moment at which something happens."""
        return self.expires if self.jeopardy is None else min(self.jeopardy, self.expires)


def unset_deadline(at: datetime) -> Deadline:
    """Return the deadline of a run of which only its system's profile, which is read later, says how long it takes."""
    return Deadline(expires=at, is_set=False)


def begin(document: RunDocument, at: datetime, limits: TimeLimits) -> Deadline:
    """Return the deadline of a run that its system accepted at `at`.

    The time-out counts from `at`, or from the planned start if that is later. The run is late after its expected
    duration, but not before its planned end.
    """
    expected, time_out = seconds_of(document, limits)
    latest = at + timedelta(seconds=MAX_SECONDS)
    start = min(max(at, document.start_date_time or at), latest)
    late = max(start + timedelta(seconds=expected), min(document.end_date_time or at, latest))
    return Deadline(expires=late + timedelta(seconds=time_out - expected), jeopardy=late)


def seconds_of(document: RunDocument, limits: TimeLimits) -> tuple[float, float]:
    """Return the expected duration and the time-out of a run: the most specific ones, the first below the second.

    A document has its own values, or those that it took from its specification. A run that is expected to take longer
    than the time-out of the profile has twice its expected duration.
    """
    expected = _bounded(document.expected_duration)
    time_out = _bounded(document.time_out)
    if time_out is None:
        time_out = limits.time_out if expected is None or expected < limits.time_out else 2 * expected
    if expected is None:
        expected = limits.expected
    return (time_out / 2 if expected is None or expected >= time_out else expected), time_out


def pause(deadline: Deadline, at: datetime, limits: TimeLimits) -> Deadline:
    """Return the deadline of a run that is pending from now on: the time of the test does not pass."""
    if deadline.left is not None:
        return deadline
    return Deadline(
        expires=at + timedelta(seconds=limits.pending),
        left=_seconds(at, deadline.expires),
        left_until_jeopardy=None if deadline.jeopardy is None else _seconds(at, deadline.jeopardy),
    )


def resume(deadline: Deadline, at: datetime) -> Deadline:
    """Return the deadline of a run that is no longer pending."""
    if deadline.left is None:
        return deadline
    jeopardy = deadline.left_until_jeopardy
    return Deadline(
        expires=at + timedelta(seconds=deadline.left),
        jeopardy=None if jeopardy is None else at + timedelta(seconds=jeopardy),
    )


def after_change(
    deadline: Deadline, known: RunDocument | None, changed: RunDocument, accepted_at: datetime, limits: TimeLimits
) -> Deadline:
    """Return the deadline after the system accepted another document; unchanged if that says the same of time."""
    if known is not None and _times(known) == _times(changed):
        return deadline
    begun = begin(changed, accepted_at, limits)
    if deadline.left is None:
        return begun
    left_until_jeopardy = None if begun.jeopardy is None else _seconds(accepted_at, begun.jeopardy)
    return replace(deadline, left=_seconds(accepted_at, begun.expires), left_until_jeopardy=left_until_jeopardy)


def _times(document: RunDocument) -> tuple[object, ...]:
    return document.expected_duration, document.time_out, document.start_date_time, document.end_date_time


def _bounded(seconds: float | None) -> float | None:
    return min(float(seconds), MAX_SECONDS) if seconds else None


def _seconds(since: datetime, until: datetime) -> float:
    return max((until - since).total_seconds(), 0.0)
