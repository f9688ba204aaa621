"""What disturbs a world: each disturbance is one function that ends when what it disturbed is allowed to go on."""

from __future__ import annotations

import asyncio
import functools
import signal
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from southbound.exit_codes import ExitCode
from tests.chaos.conductor.oracle import Fault
from tests.chaos.conductor.setup import SESSION
from tests.chaos.conductor.system import FaultPlan

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine, Mapping

    from tests.chaos.conductor.system import ConductedSystem
    from tests.chaos.conductor.workers import ConductedWorker
    from tests.chaos.conductor.world import World

P = ParamSpec("P")
T = TypeVar("T")
ANY_EXIT = (ExitCode.SUCCESS, ExitCode.UNREACHABLE, ExitCode.UNCLEAN_SHUTDOWN)
SOFT_FAULTS = (Fault.BUSY, Fault.THROTTLED, Fault.ERROR, Fault.SLOW, Fault.CLOSE_IDLE)
HARD_FAULTS = (Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.HANG_BEFORE, Fault.HANG_AFTER, Fault.HEADERS_ONLY)


class Disturbance(StrEnum):
    """The kinds that a seeded mix draws from."""

    KILL = "kill -9"
    BURST = "burst of kill -9"
    PAUSE = "pause past the session"
    STOP = "SIGTERM"
    BROKER = "broker restart"
    STORE = "store away"
    FAULTS = "system faults"
    SYSTEM = "system away"


