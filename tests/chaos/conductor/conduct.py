"""Run one scenario: load, disturbances, and the judgement when everything is quiet again."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from southbound.exit_codes import ExitCode
from tests.chaos.conductor.hands import Hand
from tests.chaos.conductor.load import Load
from tests.chaos.conductor.oracle import Breach
from tests.chaos.conductor.reader import count_records
from tests.chaos.conductor.report import ChaosReport
from tests.chaos.conductor.soak import Sampler
from tests.chaos.conductor.waits import Patience, StuckError, run_patiently
from tests.chaos.conductor.world import a_world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.chaos.conductor.hands import Disturbance
    from tests.chaos.conductor.scenarios import ChaosScenario
    from tests.chaos.conductor.world import World

MAX_OPEN = 10_000  # runs without a result; more are not requested until some have ended
TICK = 0.05  # seconds between two publications at a high rate: waiting for each acknowledgement alone is too slow
MAX_AT_ONCE = 50  # keys that are published at the same time
SAMPLE_EVERY = 10.0  # seconds
SHOW_EVERY = 60.0  # seconds
QUIET = 400.0  # seconds without any movement; longer than a start, a stop and what counts as lost take


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long a scenario lasts: until so many records are published, or for so many minutes."""

    events: int
    minutes: float | None
    rate: float
    samples: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)  # ends the load; then it is judged as always
    limit: float | None = None  # seconds after which the conductor gives up; by default long after the expected end

    @property
    def patience(self) -> Patience:
        """How long the conductor waits."""
        expected = self.events / self.rate if self.minutes is None else self.minutes * 60
        return Patience(limit=self.limit or 3 * expected + 900, quiet=QUIET)


async def conduct(
    scenario: ChaosScenario,
    seed: int,
    folder: Path,
    extent: Extent,
    command: str,
    *,
    show: Callable[[str], None] = lambda _: None,
    keep: Callable[[ChaosReport], object] = lambda _: None,
) -> ChaosReport:
    """Run a scenario and return its report; `keep` has it before anything is closed.

    `show` is told now and then how far it is. Whatever fails or does not end here is a violation in the report.
    """
    began = time.monotonic()
    async with a_world(scenario.setup, seed, folder) as world:
        load = Load(tag=f"r{seed}", dice=world.dice("load"), weights=scenario.shapes)
        sampler = Sampler(world=world, every=SAMPLE_EVERY)
        progress = _Progress(world=world, show=show)
        try:
            work = _carry_out(world, scenario, load, extent, sampler)
            await run_patiently(work, extent.patience, progress.measure, progress.look)
        except StuckError as error:
            world.oracle.breach(Breach.STUCK, f"{error}; open: {sorted(world.oracle.open_runs())[:10]}")
        except Exception as error:  # noqa: BLE001 - what disturbs failed: the report says so, and what was seen until then
            world.oracle.breach(
                Breach.CONDUCTOR, f"{error!r}: {''.join(traceback.format_tb(error.__traceback__)[-3:])}"
            )
        report = ChaosReport.of(
            world,
            scenario,
            command,
            seconds=time.monotonic() - began,
            records=await asyncio.to_thread(count_records, world.cluster.bootstrap),
            samples=sampler.samples if extent.samples else (),
        )
        keep(report)
        return report


@dataclass(slots=True, kw_only=True)
class _Progress:
    """Measures whether anything moves, and shows how far it is each minute."""

    world: World
    show: Callable[[str], None]
    _shown: float = 0.0

    def measure(self) -> dict[str, int]:
        """Return what grows while anything moves."""
        world = self.world
        return {
            "published": world.published,
            "results": len(world.oracle.results),
            "disturbances": len(world.log),
            "starts": world.counts["starts"],
            "stops": world.counts["stops"],
            "look-ups": world.oracle.counts["look-ups"],
            "writes back": world.desk.requests if world.desk is not None else 0,
        }

    def look(self) -> None:
        """Show how far it is, each minute, and raise why a watcher ended."""
        self.world.check_watchers()
        now = self.world.now()
        if now - self._shown >= SHOW_EVERY:
            self._shown = now
            figures = self.measure() | {"open": self.world.open_results(), "kills": self.world.counts["kills"]}
            violations = sum(self.world.oracle.breaches.values())
            self.show(f"{now:7.0f} s: {', '.join(f'{k} {n:,}' for k, n in figures.items())}, violations {violations}")


async def _carry_out(world: World, scenario: ChaosScenario, load: Load, extent: Extent, sampler: Sampler) -> None:
    for worker in world.workers.values():
        worker.launch()
    await asyncio.gather(*(worker.wait_until_up() for worker in world.workers.values()))
    world.counts.clear()
    sampling = asyncio.create_task(sampler.run()) if extent.samples else None
    try:
        await _disturb_while_loading(world, scenario, load, extent)
        await world.wait_for_results()
        if world.open_results():
            world.log.append(f"{world.now():8.2f} something was open for too long")
        else:
            await world.wait_for_lag()
        if world.desk is not None:
            await world.desk.wait_until_complete(world.oracle.expected)
        if sampling is not None:
            await sampler.sample()
    finally:
        if sampling is not None:
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
    stops = world.counts["stops"]
    await _stop_workers(world)
    world.counts["stops"] = stops
    world.judge.report(world.records.take())
    _judge_letters(world, load)
    if world.desk is not None:
        world.desk.judge(world.oracle)
    world.oracle.judge_end()


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
    """Publish at a steady rate while not too much is open, and for no longer than was asked for."""
    began = started = time.monotonic()
    at_once = min(MAX_AT_ONCE, int(extent.rate * TICK)) or 1
    while not _is_over(world, extent, started):
        if (ahead := began + world.published / extent.rate - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        while world.open_results() > MAX_OPEN and not _is_over(world, extent, started):
            await asyncio.sleep(0.1)
            began += 0.1
        await asyncio.gather(*[world.publish(load.draw(world.oracle)) for _ in range(at_once)])
    world.is_loaded = True


def _is_over(world: World, extent: Extent, started: float) -> bool:
    if extent.stopping.is_set():
        return True
    if extent.minutes is not None:
        return time.monotonic() - started > extent.minutes * 60
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
