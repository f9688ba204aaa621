"""Another POST is safe only after several answers that the run is absent, and not before the settle time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.checks.doubt import (
    MIN_ABSENT_ANSWERS,
    Doubt,
    after_absent_answer,
    after_failure,
    after_refusal,
    after_unknown_outcome,
    posting,
    wait_until_settled,
)
from schemas.results import Reason
from tests.builders.runs import NOON

SETTLE_TIMES = st.floats(0.1, 3600.0)


@given(SETTLE_TIMES, st.floats(-3600.0, 7200.0), st.integers(0, 20))
def test_it_is_settled_by_enough_answers_and_enough_time(settle: float, passed: float, answers: int) -> None:
    now = NOON + timedelta(seconds=passed)
    wait = wait_until_settled(Doubt(absent_answers=answers, posted_at=NOON), now, settle)
    is_settled = answers >= MIN_ABSENT_ANSWERS and (now - NOON).total_seconds() >= settle
    assert (wait is None) is is_settled
    assert wait is None or 0 < wait <= settle


@given(SETTLE_TIMES)
def test_the_pauses_grow_and_the_fourth_answer_settles_it(settle: float) -> None:
    doubt: Doubt | None = after_unknown_outcome(None, was_accepted=False, posted_at=NOON)
    now, pauses = NOON + timedelta(seconds=0.01), []
    while True:
        doubt = after_absent_answer(doubt, now)
        wait = wait_until_settled(doubt, now, settle)
        if wait is None:
            break
        pauses.append(wait)
        now += timedelta(seconds=wait)
    assert doubt.absent_answers <= MIN_ABSENT_ANSWERS + 1
    assert pauses[:2] == sorted(pauses[:2])


@given(SETTLE_TIMES)
def test_the_settle_time_starts_at_the_first_look_up_after_a_process_that_ended(settle: float) -> None:
    doubt = after_absent_answer(None, NOON)
    assert doubt.posted_at == NOON
    for _ in range(5):
        doubt = after_absent_answer(doubt, NOON + timedelta(seconds=settle * 0.9))
    assert doubt.posted_at == NOON
    assert wait_until_settled(doubt, NOON + timedelta(seconds=settle * 0.9), settle) is not None
    assert wait_until_settled(doubt, NOON + timedelta(seconds=settle + 0.001), settle) is None


def test_another_post_starts_the_settle_time_again() -> None:
    first = after_unknown_outcome(None, was_accepted=False, posted_at=NOON)
    again = posting(first, NOON, "key")
    assert again == Doubt(earlier_post_at=NOON, key="key")
    later = NOON + timedelta(hours=1)
    assert after_absent_answer(again, later).posted_at == later


def test_a_post_has_its_key_and_a_part_of_it_leaves_no_doubt() -> None:
    assert posting(None, None, "key") == Doubt(key="key")
    assert posting(None, None, "") is None
    assert after_unknown_outcome(None, was_accepted=False) is None


def test_the_bytes_are_kept_only_under_their_key() -> None:
    doubt = after_unknown_outcome(None, was_accepted=False, posted_at=NOON, key="key", body="bytes")
    assert posting(doubt, NOON, "key") == Doubt(earlier_post_at=NOON, key="key", body="bytes")
    assert posting(doubt, NOON, "other") == Doubt(earlier_post_at=NOON, key="other")


def test_an_attempt_without_effect_leaves_only_the_doubt_about_the_post_before_it() -> None:
    assert after_failure(Doubt(key="key")) is None
    assert after_failure(None) is None
    assert after_failure(Doubt(key="key", earlier_post_at=NOON)) == Doubt(key="key", earlier_post_at=NOON)


def test_who_redrives_a_run_decides_about_its_body() -> None:
    doubt = Doubt(key="key", body="bytes", absent_answers=2, posted_at=NOON)
    assert after_absent_answer(doubt, NOON, redriven=True) == Doubt(absent_answers=3, posted_at=NOON)


def test_a_second_post_remembers_the_one_before_until_its_own_outcome_is_known() -> None:
    doubt = posting(Doubt(absent_answers=4), NOON, "")
    assert doubt == Doubt(earlier_post_at=NOON)
    assert posting(doubt, None, "") == doubt
    assert after_unknown_outcome(doubt, was_accepted=False) == Doubt(earlier_post_at=NOON)


def test_a_refusal_in_doubt_starts_the_look_ups_again() -> None:
    reasons = (Reason(code="422", message="name exists"),)
    doubt = after_refusal(Doubt(absent_answers=4, earlier_post_at=NOON), reasons)
    assert doubt == Doubt(earlier_post_at=NOON, refusal=reasons)


@pytest.mark.parametrize("doubt", [None, Doubt(absent_answers=2)])
def test_a_success_that_cannot_be_read_is_kept(doubt: Doubt | None) -> None:
    assert after_unknown_outcome(doubt, was_accepted=True) == Doubt(was_accepted=True)
