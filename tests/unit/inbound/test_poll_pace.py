"""Runs whose responses say nothing new are polled less often, and a start asks for no more than a part of the runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.poller import Poller
from consumers.inbound.polling.pace import JITTER, START_PARTS, PollPace, jittered, part_of
from router.responses import Purpose
from schemas.vocabulary import Phase
from tests.builders.runs import NOON, a_run
from tests.fakes.external_system import REFUSED_CONNECTION
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

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
    assert gaps[:5] == [1, 2, 4, 4, 4]


async def test_a_run_that_cannot_be_read_is_polled_in_every_round() -> None:
    gateway = a_gateway(1, circuit_breaker={"failures": 1000})
    gateway.system.plan(Purpose.READ, *[REFUSED_CONNECTION] * 100)
    asked = await PollerRounds(gateway, START_PARTS + 5).run()
    assert [len(paths) for paths in asked[START_PARTS:]] == [1] * 5


@given(st.lists(st.sampled_from(["unchanged", "changed", "revision"]), max_size=40), st.floats(0.1, 50))
def test_a_run_is_left_out_for_fewer_rounds_than_the_widest_interval_has(news: list[str], widest: float) -> None:
    pace, revision = PollPace(), 1
    for kind in news:
        left_out = 0
        while not pace.is_due("TR1", revision):
            left_out += 1
        assert left_out <= max(0, widest - 1)
        if kind == "unchanged":
            pace.unchanged("TR1", revision, widest)
            continue
        if kind == "changed":
            pace.changed("TR1")
        else:
            revision += 1
        assert pace.is_due("TR1", revision)


def test_the_number_of_runs_that_are_remembered_has_a_bound() -> None:
    pace = PollPace(max_remembered=2)
    for run_id in ("TR1", "TR2", "TR3"):
        pace.unchanged(run_id, 1, 10)
        pace.unchanged(run_id, 1, 10)
    assert [pace.is_due(run_id, 1) for run_id in ("TR1", "TR2", "TR3")] == [True, False, False]


def test_runs_are_shared_evenly_among_the_parts() -> None:
    sizes = Counter(part_of(f"TR{number}") for number in range(10_000))
    assert set(sizes) == set(range(START_PARTS))
    assert max(sizes.values()) < 1.2 * min(sizes.values())


@given(st.floats(0, 1))
def test_jitter_has_a_bound(random: float) -> None:
    assert 30 * (1 - JITTER) - 1e-9 <= jittered(30, random) <= 30 * (1 + JITTER) + 1e-9
