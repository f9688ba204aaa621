"""The fast system of the benchmarks answers correctly, however the bytes of a request arrive."""

from __future__ import annotations

import asyncio
from time import monotonic

import aiohttp
import orjson

from southbound.simulator.tmf_definition import official_definition
from tests.benchmarks.fast_system import FastSystem
from tests.harness.waiting import wait_until

BODY = {
    "name": "Speed TR1",
    "relatedService": {"id": "PI1"},
    "testSpecification": {"id": "any"},
    "testMeasure": [{"id": "TM1", "metricName": "Flow speed"}],
}


async def test_every_post_is_completed_with_its_measures_and_an_id_of_its_own() -> None:
    async with FastSystem(name="fast") as system, aiohttp.ClientSession() as session:
        ids = set()
        for _ in range(3):
            async with session.post(f"{system.base_url}/serviceTest", data=orjson.dumps(BODY)) as answer:
                test = orjson.loads(await answer.read())
                assert (answer.status, test["state"]) == (201, "completed")
                assert test["testMeasure"][0]["id"] == "TM1"
                assert not official_definition().violations("ServiceTest", test)
                ids.add(test["id"])
    assert len(ids) == 3


async def test_it_counts_repeated_posts() -> None:
    async with FastSystem(name="fast") as system, aiohttp.ClientSession() as session:
        for key in ("a", "b", "a"):
            headers = {"Idempotency-Key": key}
            async with session.post(f"{system.base_url}/serviceTest", data=b"{}", headers=headers) as answer:
                assert answer.status == 201
        assert (system.posts, system.repeated_posts) == (3, 1)


async def test_anything_but_a_post_gets_an_empty_list() -> None:
    async with FastSystem(name="fast") as system, aiohttp.ClientSession() as session:
        answer = await session.get(f"{system.base_url}/serviceTest?name=x")
        assert (answer.status, await answer.json()) == (200, [])


async def test_a_request_in_pieces_and_two_in_one_piece_are_answered() -> None:
    async with FastSystem(name="fast") as system:
        host, _, port = system.base_url.removeprefix("http://").partition("/")[0].partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        request = b"POST /serviceTest HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
        for piece in (request[:10], request[10:-1], request[-1:] + request + request):
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(60):
            while system.posts < 3:
                assert await reader.read(4096)
        writer.close()
        await writer.wait_closed()


async def test_a_body_without_a_length_or_that_is_no_json_is_refused() -> None:
    async def chunks() -> object:
        yield b"{}"

    async with FastSystem(name="fast") as system, aiohttp.ClientSession() as session:
        async with session.post(f"{system.base_url}/serviceTest", data=chunks()) as answer:
            assert answer.status == 411
        async with session.post(f"{system.base_url}/serviceTest", data=b"rubbish") as answer:
            assert answer.status == 400


async def test_latency_delays_the_answer_and_not_other_connections() -> None:
    async with FastSystem(name="fast", latency=0.1) as system, aiohttp.ClientSession() as session:

        async def post() -> int:
            async with session.post(f"{system.base_url}/serviceTest", data=b"{}") as answer:
                return answer.status

        begun = monotonic()
        assert await post() == 201
        assert monotonic() - begun >= 0.1
        system.latency = 600
        posting = [asyncio.create_task(post()) for _ in range(20)]
        await wait_until(lambda: system.posts == 21)  # all are read, and the first one is not answered
        assert not any(task.done() for task in posting)
        for task in posting:
            task.cancel()
        await asyncio.gather(*posting, return_exceptions=True)
