"""Run the fast external system in its own process and read its counters."""

from __future__ import annotations

import asyncio
import multiprocessing
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import uvloop

from tests.benchmarks.fast_system import FastSystem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection


@dataclass(frozen=True, slots=True)
class SystemProcess:
    """The external system from the benchmark's side of the pipe."""

    base_url: str
    _pipe: Connection

    def reset(self, latency: float) -> None:
        """Set the latency in seconds and reset the counters."""
        self._pipe.send(latency)
        self._pipe.recv()

    def posts(self) -> tuple[int, int]:
        """Return the number of POSTs since `reset`, and of those that repeat an idempotency key."""
        self._pipe.send(None)
        return cast("tuple[int, int]", self._pipe.recv())


@contextmanager
def system_process() -> Iterator[SystemProcess]:
    """Run the system while the block runs."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_run, args=(theirs,), daemon=True)
    process.start()
    try:
        yield SystemProcess(ours.recv(), ours)
    finally:
        process.terminate()
        process.join()


def _run(pipe: Connection) -> None:
    uvloop.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    async with FastSystem(name="fibre-lab") as system:
        pipe.send(system.base_url)
        while True:
            latency = await asyncio.to_thread(pipe.recv)
            if latency is not None:
                system.latency, system.posts, system.repeated_posts = latency, 0, 0
            pipe.send((system.posts, system.repeated_posts))
