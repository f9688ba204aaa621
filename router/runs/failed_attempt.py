"""The last attempt that a run's row keeps, so that a person sees why the run waits, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the run store reads it by its annotations

MAX_MESSAGE_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An attempt to send a run, or to look it up, after which it waits.

    `number` counts the attempts of the process that has the run; `next_at` is None if there is no other attempt.
    `was_refused`: the system answered the POST as if it had not processed it, until an operator acts.
    """

    number: int
    at: datetime
    next_at: datetime | None
    code: str
    message: str
    was_refused: bool = False


def is_worth_storing(last: FailedAttempt | None, number: int) -> bool:
    """Return whether an attempt is stored of which nothing else is: 1, 2, 4, 8, …, so that many cost little."""
    return last is None or number < last.number or number >= 2 * last.number
