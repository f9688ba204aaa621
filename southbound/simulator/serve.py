"""Let external systems run until somebody stops them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence


class System(Protocol):
    """An external system that can be started and stopped."""

    name: str

    @property
    def base_url(self) -> str:
        """Where its API is, once it is started."""

    async def start(self) -> None:
        """Take the port and answer."""

    async def stop(self) -> None:
        """Let go of the port."""


async def serve(
    systems: Sequence[System], stopped: asyncio.Event, on_ready: Callable[[Sequence[System]], None]
) -> None:
    """Start the systems, tell when all of them answer, and stop them when `stopped` is set.

    Raises:
        CannotListenError: a port is taken; the systems started before are stopped again.
    """
    async with AsyncExitStack() as stack:
        for system in systems:
            await system.start()
            stack.push_async_callback(system.stop)
        on_ready(systems)
        await stopped.wait()
