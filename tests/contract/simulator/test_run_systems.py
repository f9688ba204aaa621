"""Several systems run until they are stopped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import pytest

from consumers.inbound.listen_socket import CannotListenError
from southbound.simulator.external_system import ExternalSystem, StartableSystem, run_systems
from tests.benchmarks.fast_system import FastSystem

if TYPE_CHECKING:
    from collections.abc import Sequence


async def test_all_systems_answer_when_they_are_ready_and_none_after_the_stop() -> None:
    stopped, ready = asyncio.Event(), asyncio.Event()
    systems: Sequence[StartableSystem] = (ExternalSystem(name="fibre-lab"), FastSystem(name="copper-lab"))
    serving = asyncio.create_task(run_systems(systems, stopped, lambda _: ready.set()))
    await ready.wait()
    async with aiohttp.ClientSession() as session:
        for system in systems:
            async with session.get(f"{system.base_url}/serviceTest") as answer:
                assert (answer.status, await answer.json()) == (200, [])
        stopped.set()
        await serving
        for system in systems:
            with pytest.raises(aiohttp.ClientError):
                await session.get(f"{system.base_url}/serviceTest")


async def test_a_taken_port_is_named_and_the_systems_before_are_stopped_again() -> None:
    async with FastSystem(name="first") as first:
        port = int(first.base_url.partition("127.0.0.1:")[2].partition("/")[0])
        second = ExternalSystem(name="second")
        systems: Sequence[StartableSystem] = (second, ExternalSystem(name="third", port=port))
        with pytest.raises(CannotListenError, match=f"port {port} is taken"):
            await run_systems(systems, asyncio.Event(), lambda _: None)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientError):
                await session.get(second.base_url)
