"""The deadline of a run follows from its document, its profile and the clock, and from nothing else."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.deadlines.deadline import Deadline, TimeLimits, after_change, begin, pause, resume, seconds_of
from router.runs.events import Accepted, CancelRequested, ChangeAccepted, DeadlineReached, Reported
from router.runs.reports.report import ExternalMeasure, ExternalReport
from schemas.results import RunResult, RunUpdate
from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from tests.builders.runs import NOON, a_document, a_run

LIMITS = TimeLimits(expected=60, time_out=600, pending=3_600)
A_SECOND = timedelta(seconds=1)
seconds = st.none() | st.integers(1, 2**63 - 1)
moments = st.none() | st.datetimes(timezones=st.just(NOON.tzinfo))


@pytest.mark.parametrize(
    ("own", "own_time_out", "limits", "expected"),
    [
        (None, None, LIMITS, (60, 600)),
        (30, None, LIMITS, (30, 600)),
        (None, 90, LIMITS, (60, 90)),
        (None, 60, LIMITS, (30, 60)),  # the time-out is more specific than what the profile expects
        (30, 90, LIMITS, (30, 90)),
        (700, None, LIMITS, (700, 1_400)),  # longer than the time-out of the profile
        (700, 600, LIMITS, (300, 600)),
        (0, None, LIMITS, (60, 600)),
        (None, None, TimeLimits(time_out=600), (300, 600)),
    ],
)
def test_the_most_specific_duration_wins(
    own: int | None, own_time_out: int | None, limits: TimeLimits, expected: tuple[float, float]
) -> None:
    assert seconds_of(a_document(expected_duration=own, time_out=own_time_out), limits) == expected


@given(seconds, seconds, moments, moments, st.floats(1, 1e8).map(partial(round, ndigits=3)))
def test_every_run_has_a_deadline_after_its_jeopardy_whatever_it_says(
    own: int | None, time_out: int | None, start: object, end: object, of_profile: float
) -> None:
    document = a_document(expected_duration=own, time_out=time_out, start_date_time=start, end_date_time=end)
    deadline = begin(document, NOON, TimeLimits(time_out=of_profile))
    assert deadline.jeopardy is not None
    assert NOON < deadline.jeopardy < deadline.expires
    assert deadline.due == deadline.jeopardy


def test_the_time_of_a_run_begins_with_its_planned_start_and_ends_after_its_planned_end() -> None:
    hour = timedelta(hours=1)
    planned = begin(a_document(start_date_time=NOON + hour), NOON, LIMITS)
    assert planned.expires == NOON + hour + timedelta(seconds=600)
    planned = begin(a_document(end_date_time=NOON + hour), NOON, LIMITS)
    assert (planned.jeopardy, planned.expires) == (NOON + hour, NOON + hour + timedelta(seconds=540))


@given(st.integers(0, 500), st.integers(0, 10**6))
def test_the_time_of_a_pending_run_does_not_pass(before: int, pending: int) -> None:
    begun = begin(a_document(), NOON, LIMITS)
    paused_at = NOON + timedelta(seconds=before)
    paused = pause(begun, paused_at, LIMITS)
    assert paused.due == paused_at + timedelta(seconds=3_600)
    assert pause(paused, paused_at + A_SECOND, LIMITS) is paused
    resumed = resume(paused, paused_at + timedelta(seconds=pending))
    assert resumed.expires == begun.expires + timedelta(seconds=pending)
    assert resume(resumed, NOON) is resumed


def test_a_change_moves_the_deadline_only_if_it_is_about_time() -> None:
    begun = begin(a_document(), NOON, LIMITS)
    assert after_change(begun, a_document(), a_document(name="other"), NOON, LIMITS) is begun
    longer = after_change(begun, a_document(), a_document(time_out=6_000), NOON, LIMITS)
    assert longer.expires == NOON + timedelta(seconds=6_000)
    paused = pause(begun, NOON, LIMITS)
    assert after_change(paused, a_document(), a_document(time_out=6_000), NOON, LIMITS).left == 6_000


def test_fault_a_pending_run_whose_time_was_changed_was_never_late_again() -> None:
    paused = pause(begin(a_document(), NOON, LIMITS), NOON, LIMITS)
    changed = after_change(paused, a_document(), a_document(time_out=6_000), NOON, LIMITS)
    later = NOON + timedelta(hours=1)
    assert resume(changed, later) == Deadline(
        expires=later + timedelta(seconds=6_000), jeopardy=later + timedelta(seconds=60)
    )


def test_an_accepted_run_has_its_deadline_in_the_same_row() -> None:
    accepted = Accepted(external_id="ext-1", href=None, document=a_document(), limits=LIMITS)
    row = advance(a_run(phase=Phase.SENDING), (accepted,), NOON).row
    assert row.deadline == Deadline(expires=NOON + timedelta(seconds=600), jeopardy=NOON + timedelta(seconds=60))
    changed = ChangeAccepted(document=a_document(version=2, time_out=900), limits=LIMITS)
    moved = advance(row, (changed,), NOON).row.deadline
    assert moved is not None
    assert moved.expires == NOON + timedelta(seconds=900)


@given(st.sampled_from([Phase.ACCEPTED, Phase.IN_PROGRESS]), st.integers(0, 1_200))
def test_a_run_is_late_once_and_then_times_out_at_its_deadline_and_not_before(phase: Phase, after: int) -> None:
    at = NOON + timedelta(seconds=after)
    row = a_run(phase=phase, deadline=begin(a_document(), NOON, LIMITS))
    first = advance(row, (DeadlineReached(as_of=at),), at)
    told = [each.kind if isinstance(each, RunUpdate) else each.result for each in first.notifications]
    assert told == ([] if after < 60 else [UpdateKind.JEOPARDY] if after < 600 else [Result.TIMED_OUT])
    assert first.changed == bool(told)
    assert first.row.deadline is None or first.row.deadline.due > at
    assert not advance(first.row, (DeadlineReached(as_of=at),), at).changed


def test_a_run_that_has_timed_out_has_failed_with_the_reason() -> None:
    row = a_run(phase=Phase.IN_PROGRESS, deadline=Deadline(expires=NOON))
    step = advance(row, (CancelRequested(), DeadlineReached(as_of=NOON)), NOON)
    assert (step.row.phase, step.row.state, step.row.result) == (Phase.FAILED, RunState.FAILED, Result.TIMED_OUT)
    assert [reason.code for reason in step.row.reasons] == ["TIMEOUT"]
    assert step.row.cancel_requested
    (result,) = step.notifications
    assert isinstance(result, RunResult)


def _late(row_state: str, *, value: float | None = None) -> Reported:
    measures = () if value is None else (ExternalMeasure(id="TM1", value=value, has_value=True),)
    report = ExternalReport(external_id="ext-TR0001", state=RunState(row_state), raw_state=row_state, measures=measures)
    return Reported(report_id=f"late-{row_state}", report=report)


def test_a_late_result_is_stored_published_and_flagged_and_the_end_stays() -> None:
    row = a_run(phase=Phase.IN_PROGRESS, document=a_document(measures=("TM1",)), deadline=Deadline(expires=NOON))
    ended = advance(row, (DeadlineReached(as_of=NOON),), NOON).row
    step = advance(ended, (_late("completed", value=9.5),), NOON)
    update, result = step.notifications
    assert isinstance(update, RunUpdate)
    assert update.kind is UpdateKind.STALE
    assert {reason.code for reason in update.reasons} == {"LATE_MEASURES", "STALE_REPORT"}
    assert isinstance(result, RunResult)
    assert (result.state, result.result) == (RunState.FAILED, Result.TIMED_OUT)
    assert [measure.value for measure in result.test_measure] == [9.5]
    assert step.row.finished_at == ended.finished_at


def test_the_cancellation_of_a_run_that_timed_out_is_no_stale_report() -> None:
    row = a_run(phase=Phase.IN_PROGRESS, deadline=Deadline(expires=NOON))
    ended = advance(row, (CancelRequested(), DeadlineReached(as_of=NOON)), NOON).row
    assert advance(ended, (_late("cancelled"),), NOON).notifications == ()
    assert advance(ended, (_late("failed"),), NOON).notifications != ()


def test_a_pending_run_waits_and_times_out_when_it_was_pending_for_too_long() -> None:
    row = a_run(phase=Phase.ACCEPTED, deadline=begin(a_document(), NOON, LIMITS))
    pending = ExternalReport(external_id="ext-TR0001", state=RunState.PENDING, raw_state="pending")
    row = advance(row, (Reported(report_id="p", report=pending, limits=LIMITS),), NOON).row
    at = NOON + timedelta(seconds=3_599)
    assert not advance(row, (DeadlineReached(as_of=at),), at).changed
    at += A_SECOND
    assert advance(row, (DeadlineReached(as_of=at),), at).row.result is Result.TIMED_OUT
    going = ExternalReport(external_id="ext-TR0001", state=RunState.IN_PROGRESS, raw_state="inProgress")
    resumed = advance(row, (Reported(report_id="g", report=going, limits=LIMITS),), at).row.deadline
    assert resumed is not None
    assert resumed.expires == at + timedelta(seconds=600)


def test_a_run_of_an_earlier_version_gets_the_time_of_its_profile_from_now_on() -> None:
    row = a_run(phase=Phase.ACCEPTED, deadline=Deadline(expires=NOON, is_set=False))
    at = NOON + timedelta(days=3)
    step = advance(row, (DeadlineReached(as_of=at, limits=LIMITS),), at)
    assert step.notifications == ()
    assert step.row.deadline == begin(a_document(), at, LIMITS)
