"""A system gets no more calls at once than its limit, in order, and no slot is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes import slot_limit
from consumers.spokes.slot_limit import SlotLimit

if TYPE_CHECKING:
    import pytest

LIMITS = st.integers(1, 20)


async def most_at_once(limit: SlotLimit, callers: int, order: list[int]) -> int:
    inside, most = 0, 0

    async def call(number: int) -> None:
        nonlocal inside, most
        async with limit:
            order.append(number)
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    await asyncio.gather(*map(call, range(callers)))
    return most


@given(LIMITS, st.integers(0, 60))
def test_callers_enter_in_order_and_never_more_than_the_limit(size: int, callers: int) -> None:
    order: list[int] = []
    most = asyncio.run(most_at_once(SlotLimit(size), callers, order))
    assert most == min(size, callers)
    assert order == [*range(callers)]


@given(LIMITS, st.lists(st.integers(0, 39), max_size=40))
def test_a_cancelled_caller_takes_no_slot_with_it(size: int, cancelled: list[int]) -> None:
    async def play() -> int:
        limit, leave = SlotLimit(size), asyncio.Event()

        async def call() -> None:
            async with limit:
                await leave.wait()

        tasks = [asyncio.create_task(call()) for _ in range(40)]
        await asyncio.sleep(0)
        for number in cancelled:
            tasks[number].cancel()
            await asyncio.sleep(0)
        leave.set()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
        return await most_at_once(limit, size + 1, [])

    assert asyncio.run(play()) == size


async def test_free_slots_are_granted_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_limit, "GRANT_DELAY", 60.0)
    limit, groups = SlotLimit(16), []
    doors = [asyncio.Event() for _ in range(16)]
    entered = 0

    async def first(door: asyncio.Event) -> None:
        async with limit:
            await door.wait()

    async def second() -> None:
        nonlocal entered
        async with limit:
            entered += 1

    holders = [asyncio.create_task(first(door)) for door in doors]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(second()) for _ in range(8)]
    await asyncio.sleep(0)
    for door in doors[:4]:
        groups.append(entered)
        door.set()
        for _ in range(3):
            await asyncio.sleep(0)
    assert groups == [0, 0, 0, 0]
    for door in doors[4:]:
        door.set()
    await asyncio.gather(*holders, *waiting)
    assert entered == 8
