"""A system gets no more calls at once than its limit, in order, and no slot is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.spokes.limits import slot_limit
from consumers.spokes.limits.slot_limit import CallKind, SlotLimit

WRITE = CallKind.WRITE
LIMITS = st.integers(1, 20)


async def most_at_once(limit: SlotLimit, callers: int, order: list[int]) -> int:
    inside, most = 0, 0

    async def call(number: int) -> None:
        nonlocal inside, most
        async with limit.share_of(WRITE):
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
            async with limit.share_of(WRITE):
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
        async with limit.share_of(WRITE):
            await door.wait()

    async def second() -> None:
        nonlocal entered
        async with limit.share_of(WRITE):
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


class Callers:
    """Calls of several kinds at one limit; each holds its slot until it is released."""

    def __init__(self, size: int) -> None:
        self.limit = SlotLimit(size)
        self.entered: list[CallKind] = []
        self.doors: dict[CallKind, list[asyncio.Event]] = {kind: [] for kind in CallKind}
        self.tasks: set[asyncio.Task[None]] = set()

    async def _call(self, kind: CallKind) -> None:
        async with self.limit.share_of(kind):
            self.entered.append(kind)
            door = asyncio.Event()
            self.doors[kind].append(door)
            await door.wait()

    async def start(self, kind: CallKind, count: int = 1) -> None:
        """Start calls, and let those begin that may."""
        self.tasks |= {asyncio.create_task(self._call(kind)) for _ in range(count)}
        await self.settle()

    async def end(self, kind: CallKind) -> None:
        """End one call of this kind."""
        self.doors[kind].pop(0).set()
        await self.settle()

    async def settle(self) -> None:
        """Let everything run that can."""
        for _ in range(5):
            await asyncio.sleep(0)

    def under_way(self, kind: CallKind) -> int:
        """Return how many calls of this kind are under way."""
        return len(self.doors[kind])

    async def end_all(self) -> None:
        """End every call that began or will begin."""
        async with asyncio.timeout(10):
            while not all(task.done() for task in self.tasks):
                for kind in CallKind:
                    while self.doors[kind]:
                        self.doors[kind].pop(0).set()
                await self.settle()


@pytest.fixture(name="at_once")
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot_limit, "_MAX_GROUPS", 1_000)  # groups of one


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("hanging", [CallKind.READ, CallKind.LOOK_UP, CallKind.POLL])
async def test_calls_of_another_kind_that_hang_leave_slots_to_posts(hanging: CallKind) -> None:
    callers = Callers(32)
    await callers.start(hanging, 500)
    await callers.start(WRITE, 8)
    assert callers.under_way(WRITE) == 8
    await callers.end_all()


@pytest.mark.usefixtures("at_once")
async def test_all_kinds_that_hang_together_leave_slots_to_posts() -> None:
    callers = Callers(32)
    for kind in (CallKind.POLL, CallKind.READ, CallKind.LOOK_UP):
        await callers.start(kind, 500)
    await callers.start(WRITE, 8)
    assert callers.under_way(WRITE) == 8
    await callers.end_all()


@pytest.mark.usefixtures("at_once")
async def test_posts_may_use_every_slot_and_leave_the_next_free_ones_to_reads() -> None:
    callers = Callers(8)
    await callers.start(WRITE, 100)
    assert callers.under_way(WRITE) == 8
    await callers.start(CallKind.READ, 3)
    await callers.end(WRITE)
    await callers.end(WRITE)
    assert callers.under_way(CallKind.READ) == 2
    await callers.end_all()


@pytest.mark.usefixtures("at_once")
async def test_polls_have_at_most_a_quarter_of_the_slots() -> None:
    callers = Callers(32)
    await callers.start(CallKind.POLL, 200)
    assert callers.under_way(CallKind.POLL) == 8
    await callers.end_all()


@pytest.mark.usefixtures("at_once")
async def test_with_a_single_slot_the_kinds_take_turns() -> None:
    callers = Callers(1)
    for kind in (CallKind.READ, CallKind.POLL, WRITE):
        await callers.start(kind, 2)
    for number in range(6):
        await callers.end(callers.entered[number])
    assert set(callers.entered[:3]) == {CallKind.READ, CallKind.POLL, WRITE}
    assert len(callers.entered) == 6
    await callers.end_all()


@given(LIMITS, st.lists(st.sampled_from(CallKind), max_size=60))
def test_every_call_of_every_kind_has_its_turn_and_never_more_than_the_limit(size: int, kinds: list[CallKind]) -> None:
    async def play() -> tuple[int, int]:
        limit, inside, most, done = SlotLimit(size), 0, 0, 0

        async def call(kind: CallKind) -> None:
            nonlocal inside, most, done
            async with limit.share_of(kind):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1
                done += 1

        async with asyncio.timeout(10):
            await asyncio.gather(*map(call, kinds))
        return most, done

    most, done = asyncio.run(play())
    assert most <= size
    assert done == len(kinds)
