"""Run one scenario: load, disturbances, and the judgement when everything is quiet again."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from southbound.cli.exit_codes import ExitCode
from tests.chaos.conductor.hands import Hand
from tests.chaos.conductor.load import Load
from tests.chaos.conductor.oracle import Breach
from tests.chaos.conductor.report import ChaosReport
from tests.chaos.conductor.soak import Sampler
from tests.chaos.conductor.world import a_world

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.chaos.conductor.hands import Disturbance
    from tests.chaos.conductor.scenarios import ChaosScenario
    from tests.chaos.conductor.world import World

MAX_OPEN = 2_000  # runs without a result; more are not requested until some have ended
SAMPLE_EVERY = 10.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long a scenario lasts: until so many records are published, or for so many minutes."""

    events: int
    minutes: float | None
    rate: float
    samples: bool = False


async def conduct(scenario: ChaosScenario, seed: int, folder: Path, extent: Extent, command: str) -> ChaosReport:
    """Run a scenario and return its report."""
    began = time.monotonic()
    async with a_world(scenario.setup, seed, folder) as world:
        load = Load(tag=f"r{seed}", dice=world.dice("load"), weights=scenario.shapes)
        for worker in world.workers.values():
            worker.launch()
        await asyncio.gather(*(worker.wait_until_up() for worker in world.workers.values()))
        world.counts.clear()
        sampler = Sampler(world=world, every=SAMPLE_EVERY) if extent.samples else None
        sampling = asyncio.create_task(sampler.run()) if sampler else None
        await _disturb_while_loading(world, scenario, load, extent)
        await world.wait_for_results()
        world.log.append(f"{world.now():8.2f} all results, or none for long")
        if not world.open_results():
            await world.wait_for_lag()
        if sampling is not None:
            await sampler.sample()  # type: ignore[union-attr]
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
        stops = world.counts["stops"]
        await _stop_workers(world)
        world.counts["stops"] = stops
        world.judge.report(world.records.take())
        _judge_letters(world, load)
        world.oracle.judge_end()
        return ChaosReport.of(
            world, scenario, command, seconds=time.monotonic() - began, samples=sampler.samples if sampler else ()
        )


async def _disturb_while_loading(world: World, scenario: ChaosScenario, load: Load, extent: Extent) -> None:
    loading = asyncio.create_task(_publish(world, load, extent))
    hands = [
        asyncio.create_task(_disturb(world, Hand(world=world, dice=world.dice(name)), mix, scenario, loading))
        for name, mix in (("processes", scenario.mix), ("infrastructure", scenario.infrastructure))
        if mix
    ]
    try:
        if scenario.script is not None:
            await scenario.script(Hand(world=world, dice=world.dice("script")))
        await asyncio.gather(loading, *hands)
    finally:
        for task in (loading, *hands):
            task.cancel()
        await asyncio.gather(loading, *hands, return_exceptions=True)


async def _publish(world: World, load: Load, extent: Extent) -> None:
    """Publish at a steady rate while not too much is open."""
    began = time.monotonic()
    while not _is_over(world, extent, began):
        if (ahead := began + world.published / extent.rate - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        while world.open_results() > MAX_OPEN:
            await asyncio.sleep(0.1)
            began += 0.1
        await world.publish(load.draw(world.oracle))
    world.is_loaded = True


def _is_over(world: World, extent: Extent, began: float) -> bool:
    if extent.minutes is not None:
        return time.monotonic() - began > extent.minutes * 60
    return world.published >= extent.events


async def _disturb(
    world: World, hand: Hand, mix: Mapping[Disturbance, int], scenario: ChaosScenario, loading: asyncio.Task[None]
) -> None:
    while not loading.done():
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(loading), hand.dice.uniform(*scenario.pause))
        if not loading.done():
            await hand.disturb(mix)


async def _stop_workers(world: World) -> None:
    """Stop all workers in order: nothing disturbs them, so each exits with 0."""
    for worker in world.workers.values():
        async with worker.busy:
            await worker.wait_until_up()
            await worker.stop(allowed=(ExitCode.SUCCESS,))


def _judge_letters(world: World, load: Load) -> None:
    """Compare dead letters with those that the load leads to; the same one may be published twice."""
    found = {(letter.code, letter.key) for letter in world.judge.letters}
    for code, key in sorted(found - load.letters):
        world.oracle.breach(Breach.DEAD_LETTER, f"{code} of {key}")
    for code, key in sorted(load.letters - found):
        world.oracle.breach(Breach.MISSING_LETTER, f"{code} of {key}")
