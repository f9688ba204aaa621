"""Measure the CPU time of one POST through `SpokeClient` with each transport, and with the translation.

A bare aiohttp session is measured beside them. The rounds of all of them alternate in one run.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import statistics
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
import uvloop

from consumers.spokes.http_client import SpokeClient
from consumers.spokes.profile import Profile
from consumers.spokes.registry import spoke_for
from router.responses import HttpResponse
from schemas.commands import SendRun
from southbound.service.open_resources import TRANSPORTS
from tests.builders.runs import SINGLE, a_document

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

BODY = b'{"id":"89757","href":"http://127.0.0.1/serviceTest/89757","state":"acknowledged"}'
REPLY = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
Post = Callable[[int], Awaitable[object]]


class _ReplyingProtocol(asyncio.Protocol):
    """Answers each request that ends within one read, which is enough for bodies of a few kilobytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):
            self._transport.write(REPLY)  # type: ignore[attr-defined]


def _serve(port_pipe: Connection) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(_ReplyingProtocol, "127.0.0.1", 0)
        port_pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(serve())


async def _cpu_micros_per_call(post: Post, calls: int, concurrency: int) -> float:
    """Return the CPU microseconds per call."""
    numbers = iter(range(calls))

    async def work() -> None:
        for number in numbers:
            await post(number)

    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(work() for _ in range(concurrency)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / calls * 1e6


async def _compare(port: int, calls: int, concurrency: int) -> None:
    profile = Profile(name="lab", base_url=f"http://127.0.0.1:{port}/v4", concurrency=concurrency)
    spoke = spoke_for(profile)
    clients = {name: SpokeClient([profile], {}, transport) for name, transport in TRANSPORTS.items()}
    command = SendRun(run=a_document(measures=("TM1",)), request_id="RQ1", spoke="lab", decision=SINGLE)
    fixed = spoke.to_send(command, None)

    def through(client: SpokeClient) -> Post:
        return lambda _: client.call("lab", fixed)

    async def all_in(number: int) -> object:
        answer = await clients["connection"].call("lab", spoke.to_send(command, None))
        assert isinstance(answer, HttpResponse)
        return spoke.read_reply(answer)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

        async def bare(_: int) -> object:
            headers = {"Content-Type": "application/json"}
            async with session.post(f"{profile.base_url}/serviceTest", data=fixed.body, headers=headers) as answer:
                return await answer.read()

        posts = {name: through(client) for name, client in clients.items()}
        posts |= {"bare aiohttp": bare, "with translation": all_in}
        rounds = [
            {name: await _cpu_micros_per_call(post, calls, concurrency) for name, post in posts.items()}
            for _ in range(5)
        ]
    for name in posts:
        # The best of interleaved rounds: a disturbance affects some rounds, not all.
        best = min(costs[name] for costs in rounds)
        sys.stdout.write(f"{name:18}{best:6.0f} ms CPU per 1,000 POSTs, {concurrency} at once\n")
    ratio = statistics.median(costs["session"] / costs["connection"] for costs in rounds)
    sys.stdout.write(f"session costs {ratio:.2f} times connection (median of {len(rounds)} rounds)\n")
    for client in clients.values():
        await client.close()


def main() -> None:
    """Run the comparison against a server in its own process."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=10_000)
    arguments.add_argument("--at-once", type=int, default=64)
    options = arguments.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        uvloop.run(_compare(ours.recv(), options.calls, options.at_once))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
