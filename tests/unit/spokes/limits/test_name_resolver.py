"""A name server that does not answer for one system delays the names of no other system."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest
import uvloop
from aiohttp.abc import ResolveResult

from consumers.spokes.limits.name_resolver import MAX_AT_ONCE, OwnThreadResolver
from tests.harness.waiting import wait_until


def found(host: str, port: int, _family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
    return [ResolveResult(hostname=host, host="192.0.2.1", port=port, family=socket.AF_INET, proto=6, flags=0)]


class SilentNameServer:
    """Answers for no name until it is released."""

    def __init__(self) -> None:
        self.released, self.asked = threading.Event(), 0

    def resolve(self, host: str, port: int, family: int) -> list[ResolveResult]:
        """Wait, then answer."""
        self.asked += 1
        self.released.wait(60)
        return found(host, port, family)


def test_fault_names_that_hang_do_not_delay_those_of_another_system() -> None:
    server = SilentNameServer()

    async def main() -> list[ResolveResult]:
        hanging = [OwnThreadResolver(server.resolve) for _ in range(6)]
        waiting = [asyncio.create_task(each.resolve("lab.example", 80)) for each in hanging]
        await wait_until(lambda: server.asked == len(hanging))
        other = await OwnThreadResolver().resolve("localhost", 80)
        assert not any(task.done() for task in waiting)
        server.released.set()
        await asyncio.gather(*waiting)
        return other

    assert {each["host"] for each in uvloop.run(main())} <= {"127.0.0.1", "::1"}


def test_one_system_has_a_bounded_number_of_threads() -> None:
    server = SilentNameServer()

    async def main() -> None:
        resolver = OwnThreadResolver(server.resolve)
        waiting = [asyncio.create_task(resolver.resolve(f"h{number}.example", 80)) for number in range(3 * MAX_AT_ONCE)]
        await wait_until(lambda: server.asked == MAX_AT_ONCE)
        for _ in range(100):
            await asyncio.sleep(0)
        assert server.asked == MAX_AT_ONCE
        server.released.set()
        assert len(await asyncio.gather(*waiting)) == 3 * MAX_AT_ONCE

    uvloop.run(main())


def test_a_call_that_gave_up_before_its_name_was_found_harms_nobody() -> None:
    server = SilentNameServer()

    async def main() -> None:
        resolver = OwnThreadResolver(server.resolve)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(resolver.resolve("lab.example", 80), 0)
        server.released.set()
        assert await OwnThreadResolver(found).resolve("lab.example", 80)

    uvloop.run(main())
    server.released.set()


def unknown(host: str, port: int, _family: int) -> list[ResolveResult]:
    raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port} is unknown")


async def test_a_name_that_cannot_be_resolved_is_an_error_of_the_operating_system() -> None:
    with pytest.raises(socket.gaierror):
        await OwnThreadResolver(unknown).resolve("lab.example", 80)
    with pytest.raises(OSError, match="cannot be written as a host name"):
        await OwnThreadResolver().resolve("a" * 300, 80)
