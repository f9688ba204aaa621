"""Hold back a source whose records become dead letters, in a row or by their share; other sources are not affected.

A source is what a record comes from: a producer of lifecycle events, or an external system. What follows from another
dead letter is not counted: a hierarchy whose root was given up is one failure, however many records it has.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.problem import Problem

_SHOWN_NAME_LENGTH = 100  # characters of a source's name in a sentence; its producer chose it
_GROWTH = 10  # a source that goes on is stopped again when its dead letters have grown so many times


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimitConfig:
    """How many dead letters of one source stop its records, and for how long.

    `limit` of them in a row do, or a share of `ratio` among its last `window` records. After the stop at most
    `running_after` of its records run at a time, so that others go first, until one of them is finished (and the share
    is below `ratio`) or none becomes a dead letter for `forget_after` seconds. The source is stopped again at ten times
    as many dead letters, and so on, so that however many records fail, valid records behind them wait for a few stops
    only.
    """

    limit: int = 100
    ratio: float = 0.5
    window: int = 200
    cool_down: float = 10.0  # seconds
    running_after: int = 16
    forget_after: float = 300.0  # seconds
    max_sources: int = 1_000  # that are counted at a time; the one whose last dead letter is oldest is forgotten


@dataclass(slots=True)
class _Streak:
    """The dead letters of one source: those in a row, and those among its last records."""

    count: int = 0
    stop_at: int = 0  # so many in a row
    stopped_until: float = 0.0
    recent: int = 0  # one bit for each of its last records, set for a dead letter
    total: int = 0  # since it is counted
    stop_at_total: int = 0  # so many, if their share is too high
    share_stopped_until: float = 0.0
    last_at: float = 0.0
    last: Problem | None = None

    def is_stopped(self, now: float) -> bool:
        """Return whether none of its records may run now."""
        return now < self.stopped_until or now < self.share_stopped_until


class DeadLetterLimit:
    """Counts the dead letters of each source: in a row, and among its last records."""

    def __init__(self, policy: DeadLetterLimitConfig) -> None:
        self._policy = policy
        self._window_bits = (1 << policy.window) - 1
        self._streaks: dict[str, _Streak] = {}  # the one with the oldest dead letter first

    @property
    def in_a_row(self) -> int:
        """The largest number of dead letters that one source has had since its last finished record."""
        return max([streak.count for streak in self._streaks.values()], default=0)

    @property
    def counts_any(self) -> bool:
        """Whether any source has had a dead letter among its last records."""
        return bool(self._streaks)

    def finished(self, source: str) -> None:
        """Count a finished record of a source: no dead letters in a row any more, and a lower share."""
        streak = self._streaks.get(source)
        if streak is None:
            return
        streak.recent = (streak.recent << 1) & self._window_bits
        if not streak.recent:
            del self._streaks[source]
        streak.count, streak.stop_at, streak.stopped_until = 0, self._policy.limit, 0.0

    def dead_lettered(self, source: str, problem: Problem, now: float) -> bool:
        """Count a dead letter; return True if this one stops the source."""
        streak = self._streaks.pop(source, None)
        if streak is None or now - streak.last_at >= self._policy.forget_after:
            streak = _Streak(stop_at=self._policy.limit)
        self._streaks[source] = streak
        if len(self._streaks) > self._policy.max_sources:
            del self._streaks[next(iter(self._streaks))]
        streak.count, streak.total, streak.last_at, streak.last = streak.count + 1, streak.total + 1, now, problem
        streak.recent = ((streak.recent << 1) | 1) & self._window_bits
        return self._stops_by_run_length(streak, now) or self._stops_by_share(streak, now)

    def _stops_by_run_length(self, streak: _Streak, now: float) -> bool:
        if streak.count < streak.stop_at or streak.is_stopped(now):
            return False
        streak.stop_at = max(streak.stop_at, streak.count) * _GROWTH
        streak.stop_at_total = max(streak.stop_at_total, streak.total * _GROWTH)
        streak.stopped_until = now + self._policy.cool_down
        return True

    def _stops_by_share(self, streak: _Streak, now: float) -> bool:
        if streak.total < streak.stop_at_total or streak.is_stopped(now) or not self._share_is_high(streak):
            return False
        streak.stop_at_total = streak.total * _GROWTH
        streak.share_stopped_until = now + self._policy.cool_down
        return True

    def _share_is_high(self, streak: _Streak) -> bool:
        return streak.recent.bit_count() >= self._policy.ratio * self._policy.window

    def _is_limited(self, streak: _Streak, now: float) -> bool:
        if now - streak.last_at >= self._policy.forget_after:
            return False
        return streak.count >= self._policy.limit or self._share_is_high(streak) or now < streak.share_stopped_until

    def may_run(self, source: str, now: float, *, crowded: bool = False) -> int | None:
        """Return how many records of a source may run at a time; None if it is not limited.

        `crowded`: the records of others find no more room in memory, so that none can be held back.
        """
        streak = self._streaks.get(source)
        if streak is None or not self._is_limited(streak, now):
            return None
        return 0 if streak.is_stopped(now) and not crowded else self._policy.running_after

    def problem(self, source: str, role: str, dead_letters: str) -> Problem:
        """Return the problem that says why records of a source wait, and where to look."""
        streak = self._streaks.get(source, _Streak())
        return Problem(
            code="DEAD_LETTER_LIMIT_REACHED",
            sentence=f"{self._count(streak)}{_origin(source)} in {role}: its records wait for"
            f" {self._policy.cool_down:g} s, then those of others go first; look at topic {dead_letters}",
            detail=f"the last one: {streak.last.sentence}" if streak.last else "",
        )

    def warnings(self, now: float) -> dict[str, str]:
        """Return a sentence for each source that is limited, by its printable name."""
        limited = [source for source in self._streaks if self.may_run(source, now) is not None]
        return {printable(source): self._warning(source, now) for source in limited}

    def _warning(self, source: str, now: float) -> str:
        streak = self._streaks[source]
        does = "wait" if streak.is_stopped(now) else "run after those of others"
        last = f"; the last one: {streak.last.sentence}" if streak.last else ""
        return f"{self._count(streak)}: its records {does}{last}"

    def _count(self, streak: _Streak) -> str:
        """Return what is too much, in words."""
        if streak.count >= self._policy.limit:
            return f"{streak.count} dead letters in a row"
        return f"{streak.recent.bit_count()} dead letters among the last {self._policy.window} records"


def printable(source: str) -> str:
    """Return the name of a source as it may be shown to people."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in source[:_SHOWN_NAME_LENGTH])
    return shown + ("…" if len(source) > _SHOWN_NAME_LENGTH else "")


def _origin(source: str) -> str:
    return f" from {printable(source)}" if source else ""
