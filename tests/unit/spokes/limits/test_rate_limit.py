"""A rate limit admits as many calls per second as it says, in order, and a burst after a pause."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.limits.rate_limit import RateLimit


class ManualTime:
    """A clock that stands still except in `sleep`, which notes how long each caller waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.waits.append(round(seconds, 6))


def a_limit(time: ManualTime, rate: float, burst: int = 1) -> RateLimit:
    return RateLimit(rate, burst, time, time.sleep)


async def test_calls_at_the_same_time_are_spread() -> None:
    time = ManualTime()
    limit = a_limit(time, rate=10)
    for _ in range(4):
        await limit.take()
    assert time.waits == [0.1, 0.2, 0.3]  # the first one did not wait


async def test_a_burst_goes_at_once_after_a_pause_and_not_again_before_the_next() -> None:
    time = ManualTime()
    limit = a_limit(time, rate=10, burst=3)
    for _ in range(4):
        await limit.take()
    assert time.waits == [0.1]
    time.now += 0.2
    await limit.take()
    assert time.waits == [0.1]
    time.now += 60
    for _ in range(4):
        await limit.take()
    assert time.waits == [0.1, 0.1]


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60), st.floats(0.5, 20), st.integers(1, 10), st.floats(0.1, 5))
def test_no_window_has_more_calls_than_the_rate_and_one_burst(
    pauses: list[float], rate: float, burst: int, window: float
) -> None:
    time = ManualTime()
    limit, calls = a_limit(time, rate, burst), []

    async def play() -> None:
        for pause in pauses:
            time.now += pause
            time.waits.clear()
            await limit.take()
            calls.append(time.now + sum(time.waits))

    asyncio.run(play())
    assert calls == sorted(calls)
    for first in calls:
        assert sum(first <= call < first + window for call in calls) <= window * rate + burst + 1e-6