def _lasting(
    disturb: Callable[Concatenate[Hand, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Hand, P], Coroutine[Any, Any, T]]:
    """Record that a disturbance lasts until the function returns."""

    @functools.wraps(disturb)
    async def wrapped(hand: Hand, /, *arguments: P.args, **options: P.kwargs) -> T:
        with hand.world.oracle.lasting(hand.world.now):
            return await disturb(hand, *arguments, **options)

    return wrapped


@dataclass(slots=True, kw_only=True)
class Hand:
    """Disturbs one thing at a time; several hands work side by side."""

    world: World
    dice: random.Random
    _infrastructure: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def disturb(self, weights: Mapping[Disturbance, int]) -> None:
        """Draw a disturbance, and carry it out."""
        (kind,) = self.dice.choices([*weights], [*weights.values()])
        match kind:
            case Disturbance.KILL:
                await self.kill(self.any_worker())
            case Disturbance.BURST:
                for _ in range(3):
                    await self.kill(self.any_worker(), down=self.dice.uniform(0.1, 1.0), wait=False)
            case Disturbance.PAUSE:
                await self.pause(self.any_worker())
            case Disturbance.STOP:
                await self.stop(self.any_worker())
            case Disturbance.BROKER:
                await self.restart_broker(crash=self.dice.random() < 0.5)
            case Disturbance.STORE:
                await self.take_store_away(self.dice.uniform(1.0, 5.0), crash=self.dice.random() < 0.5)
            case Disturbance.FAULTS:
                await self.let_system_fail(self.any_system(), (*SOFT_FAULTS, *HARD_FAULTS), share=0.5)
            case Disturbance.SYSTEM:
                await self.take_system_away(self.any_system(), self.dice.uniform(0.5, 3.0))

    def any_worker(self) -> ConductedWorker:
        """Return one of the workers that process records, or sometimes the one with the listener."""
        return self.dice.choice([*self.world.workers.values()])

    def any_system(self) -> ConductedSystem:
        """Return one of the systems."""
        return self.dice.choice([*self.world.systems.values()])

    async def kill(self, worker: ConductedWorker, *, down: float | None = None, wait: bool = True) -> None:
        """Kill a worker, and start it again after a while. Without `wait`, it may be killed while it starts."""
        async with worker.busy:
            if wait:
                await worker.wait_until_up()
            self.world.note(f"kill -9 {worker.name}")
            await worker.kill()
            await asyncio.sleep(self.dice.uniform(0.0, 1.5) if down is None else down)
            worker.launch()

    async def pause(self, worker: ConductedWorker, *, beyond: float | None = None) -> None:
        """Freeze a worker until its session has ended, and let it go on."""
        async with worker.busy:
            await worker.wait_until_up()
            self.world.note(f"SIGSTOP {worker.name}")
            with self.world.oracle.lasting(self.world.now):
                worker.signal(signal.SIGSTOP)
                await asyncio.sleep(SESSION + (self.dice.uniform(0.5, 2.5) if beyond is None else beyond))
                worker.signal(signal.SIGCONT)
            self.world.note(f"SIGCONT {worker.name}")
            self.world.counts["pauses"] += 1

    async def stop(
        self, worker: ConductedWorker, *, allowed: tuple[int, ...] = ANY_EXIT, down: float | None = None
    ) -> int | None:
        """Stop a worker with SIGTERM, and start it again."""
        async with worker.busy:
            await worker.wait_until_up()
            self.world.note(f"SIGTERM {worker.name}")
            code = await worker.stop(allowed=allowed)
            self.world.note(f"{worker.name} ended with {code}")
            await asyncio.sleep(self.dice.uniform(0.0, 1.0) if down is None else down)
            worker.launch()
            return code

    @_lasting
    async def restart_broker(self, *, crash: bool, away: float = 0.0, number: int | None = None) -> None:
        """Stop or kill a broker, and start it again; with three, another one leads and coordinates meanwhile."""
        async with self._infrastructure:
            nodes = self.world.cluster.nodes
            node = nodes[self.dice.randrange(len(nodes)) if number is None else number]
            self.world.note(f"broker {node.port} {'is killed' if crash else 'stops'}")
            await asyncio.to_thread(node.kill if crash else node.stop)
            await asyncio.sleep(away)
            node.launch()
            await asyncio.to_thread(node.wait)
            self.world.note(f"broker {node.port} is back")
            self.world.counts["broker restarts"] += 1

    @_lasting
    async def fill_broker_disk(self, seconds: float) -> None:
        """Fill the disk of a broker's log for a while, and start the broker again: it has ended, or cannot go on.

        Raises:
            RuntimeError: the scenario has no such disk.
        """
        if (disk := self.world.cluster.disk) is None:
            raise RuntimeError("no broker has a disk of its own")
        async with self._infrastructure:
            node = self.world.cluster.nodes[0]
            self.world.note(f"the disk of broker {node.port} is full")
            await asyncio.to_thread(disk.fill)
            ended = await self.world.wait_until(lambda: not node.runs, f"broker {node.port} ends", seconds)
            self.world.note(f"broker {node.port} {'has ended' if ended else 'still runs'}")
            self.world.counts["brokers ended by a full disk"] += ended
            await asyncio.sleep(seconds)
            disk.free()
            await asyncio.to_thread(node.stop)
            node.launch()
            await asyncio.to_thread(node.wait)
            self.world.note(f"the disk of broker {node.port} has room again, and it is back")
            self.world.counts["broker restarts"] += 1
            self.world.counts["full disks"] += 1

    @_lasting
    async def freeze_broker(self, seconds: float) -> None:
        """Let a broker answer nothing for a while: slow round trips, then commits and produces that time out."""
        async with self._infrastructure:
            node = self.world.cluster.nodes[0]
            self.world.note(f"broker {node.port} answers nothing for {seconds:.1f} s")
            node.signal(signal.SIGSTOP)
            await asyncio.sleep(seconds)
            node.signal(signal.SIGCONT)
            self.world.note(f"broker {node.port} answers again")
            self.world.counts["broker freezes"] += 1

    @_lasting
    async def take_store_away(self, seconds: float, *, crash: bool) -> None:
        """Stop the database, or lock its file, for a while."""
        self.world.note(f"store away for {seconds:.1f} s")
        await self.world.store.take_away(crash=crash)
        await asyncio.sleep(seconds)
        await self.world.store.give_back()
        self.world.note("store is back")
        self.world.counts["store outages"] += 1

    @_lasting
    async def fail_store_over(self, seconds: float) -> None:
        """Crash the primary database, and promote its standby after a while."""
        self.world.note(f"the primary database crashes; the standby is promoted after {seconds:.1f} s")
        await self.world.store.fail_over(seconds)
        self.world.note("the standby is the primary")
        self.world.counts["store failovers"] += 1

    @_lasting
    async def start_old_primary(self) -> str:
        """Start the primary that was replaced by its standby, end all connections, and return what it has."""
        content = await self.world.store.start_old_primary()
        self.world.note("the old primary takes writes again, and the connections to the present one have ended")
        return content

    @_lasting
    async def fill_store_disk(self, seconds: float) -> None:
        """Fill the disk of the store for a while."""
        self.world.note(f"the disk of the store is full for {seconds:.1f} s")
        await self.world.store.fill_disk()
        await asyncio.sleep(seconds)
        await self.world.store.free_disk()
        self.world.note("the disk has room again")
        self.world.counts["full disks"] += 1

    @_lasting
    async def let_system_fail(
        self,
        system: ConductedSystem,
        kinds: tuple[Fault, ...],
        *,
        share: float,
        seconds: float | None = None,
        methods: tuple[str, ...] = ("POST", "PATCH", "GET"),
    ) -> None:
        """Let a share of the requests to a system fail for a while."""
        self.world.note(f"{system.name} fails: {', '.join(kinds)}")
        system.faults = FaultPlan(kinds=kinds, share=share, methods=frozenset(methods))
        await asyncio.sleep(self.dice.uniform(1.0, 4.0) if seconds is None else seconds)
        system.faults = FaultPlan()
        self.world.note(f"{system.name} is sound")
        self.world.counts["system faults"] += 1

    @_lasting
    async def take_system_away(self, system: ConductedSystem, seconds: float) -> None:
        """Let a system refuse connections for a while."""
        self.world.note(f"{system.name} away for {seconds:.1f} s")
        await system.stop()
        await asyncio.sleep(seconds)
        await system.start()
        self.world.note(f"{system.name} is back")
        self.world.counts["system outages"] += 1
