"""Follow the task that cancels a run at its system (TMF653 v5) to its end, in case no event reports it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime  # noqa: TC003 - the run store reads it by its annotations
from typing import TYPE_CHECKING

from router.runs.checks.watch import next_pause

if TYPE_CHECKING:
    from datetime import timedelta

FOLLOWED_WITHIN = 600.0  # seconds in which a cancellation usually ends: the first question comes after 10 of them
MAX_ABSENCES = 3  # answers in a row that the system does not have the task


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowedTask:
    """The id of the task, since when it is followed, and when the system is asked for it next."""

    id: str
    since: datetime
    due: datetime
    absences: int = 0


def follow(task_id: str, at: datetime) -> FollowedTask:
    """Return the task as it is followed from now on."""
    return FollowedTask(id=task_id, since=at, due=at + _pause(at, at))


def after_answer(task: FollowedTask, at: datetime, *, absent: bool) -> FollowedTask:
    """Return the task after an answer that did not show its end; the pauses double, up to an hour."""
    return replace(task, due=at + _pause(task.since, at), absences=task.absences + 1 if absent else 0)


def _pause(since: datetime, at: datetime) -> timedelta:
    return next_pause(since, at, FOLLOWED_WITHIN)
