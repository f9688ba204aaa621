"""Runs whose responses say nothing new are polled less often, and a start asks for no more than a part of the runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.polling.pace import JITTER, MAX_PAUSE, START_PARTS, jittered, part_of, pause_after
from consumers.inbound.polling.poller import Poller
from router.responses import Purpose
from schemas.vocabulary import Phase
from tests.builders.runs import NOON, a_run
from tests.fakes.external_system import REFUSED_CONNECTION
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Call

LONG_AGO = NOON - timedelta(hours=1)
RUNS = 50


def a_gateway(runs: int, **profile: object) -> InMemoryGateway:
    rows = [a_run(f"TR{n:04}", phase=Phase.ACCEPTED, updated_at=LONG_AGO) for n in range(runs)]
    polled = {"result_channels": ["poll"], "poll_interval": 30, "poll_max_interval": 120}
    gateway = InMemoryGateway(store=InMemoryRunStore(*rows), profile={**polled, **profile})
    for row in rows:
        gateway.system.tests[row.external_id or ""] = {"id": row.external_id, "state": "acknowledged"}
    return gateway


class _StoppedError(Exception):
    """The poller would sleep once more."""


class PollerRounds:
    """A poller whose sleeps end at once; it notes what was asked for between them."""

    def __init__(self, gateway: InMemoryGateway, rounds: int) -> None:
        self.gateway = gateway
        self.rounds = rounds
        self.sleeps: list[float] = []
        self.asked: list[set[str]] = []
        self.poller = Poller(
            caller=gateway.caller,
            store=gateway.store,
            events=gateway.events,
            now=gateway.clock,
            warn=gateway.problems.append,
            random=lambda: 0.5,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.asked.append({call.path for call in self.gateway.system.calls_made(Purpose.READ)})
        self.gateway.system.calls.clear()
        if len(self.sleeps) == self.rounds:
            raise _StoppedError
        self.sleeps.append(seconds)
        self.gateway.clock.at += timedelta(seconds=seconds)

    async def run(self) -> list[set[str]]:
        """Return what each round asked for."""
        with pytest.raises(ExceptionGroup) as raised:
            async with asyncio.timeout(10):
                await self.poller.run()
        assert raised.group_contains(_StoppedError)
        return self.asked[1:]


async def test_the_first_round_after_a_start_is_spread_over_one_interval() -> None:
    rounds = PollerRounds(a_gateway(RUNS), START_PARTS)
    asked = await rounds.run()
    assert sum(map(len, asked)) == len(set().union(*asked)) == RUNS
    assert max(map(len, asked)) < RUNS / 3
    assert sum(rounds.sleeps) == pytest.approx(30)


async def test_a_run_whose_responses_say_nothing_new_is_polled_less_and_less_often_up_to_a_bound() -> None:
    # Its first response is news and is published; it is not consumed here, so that the run itself stays as it is.
    asked = await PollerRounds(a_gateway(1), START_PARTS + 20).run()
    polls = [number for number, paths in enumerate(asked[START_PARTS:]) if paths]
    gaps = [later - earlier for earlier, later in pairwise(polls)]
    assert gaps[:4] == [2, 4, 4, 4]


async def test_two_processes_ask_for_each_run_once_in_an_interval() -> None:
    gateway = a_gateway(RUNS, poll_max_interval=30)
    first, second = PollerRounds(gateway, START_PARTS + 4), PollerRounds(gateway, START_PARTS + 4)
    asked: list[list[str]] = []
    for round_ in range(10):
        for poller in (first.poller, second.poller) if round_ % 2 else (second.poller, first.poller):
            gateway.system.calls.clear()
            await poller.poll_silent_runs(poller.caller.spoke("fibre-lab").profile)
            asked.append([call.path for call in gateway.system.calls_made(Purpose.READ)])
            gateway.clock.at += timedelta(seconds=15)
    assert [len(set(paths)) for paths in asked] == [RUNS, 0] * 10
    assert max(map(len, asked)) == RUNS


async def test_a_run_goes_on_being_polled_less_often_when_another_process_polls_it() -> None:
    gateway = a_gateway(1)
    await PollerRounds(gateway, 1).poller.poll_silent_runs(gateway.caller.spoke("fibre-lab").profile)
    await gateway.run_until_idle()
    gateway.store.runs["TR0000"] = replace(gateway.row("TR0000"), updated_at=LONG_AGO)
    asked: list[int] = []
    for _ in range(16):
        rounds = PollerRounds(gateway, 1)  # as after a restart
        gateway.system.calls.clear()
        await rounds.poller.poll_silent_runs(rounds.poller.caller.spoke("fibre-lab").profile)
        asked.append(len(gateway.system.calls_made(Purpose.READ)))
        gateway.clock.at += timedelta(seconds=30)
    assert [number for number, count in enumerate(asked) if count] == [0, 1, 3, 7, 11, 15]


async def test_the_claims_of_a_process_that_was_killed_end() -> None:
    gateway = a_gateway(1)
    killed, other = PollerRounds(gateway, 1).poller, PollerRounds(gateway, 1).poller
    profile = other.caller.spoke("fibre-lab").profile
    reading = asyncio.Event()

    async def never_answer(_: Call) -> None:
        reading.set()
        await asyncio.Event().wait()

    gateway.system.on_call = never_answer
    async with asyncio.timeout(10):
        task = asyncio.create_task(killed.poll_silent_runs(profile))
        await reading.wait()
        gateway.system.on_call = None
        assert await other.poll_silent_runs(profile) == 0
        gateway.clock.at += timedelta(seconds=30)
        assert await other.poll_silent_runs(profile) == 1
        task.cancel()
        await asyncio.wait([task])


async def test_a_run_that_cannot_be_read_is_polled_in_every_round() -> None:
    gateway = a_gateway(1, circuit_breaker={"failures": 1000})
    gateway.system.plan(Purpose.READ, *[REFUSED_CONNECTION] * 100)
    asked = await PollerRounds(gateway, START_PARTS + 5).run()
    assert [len(paths) for paths in asked[START_PARTS:]] == [1] * 5


@given(st.integers(0, 10_000), st.floats(0.01, 1e9), st.floats(0, 50))
def test_a_pause_grows_up_to_the_widest_interval_and_ends_before_the_round_in_which_the_run_is_due(
    answers: int, interval: float, widest: float
) -> None:
    pause = pause_after(answers, interval, widest).total_seconds()
    assert pause <= pause_after(answers + 1, interval, widest).total_seconds() <= MAX_PAUSE
    # A pause is a whole number of microseconds.
    assert pause <= max(1, widest) * jittered(interval, 0) * (1 + 1e-6) + 1e-6
    assert pause_after(1, interval, widest) == pause_after(0, interval, widest)


def test_runs_are_shared_evenly_among_the_parts() -> None:
    sizes = Counter(part_of(f"TR{number}") for number in range(10_000))
    assert set(sizes) == set(range(START_PARTS))
    assert max(sizes.values()) < 1.2 * min(sizes.values())


@given(st.floats(0, 1))
def test_jitter_has_a_bound(random: float) -> None:
    assert 30 * (1 - JITTER) - 1e-9 <= jittered(30, random) <= 30 * (1 + JITTER) + 1e-9
