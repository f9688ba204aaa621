"""Follow a cancellation that a system has accepted to the end of the run, in case no event reports it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from router.runs.checks.watch import next_pause

FOLLOWED_WITHIN = 600.0  # seconds in which a cancellation usually ends: the first question comes after 10 of them
MAX_ABSENCES = 3  # answers in a row that the system does not have the task


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedTask:
    """The id of the task that cancels a run (TMF653 v5), since when it is followed, and when the system is asked next.

    Without an id the system is asked for the run itself.
    """

    id: str
    since: datetime
    due: datetime
    absences: int = 0


def follow(task_id: str | None, at: datetime) -> FollowedTask:
    """Return the cancellation as it is followed from now on."""
    return FollowedTask(id=task_id or "", since=at, due=at + _pause(at, at))


def after_answer(task: FollowedTask, at: datetime, *, absent: bool, within: float) -> FollowedTask:
    """Return the task after an answer that did not show its end; the pauses double, up to an hour.

    The system is asked once more when `within` seconds are over.
    """
    due, last = at + _pause(task.since, at), task.since + timedelta(seconds=within)
    return replace(task, due=min(due, last) if at < last else due, absences=task.absences + 1 if absent else 0)


def is_overdue(task: FollowedTask, at: datetime, within: float) -> bool:
    """Return whether a cancellation is followed for `within` seconds already."""
    return at >= task.since + timedelta(seconds=within)


def _pause(since: datetime, at: datetime) -> timedelta:
    return next_pause(since, at, FOLLOWED_WITHIN)
