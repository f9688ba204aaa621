"""Delays grow, are spread, follow Retry-After, and end after a limited number of attempts or time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.backoff import Backoff, RetryPolicy, next_delay, outage_delay
from router.responses import retry_after_seconds
from tests.builders.runs import NOON

POLICIES = st.builds(
    RetryPolicy,
    initial_interval=st.floats(0.01, 10),
    backoff_coefficient=st.floats(1, 10),
    max_interval=st.floats(0.01, 600),
    max_attempts=st.integers(1, 50),
    max_elapsed=st.floats(0, 10_000),
)
RANDOM_NUMBERS = st.floats(0, 1, exclude_max=True)
ELAPSED = st.floats(0, 20_000)
RETRY_AFTER = st.none() | st.floats(0, 20_000)


def a_policy(
    first: float = 1, factor: float = 2, ceiling: float = 60, attempts: int = 10, elapsed: float = 900
) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=first,
        backoff_coefficient=factor,
        max_interval=ceiling,
        max_attempts=attempts,
        max_elapsed=elapsed,
    )


@given(POLICIES, st.integers(1, 100_000), ELAPSED, RANDOM_NUMBERS, RETRY_AFTER)
def test_a_delay_lies_within_every_bound(
    policy: RetryPolicy, attempt: int, elapsed: float, jitter: float, retry_after: float | None
) -> None:
    delay = next_delay(policy, attempt, elapsed, jitter, retry_after)
    if delay is None:
        return
    assert attempt < policy.max_attempts
    assert elapsed < policy.max_elapsed
    assert min(retry_after or 0, policy.max_elapsed - elapsed) <= delay <= policy.max_elapsed - elapsed
    assert delay <= max(policy.max_interval, (retry_after or 0) + policy.initial_interval)


@given(POLICIES, st.integers(1, 100), ELAPSED, RANDOM_NUMBERS, RETRY_AFTER)
def test_it_gives_up_only_for_the_count_or_for_the_time(
    policy: RetryPolicy, attempt: int, elapsed: float, jitter: float, retry_after: float | None
) -> None:
    spent = attempt >= policy.max_attempts or elapsed >= policy.max_elapsed
    assert (next_delay(policy, attempt, elapsed, jitter, retry_after) is None) is spent


@given(POLICIES, st.integers(1, 100_000), RANDOM_NUMBERS, RETRY_AFTER)
def test_an_outage_is_retried_without_limit(
    policy: RetryPolicy, attempt: int, jitter: float, retry_after: float | None
) -> None:
    longest = max(policy.max_interval, policy.max_elapsed)
    delay = outage_delay(policy, attempt, jitter, retry_after)
    assert min(retry_after or 0, longest) <= delay <= longest


@given(POLICIES, RANDOM_NUMBERS)
def test_every_command_comes_to_an_end(policy: RetryPolicy, jitter: float) -> None:
    attempt, elapsed = 1, 0.0
    while (delay := next_delay(policy, attempt, elapsed, jitter)) is not None:
        attempt, elapsed = attempt + 1, elapsed + delay
    assert attempt <= policy.max_attempts
    assert elapsed <= policy.max_elapsed * 1.000_001


def test_the_maximum_delay_doubles_up_to_the_limit() -> None:
    almost = 1 - 1e-12
    widest = [next_delay(a_policy(), attempt, 0, almost) for attempt in range(1, 9)]
    assert widest == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])


@given(st.integers(1, 9), RANDOM_NUMBERS)
def test_the_jitter_is_full(attempt: int, jitter: float) -> None:
    assert next_delay(a_policy(), attempt, 0, jitter) == pytest.approx(jitter * min(60, 2 ** (attempt - 1)))


def test_delays_after_the_same_retry_after_are_spread() -> None:
    assert next_delay(a_policy(), 1, 0, 0.0, 5) == 5
    assert next_delay(a_policy(), 1, 0, 0.5, 5) == 5.5


def test_a_retry_after_of_an_hour_does_not_end_the_retries() -> None:
    assert next_delay(a_policy(elapsed=1800), 1, 0, 0.5, 3600) == 1800
    assert next_delay(a_policy(elapsed=30), 1, 10, 0.5, 21) == 20
    assert outage_delay(a_policy(elapsed=1800), 1, 0.5, 7 * 86_400) == 1800


def test_a_huge_count_of_attempts_does_not_overflow() -> None:
    assert next_delay(a_policy(attempts=10**9), 10**6, 0, 0.5) == 30


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("1.5", 1.5),
        ("Mon, 23 Nov 2026 12:02:00 GMT", 120),
        ("Monday, 23-Nov-26 12:02:00 GMT", 120),
        ("Mon Nov 23 12:02:00 2026", 120),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        (None, None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("²", None),
        ("9" * 5000, None),
        ("Mon, 99 Nov 2026 12:02:00 GMT", None),
        ("1e999", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOON) == seconds


@given(st.text() | st.from_regex(r"[0-9A-Za-z,: +-]{0,40}"))
def test_any_retry_after_header_is_read_without_an_error(header: str) -> None:
    seconds = retry_after_seconds(header, NOON)
    assert seconds is None or seconds >= 0


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - hypothesis wants naive bounds
    st.integers(-12, 12),
)
def test_a_date_is_a_number_of_seconds_from_now(moment: datetime, hours: int) -> None:
    aware = moment.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
    expected = max(0.0, (aware.astimezone(UTC) - NOON).total_seconds())
    assert retry_after_seconds(format_datetime(aware), NOON) == expected


def test_unlimited_delays_grow_to_their_maximum() -> None:
    backoff = Backoff(initial_interval=0.5, max_interval=30.0)
    assert [backoff.max_delay(n) for n in (1, 2, 3, 10, 10_000)] == [0.5, 1.0, 2.0, 30.0, 30.0]
    assert [backoff.delay(3, jitter) for jitter in (0.0, 0.5)] == [0.0, 1.0]
