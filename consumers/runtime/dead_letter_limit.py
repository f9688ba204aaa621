"""Notice when dead letters come in a flood: then something bigger is wrong than single records."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterLimitConfig:
    """How many dead letters in a row stop the work, and for how long."""

    limit: int = 100
    cool_down: float = 60.0  # seconds


class DeadLetterLimit:
    """Count dead letters in a row; after the cool-down one finished record is needed to be trusted again."""

    def __init__(self, policy: DeadLetterLimitConfig) -> None:
        self._policy = policy
        self._in_a_row = 0
        self._shut_until: float | None = None

    @property
    def in_a_row(self) -> int:
        """Dead letters since the last record that was finished."""
        return self._in_a_row

    def stops_work(self, now: float) -> bool:
        """Whether no further record may start."""
        if self._shut_until is not None and now >= self._shut_until:
            self._shut_until = None
        return self._shut_until is not None

    def finished(self) -> None:
        """Take note of a record that went well."""
        self._in_a_row = 0

    def dead_lettered(self, now: float) -> bool:
        """Take note of a dead letter; True if this one stops the work."""
        self._in_a_row += 1
        if self._in_a_row < self._policy.limit or self._shut_until is not None:
            return False
        self._shut_until = now + self._policy.cool_down
        return True

    def problem(self, role: str, dead_letters: str, last: Problem) -> Problem:
        """Tell people where to look."""
        return Problem(
            code="DEAD_LETTER_FLOOD",
            sentence=f"{self._in_a_row} dead letters in a row in {role}:"
            f" work stops for {self._policy.cool_down:g} s; look at topic {dead_letters}",
            detail=f"the last one: {last.sentence}",
        )
