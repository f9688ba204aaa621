"""Many dead letters of one source in a row hold back this source for a limited time, and no other."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.dead_letter_limit import DeadLetterLimit, DeadLetterLimitConfig
from schemas.problem import Problem

POLICY = DeadLetterLimitConfig(limit=3, cool_down=10.0, running_after=2)
POLICY_OF_DEFAULTS = DeadLetterLimitConfig()
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


def alternate(guard: DeadLetterLimit, pattern: str, start: float = 1.0) -> list[int]:
    """Count records in turn, `x` for a dead letter; return after how many of them the source was stopped."""
    stops = []
    for n, kind in enumerate(pattern, 1):
        if kind == "x" and guard.dead_lettered("a", PROBLEM, start + n / 1_000):
            stops.append(n)
        if kind != "x":
            guard.finished("a")
    return stops


def test_a_flood_with_good_records_in_between_is_stopped_by_its_share() -> None:
    guard = DeadLetterLimit(DeadLetterLimitConfig(limit=100))
    assert alternate(guard, "xxx." * 60) == [133]  # the hundredth dead letter
    assert guard.may_run("a", 2.0) == 0
    assert guard.may_run("a", 20.0) == POLICY_OF_DEFAULTS.running_after
    ((_, sentence),) = guard.warnings(2.0).items()
    assert sentence.startswith("150 dead letters among the last 200 records: its records wait")


def test_a_share_below_the_limit_stops_nothing() -> None:
    guard = DeadLetterLimit(POLICY_OF_DEFAULTS)
    assert alternate(guard, "x.." * 1_000) == []
    assert guard.may_run("a", 5.0) is None


def test_a_source_whose_share_stays_high_is_stopped_again_at_ten_times_as_many() -> None:
    guard = DeadLetterLimit(replace(POLICY_OF_DEFAULTS, cool_down=0.0))
    stops = alternate(guard, "xxx." * 5_000)
    assert stops == [133, 1_333, 13_333]


def test_a_source_that_recovers_is_not_limited_any_more() -> None:
    guard = DeadLetterLimit(POLICY_OF_DEFAULTS)
    alternate(guard, "xxx." * 60)
    for _ in range(200):
        guard.finished("a")
    assert guard.may_run("a", 2.0) is None
    assert not guard.counts_any


@given(st.lists(st.booleans(), max_size=500))
def test_a_source_is_limited_exactly_while_its_run_or_its_share_is_too_high(ends: list[bool]) -> None:
    policy = DeadLetterLimitConfig(limit=7, ratio=0.5, window=20, cool_down=0.0)
    guard = DeadLetterLimit(policy)
    for n, dead in enumerate(ends, 1):
        if dead:
            guard.dead_lettered("a", PROBLEM, 1.0)
        else:
            guard.finished("a")
        in_a_row = next((i for i, one in enumerate(reversed(ends[:n])) if not one), n)
        limited = in_a_row >= policy.limit or sum(ends[max(0, n - policy.window) : n]) >= 10
        assert (guard.may_run("a", 1.0) is not None) == limited
