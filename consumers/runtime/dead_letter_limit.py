"""Stop the work when too many dead letters come in a row: the cause is then larger than single records."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimitConfig:
    """How many dead letters in a row stop the work, and for how long."""

    limit: int = 100
    cool_down: float = 60.0  # seconds


class DeadLetterLimit:
    """Counts dead letters in a row; after the cool-down, one finished record resets the count."""

    def __init__(self, policy: DeadLetterLimitConfig) -> None:
        self._policy = policy
        self._in_a_row = 0
        self._shut_until: float | None = None

    @property
    def in_a_row(self) -> int:
        """The number of dead letters since the last record that was finished."""
        return self._in_a_row

    def stops_work(self, now: float) -> bool:
        """Return whether no further record may start."""
        if self._shut_until is not None and now >= self._shut_until:
            self._shut_until = None
        return self._shut_until is not None

    def finished(self) -> None:
        """Note that a record was finished."""
        self._in_a_row = 0

    def dead_lettered(self, now: float) -> bool:
        """Note a dead letter; return True if this one stops the work."""
        self._in_a_row += 1
        if self._in_a_row < self._policy.limit or self._shut_until is not None:
            return False
        self._shut_until = now + self._policy.cool_down
        return True

    def problem(self, role: str, dead_letters: str, last: Problem) -> Problem:
        """Return the problem that says why the work stopped and where to look."""
        return Problem(
            code="DEAD_LETTER_LIMIT_REACHED",
            sentence=f"{self._in_a_row} dead letters in a row in {role}:"
            f" work stops for {self._policy.cool_down:g} s; look at topic {dead_letters}",
            detail=f"the last one: {last.sentence}",
        )
