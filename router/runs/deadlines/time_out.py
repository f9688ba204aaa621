"""Publish that a run is late, and end it when its time is over."""

from __future__ import annotations

from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING

from router.runs.checks.end import end
from router.runs.checks.missing_parts import waits_for
from router.runs.checks.watch import Missing
from router.runs.deadlines import deadline as deadlines
from router.runs.notifications import build as announcements
from router.runs.run import replace
from router.runs.transitions import ACCEPTED_PHASES, Transition
from schemas.results import Reason
from schemas.vocabulary import Phase, Result, RunState, UpdateKind

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.deadlines.deadline import Deadline, TimeLimits
    from router.runs.events import DeadlineReached
    from router.runs.run import RunRow

TIMEOUT = "TIMEOUT"
JEOPARDY = "JEOPARDY"


def is_timed_out(row: RunRow) -> bool:
    """Return whether a run has ended because its time was over."""
    return row.result is Result.TIMED_OUT


def is_cancelled_after_time_out(row: RunRow) -> bool:
    """Return whether a run that has timed out is to be cancelled at its system."""
    return is_timed_out(row) and row.cancel_requested


def is_due(row: RunRow, at: datetime) -> bool:
    """Return whether the next moment of a run's deadline (late, or timed out) has come."""
    return row.deadline is not None and row.phase in ACCEPTED_PHASES and row.deadline.due <= at


def ends(row: RunRow, at: datetime) -> bool:
    """Return whether a run times out now."""
    return (
        is_due(row, at)
        and row.deadline is not None
        and row.deadline.is_set
        and row.deadline.expires <= at
        and not waits_for(row, Missing.MEASURES)
    )


def with_deadline(row: RunRow, at: datetime, limits: TimeLimits) -> RunRow:
    """Return a run at its system with the deadline that fits its state; the time of a pending run does not pass."""
    known = row.deadline
    if known is None or not known.is_set:
        known = deadlines.begin(row.sent or row.requested, at, limits)
    paused = row.state is RunState.PENDING
    deadline = deadlines.pause(known, at, limits) if paused else deadlines.resume(known, at)
    return row if deadline is row.deadline else replace(row, deadline=deadline)


def after_deadline(row: RunRow, run_event: DeadlineReached, at: datetime) -> Transition:
    """Publish jeopardy, or end the run; nothing happens to a run that has ended or whose deadline has moved."""
    deadline, as_of = row.deadline, run_event.as_of
    if deadline is None or not is_due(row, as_of):
        return Transition(row, changed=False)
    if not deadline.is_set:
        return Transition(with_deadline(row, at, run_event.limits))
    if waits_for(row, Missing.MEASURES):  # it has completed, and that wait has an end of its own
        return Transition(replace(row, deadline=None))
    if ends(row, as_of):
        return _time_out(row, deadline, at)
    row = replace(row, deadline=replace_fields(deadline, jeopardy=None))
    reason = Reason(
        code=JEOPARDY,
        message=f"The run was expected to end by {_text(deadline.due)}, and the external system has not reported its "
        f"end: it times out at {_text(deadline.expires)}.",
    )
    return Transition(row, (announcements.build_update(row, UpdateKind.JEOPARDY, (reason,)),))


def _time_out(row: RunRow, deadline: Deadline, at: datetime) -> Transition:
    cause = "it has been pending for too long" if deadline.left is not None else "its time is over"
    reason = Reason(
        code=TIMEOUT,
        message=f"The external system has not reported the end of the run by {_text(deadline.expires)}, and {cause}: "
        "ask its operators. What it reports later is stored and published, and the run stays as it has ended.",
    )
    row = replace(end(row, Phase.FAILED, RunState.FAILED, at, (reason,)), result=Result.TIMED_OUT)
    return Transition(row, (announcements.build_result(row),))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
