"""The number of calls at once follows what a system bears."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.limits import slot_limit
from consumers.spokes.limits.adaptive_limit import AdaptiveLimit
from consumers.spokes.limits.slot_limit import CallKind, SlotLimit

MOST = 32


class AdaptiveHarness:
    """A limit, and calls that end one after the other."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slots = SlotLimit(MOST)
        self.adaptive = AdaptiveLimit(self.slots, MOST, lambda: self.now)

    def end(self, status: int | None, seconds: float = 0.1) -> int:
        """End a call that took so long; return the size from then on."""
        began = self.now
        self.now += seconds
        self.adaptive.ended(began, status)
        return self.adaptive.size


@pytest.mark.parametrize("status", [429, 503, None])
def test_it_is_halved_when_the_system_does_not_keep_up(status: int | None) -> None:
    harness = AdaptiveHarness()
    assert [harness.end(status) for _ in range(6)] == [16, 8, 4, 2, 1, 1]


def test_calls_that_were_made_together_halve_it_once() -> None:
    harness = AdaptiveHarness()
    harness.now = 1.0
    for _ in range(MOST):
        harness.adaptive.ended(0.0, 503)
    assert harness.adaptive.size == MOST // 2


def test_it_grows_while_the_system_keeps_up() -> None:
    harness = AdaptiveHarness()
    for _ in range(3):
        harness.end(503)
    sizes = [harness.end(201) for _ in range(2_000)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (4, MOST)


def test_responses_that_become_three_times_slower_halve_it() -> None:
    harness = AdaptiveHarness()
    for _ in range(10):
        harness.end(201, 0.1)
    assert harness.end(201, 0.25) == MOST
    assert harness.end(201, 1.0) == MOST // 2


def test_a_system_that_has_become_slower_for_good_is_used_again() -> None:
    harness = AdaptiveHarness()
    harness.end(201, 0.1)
    sizes = [harness.end(201, 1.0) for _ in range(3_000)]
    assert min(sizes) < MOST
    assert sizes[-1] == MOST


@given(st.lists(st.tuples(st.sampled_from([200, 429, 503, None]), st.floats(0, 30)), max_size=200))
def test_it_stays_between_one_and_most(calls: list[tuple[int | None, float]]) -> None:
    harness = AdaptiveHarness()
    assert all(1 <= harness.end(status, seconds) <= MOST for status, seconds in calls)


@given(st.lists(st.one_of(st.integers(1, 40), st.just("enter"), st.just("leave")), max_size=120))
def test_no_more_calls_are_admitted_than_the_size_and_none_is_forgotten(events: list[int | str]) -> None:
    async def play() -> None:
        limit, size, entered = SlotLimit(8), 8, 0
        under_way: list[asyncio.Task[None]] = []
        leave = asyncio.Semaphore(0)

        async def call() -> None:
            nonlocal entered
            async with limit.share_of(CallKind.WRITE):
                entered += 1
                await leave.acquire()
            entered -= 1

        for event in events:
            if isinstance(event, int):
                grown, size = event > size, event
                limit.resize(size)
                before = entered
            elif event == "enter":
                under_way.append(asyncio.create_task(call()))
                grown, before = True, entered
            else:
                leave.release()
                grown, before = True, entered
            for _ in range(6):  # slots that are granted together, and the calls that enter
                await asyncio.sleep(0)
            assert entered <= max(size, before)
            assert grown or entered <= before
        limit.resize(40)
        for _ in under_way:
            leave.release()
        async with asyncio.timeout(10):
            await asyncio.gather(*under_way)

    with patch.object(slot_limit, "GRANT_DELAY", 0):
        asyncio.run(play())
