"""Many dead letters in a row stop the work for a limited time."""

from __future__ import annotations

from consumers.runtime.dead_letter_limit import DeadLetterLimit, DeadLetterLimitConfig

POLICY = DeadLetterLimitConfig(limit=3, cool_down=10.0)


def exceeded_limit() -> DeadLetterLimit:
    guard = DeadLetterLimit(POLICY)
    assert [guard.dead_lettered(now) for now in (1.0, 2.0, 3.0)] == [False, False, True]
    return guard


def test_too_many_dead_letters_stop_the_work_until_the_cool_down_is_over() -> None:
    guard = exceeded_limit()
    assert guard.stops_work(12.9)
    assert not guard.stops_work(13.0)


def test_good_records_in_between_keep_the_work_going() -> None:
    guard = DeadLetterLimit(POLICY)
    for now in range(20):
        assert not guard.dead_lettered(now)
        guard.finished()
    assert not guard.stops_work(20.0)


def test_after_the_cool_down_one_more_dead_letter_stops_work_again() -> None:
    guard = exceeded_limit()
    assert not guard.stops_work(13.0)
    assert guard.dead_lettered(14.0)
    assert guard.stops_work(23.9)


def test_after_the_cool_down_one_good_record_ends_the_alarm() -> None:
    guard = exceeded_limit()
    assert not guard.stops_work(13.0)
    guard.finished()
    assert not guard.dead_lettered(14.0)
    assert guard.in_a_row == 1
