"""Checks of a run come with growing pauses, the last one when the time is over, and never an hour late."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from router.runs.checks.watch import MAX_PAUSE, Missing, after_check, begin, is_over
from tests.builders.runs import NOON

SECONDS = st.floats(0.001, 200_000, allow_nan=False)


@given(SECONDS, st.lists(st.booleans(), min_size=1, max_size=200))
def test_the_checks_end_soon_after_the_time_and_are_few(within: float, answers: list[bool]) -> None:
    watch = begin(Missing.RUN, NOON, within)
    checks, before = 1, NOON
    while not is_over(watch, watch.due, within):
        assert 0 < (watch.due - before).total_seconds() <= MAX_PAUSE + 1
        before = watch.due
        watch = after_check(watch, watch.due, within, answered=answers[checks % len(answers)])
        checks += 1
    assert checks <= 8 + within / MAX_PAUSE
    assert (watch.due - NOON).total_seconds() <= within + 2


@given(SECONDS, st.integers(1, 50))
def test_checks_after_the_time_are_still_spaced(within: float, times: int) -> None:
    at = NOON + timedelta(seconds=within + 1)
    watch = begin(Missing.RETURN, NOON, within)
    for _ in range(times):
        watch = after_check(watch, at, within, answered=False)
        assert timedelta(seconds=1) <= watch.due - at <= timedelta(seconds=MAX_PAUSE)
        at = watch.due


@given(st.integers(-10_000, 0))
def test_a_clock_that_was_set_back_does_not_stop_the_checks(seconds: int) -> None:
    watch = begin(Missing.MEASURES, NOON, 30)
    later = NOON + timedelta(seconds=seconds)
    assert after_check(watch, later, 30, answered=True).due - later <= timedelta(seconds=30)
