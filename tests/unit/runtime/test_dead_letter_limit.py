"""Many dead letters of one source in a row hold back this source for a limited time, and no other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.dead_letter_limit import DeadLetterLimit, DeadLetterLimitConfig
from schemas.problem import Problem

POLICY = DeadLetterLimitConfig(limit=3, cool_down=10.0, running_after=2)
PROBLEM = Problem(code="X", sentence="It did not work.")


def dead_letters(guard: DeadLetterLimit, count: int, source: str = "a", start: float = 1.0) -> list[bool]:
    return [guard.dead_lettered(source, PROBLEM, start + n) for n in range(count)]


def exceeded_limit() -> DeadLetterLimit:
    guard = DeadLetterLimit(POLICY)
    assert dead_letters(guard, 3) == [False, False, True]
    return guard


def test_too_many_dead_letters_stop_their_source_until_the_cool_down_is_over() -> None:
    guard = exceeded_limit()
    assert guard.may_run("a", 12.9) == 0
    assert guard.may_run("a", 13.0) == POLICY.running_after


def test_dead_letters_of_one_source_do_not_stop_another() -> None:
    guard = exceeded_limit()
    assert guard.may_run("b", 4.0) is None
    assert not guard.dead_lettered("b", PROBLEM, 4.0)


def test_good_records_in_between_keep_the_work_going() -> None:
    guard = DeadLetterLimit(POLICY)
    for now in range(20):
        assert not guard.dead_lettered("a", PROBLEM, now)
        guard.finished("a")
    assert guard.may_run("a", 20.0) is None


def test_after_the_cool_down_one_junk_record_a_minute_stops_nothing_again() -> None:
    guard = exceeded_limit()
    assert dead_letters(guard, 20, start=14.0)[:6] == [False] * 6
    assert guard.may_run("a", 14.0 + 6) == POLICY.running_after


def test_a_source_that_goes_on_is_stopped_again_at_ten_times_as_many() -> None:
    guard = DeadLetterLimit(POLICY)
    stopped_at = [n for n in range(1, 4_001) if guard.dead_lettered("a", PROBLEM, 20.0 * n)]
    assert stopped_at == [3, 30, 300, 3_000]


def test_one_good_record_ends_the_limit() -> None:
    guard = exceeded_limit()
    guard.finished("a")
    assert guard.may_run("a", 4.0) is None
    assert not guard.dead_lettered("a", PROBLEM, 14.0)
    assert guard.in_a_row == 1


def test_a_source_without_dead_letters_for_a_while_is_forgotten() -> None:
    guard = exceeded_limit()
    later = 3.0 + POLICY.forget_after
    assert guard.may_run("a", later) is None
    assert not guard.dead_lettered("a", PROBLEM, later)
    assert guard.in_a_row == 1


def test_a_crowded_partition_lets_the_records_of_a_stopped_source_through() -> None:
    assert exceeded_limit().may_run("a", 4.0, crowded=True) == POLICY.running_after


@given(st.lists(st.text(max_size=3), max_size=60))
def test_the_number_of_sources_is_bounded(sources: list[str]) -> None:
    guard = DeadLetterLimit(DeadLetterLimitConfig(limit=1, max_sources=5))
    for now, source in enumerate(sources):
        guard.dead_lettered(source, PROBLEM, now)
    assert len(guard.warnings(len(sources))) <= 5


def test_a_warning_names_the_source_printably_and_why() -> None:
    guard = DeadLetterLimit(POLICY)
    dead_letters(guard, 3, source="/x\x1b[31m" + "y" * 300)
    ((name, sentence),) = guard.warnings(4.0).items()
    assert name.startswith("/x?[31myyy")
    assert len(name) <= 101
    assert sentence == "3 dead letters in a row: its records wait; the last one: It did not work."
    assert "from /x?[31m" in guard.problem("/x\x1b[31m" + "y" * 300, "routing", "dlq").sentence
