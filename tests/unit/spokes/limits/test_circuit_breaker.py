"""A breaker opens on failures that concern every call, and one call at a time finds out whether the system is back."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.limits.circuit_breaker import (
    MAX_PAUSE_OF_SYSTEM,
    BreakerPolicy,
    Breakers,
    BreakerState,
    CallFailure,
    CircuitBreaker,
)
from tests.builders.runs import NOON
from tests.harness.gateway import ManualClock

POLICY = BreakerPolicy(failures=3, pause=1.0, max_pause=8.0)
DOWN = CallFailure(sentence="connection refused", subject="TR1", unreachable=True)


def a_breaker(clock: ManualClock, random: float = 0.999) -> CircuitBreaker:
    return CircuitBreaker(POLICY, clock, lambda: random)


def an_open_breaker(clock: ManualClock, failure: CallFailure = DOWN) -> CircuitBreaker:
    breaker = a_breaker(clock)
    for _ in range(POLICY.failures):
        breaker.failed(failure)
    assert breaker.state is BreakerState.OPEN
    return breaker


def turned_away(subject: str, **others: object) -> CallFailure:
    return CallFailure(sentence="503", subject=subject, **others)  # type: ignore[arg-type] # fields of a failure


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_it_opens_after_failures_in_a_row_and_then_admits_no_call(clock: ManualClock) -> None:
    breaker = a_breaker(clock)
    breaker.failed(DOWN)
    breaker.failed(DOWN)
    breaker.processed()
    breaker.failed(DOWN)
    breaker.failed(DOWN)
    assert breaker.admits_call()
    breaker.failed(DOWN)
    assert (breaker.state, breaker.is_shut(), breaker.reason) == (BreakerState.OPEN, True, "connection refused")
    assert not breaker.admits_call()
    assert not breaker.admits_record()


def test_after_the_pause_one_call_finds_out_and_the_next_waits(clock: ManualClock) -> None:
    breaker = an_open_breaker(clock)
    clock.at += timedelta(seconds=1)
    assert breaker.admits_record()
    assert not breaker.admits_record()
    assert breaker.admits_call()
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.admits_call()
    breaker.processed()
    assert not breaker.is_shut()
    assert breaker.admits_call()
    assert breaker.admits_record()
    assert breaker.seconds_left() == 0


def test_it_says_why_no_call_is_made_and_when_the_next_one_is(clock: ManualClock) -> None:
    assert a_breaker(clock).shut_reason() is None
    assert an_open_breaker(clock).shut_reason() == (
        "the circuit breaker is open since 2026-11-23 12:00:00 UTC: the system processed none of the last calls"
        " (connection refused). The next call is made in 1 s; when it is processed, all go"
    )


def test_pauses_double_up_to_the_longest(clock: ManualClock) -> None:
    breaker, pauses = an_open_breaker(clock), []
    for _ in range(6):
        pauses.append(round(breaker.seconds_left()))
        clock.at += timedelta(seconds=breaker.seconds_left())
        assert breaker.admits_call()
        breaker.failed(DOWN)
    assert pauses == [1, 2, 4, 8, 8, 8]
    breaker.processed()
    for _ in range(POLICY.failures):
        breaker.failed(DOWN)
    assert round(breaker.seconds_left()) == 1


def test_a_record_that_makes_no_call_uses_up_one_pause_and_not_the_probe(clock: ManualClock) -> None:
    breaker = an_open_breaker(clock)
    clock.at += timedelta(seconds=1)
    assert breaker.admits_record()  # it was cancelled meanwhile, say, and needs no call
    clock.at += timedelta(seconds=1)
    assert breaker.admits_record()
    assert breaker.admits_call()


def test_a_probe_that_makes_no_call_after_all_is_repeated(clock: ManualClock) -> None:
    breaker = an_open_breaker(clock)
    clock.at += timedelta(seconds=1)
    assert breaker.admits_call()
    clock.at += timedelta(seconds=1)
    assert breaker.admits_call()


def test_a_system_says_how_long_it_is_left_alone_but_not_for_a_week(clock: ManualClock) -> None:
    breaker = a_breaker(clock)
    for number in range(POLICY.failures):
        breaker.failed(turned_away(f"TR{number}", retry_after=120.0))
    assert round(breaker.seconds_left()) == 120
    clock.at += timedelta(seconds=120)
    assert breaker.admits_call()
    breaker.failed(turned_away("TR9", retry_after=7 * 86_400.0))
    assert round(breaker.seconds_left()) == MAX_PAUSE_OF_SYSTEM


def test_one_run_that_alone_is_turned_away_stops_nobody(clock: ManualClock) -> None:
    breaker = a_breaker(clock)
    for _ in range(10 * POLICY.failures):
        breaker.failed(turned_away("TR1"))
    assert breaker.admits_call()
    breaker.failed(turned_away("TR2"))
    assert not breaker.admits_call()


def test_a_system_that_limits_its_rate_is_left_alone_only_if_it_processes_nothing_for_long(clock: ManualClock) -> None:
    breaker = a_breaker(clock)
    for number in range(100):
        breaker.failed(turned_away(f"TR{number}", rate_limited=True))
    assert breaker.admits_call()
    clock.at += timedelta(seconds=10)
    breaker.failed(turned_away("TR100", rate_limited=True))
    assert not breaker.admits_call()


def test_a_clock_that_is_set_back_holds_no_call_for_ever(clock: ManualClock) -> None:
    breaker = an_open_breaker(clock)
    clock.at -= timedelta(days=1)
    assert breaker.admits_call()


def test_a_late_response_to_a_call_before_closes_the_breaker(clock: ManualClock) -> None:
    breaker = an_open_breaker(clock)
    breaker.processed()
    assert breaker.admits_call()


def test_a_system_in_maintenance_is_still_read(clock: ManualClock) -> None:
    breakers = Breakers({"lab": POLICY}, clock, lambda: 0.0).of("lab")
    for number in range(POLICY.failures):
        breakers.failed(turned_away(f"TR{number}"), writes=True)
    assert not breakers.writes.admits_call()
    assert breakers.reads.admits_call()
    breakers.processed(writes=False)
    assert not breakers.writes.admits_call()
    breakers.processed(writes=True)
    assert breakers.writes.admits_call()


def test_a_system_that_cannot_be_reached_is_down_for_every_call(clock: ManualClock) -> None:
    breakers = Breakers({"lab": POLICY}, clock, lambda: 0.0).of("lab")
    for _ in range(POLICY.failures):
        breakers.failed(DOWN, writes=True)
    assert not breakers.writes.admits_call()
    assert not breakers.reads.admits_call()


@given(
    st.lists(
        st.one_of(
            st.just("call"),
            st.just("processed"),
            st.just("failed"),
            st.floats(0, 20).filter(lambda seconds: seconds > 0),
        ),
        max_size=200,
    ),
    st.floats(0, 0.999),
)
def test_while_it_is_open_calls_are_as_far_apart_as_the_pause(events: list[str | float], random: float) -> None:
    clock, calls = ManualClock(), []
    breaker = a_breaker(clock, random)
    for event in events:
        if event == "call" and breaker.admits_call() and breaker.is_shut():
            calls.append(clock.at)
        elif event == "processed":
            breaker.processed()
            calls.clear()
        elif event == "failed":
            breaker.failed(DOWN)
        elif isinstance(event, float):
            clock.at += timedelta(seconds=event)
        assert (breaker.opened_at is None) is (breaker.state is BreakerState.CLOSED)
    gaps = [later - earlier for earlier, later in itertools.pairwise(calls)]
    assert all(gap >= timedelta(seconds=POLICY.pause / 2) for gap in gaps)
    assert clock.at >= NOON


def test_opening_and_closing_is_told_once_each(clock: ManualClock) -> None:
    changes: list[tuple[str, str, str]] = []
    breakers = Breakers({"lab": POLICY}, clock, lambda: 0.0, lambda *seen: changes.append((*seen[:2], seen[2].reason)))
    for number in range(POLICY.failures):
        breakers.of("lab").failed(turned_away(f"TR{number}"), writes=True)
    clock.at += timedelta(seconds=1)
    assert breakers.of("lab").writes.admits_call()
    breakers.of("lab").failed(turned_away("TR9"), writes=True)
    breakers.of("lab").processed(writes=True)
    breakers.of("lab").processed(writes=True)
    assert changes == [("lab", "writes", "503"), ("lab", "writes", "")]
