"""The last attempt that a run's row keeps: a person sees why the run waits, and another process counts on from it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the run store reads it by its annotations

from router.responses import Purpose

MAX_MESSAGE_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """An attempt at a command, after which its run waits.

    `number` and `first_at` count the attempts of all processes at `command`, the id of the event; `next_at` is None if
    there is no other attempt. `excluded` attempts and `excluded_seconds` do not count towards the limits of the
    profile, and this attempt does not either if it `is_excluded`. `was_refused`: the system answered the POST as if it
    had not processed it, until an operator acts. `was_answered`: it answered this or an earlier POST of the run so,
    whatever the status.
    """

    number: int
    at: datetime
    next_at: datetime | None
    code: str
    message: str
    was_refused: bool = False
    purpose: Purpose = Purpose.SEND  # `SEND`, `CHANGE` or `CANCEL`: what the command requests
    command: str = ""  # empty if an earlier version of Southbound stored it
    first_at: datetime | None = None
    excluded: int = 0
    excluded_seconds: float = 0.0
    is_excluded: bool = False
    was_answered: bool = False
    follows: str = ""  # the address that is asked instead of repeating a change, which the system accepted for later
    unanswered_at: datetime | None = None  # a change was sent then, by `unanswered`, that the system may still make
    unanswered: str = ""  # the id of that command

    def is_at(self, command: str) -> bool:
        """Return whether another attempt at this command follows, of which this one is an earlier attempt."""
        return self.command == command and self.next_at is not None


def with_unanswered(failed: FailedAttempt, last: FailedAttempt | None, sent_at: datetime | None) -> FailedAttempt:
    """Return an attempt with the last change that was not answered: its own, sent at `sent_at`, or an earlier one."""
    if sent_at is not None:
        return replace(failed, unanswered=failed.command, unanswered_at=sent_at)
    if last is None or last.unanswered_at is None:
        return failed
    return replace(failed, unanswered=last.unanswered, unanswered_at=last.unanswered_at)


def unanswered_before(failed: FailedAttempt | None, command: str) -> datetime | None:
    """Return when another command sent a change that was not answered; None if none did."""
    return failed.unanswered_at if failed is not None and failed.unanswered != command else None


def after_command(failed: FailedAttempt) -> FailedAttempt | None:
    """Return what is kept of the last attempt once its command is done: that a change was not answered."""
    return None if failed.unanswered_at is None else replace(failed, next_at=None, follows="")


def is_worth_storing(last: FailedAttempt | None, failed: FailedAttempt) -> bool:
    """Return whether an attempt is stored of which nothing else is, so that many cost little.

    These are the first one, the attempts 1, 2, 4, 8, … that count towards the limits, and the first of an outage.
    """
    if last is None or last.command != failed.command or last.is_excluded != failed.is_excluded:
        return True
    return failed.number < last.number or (not failed.is_excluded and failed.number >= 2 * last.number)
