"""Measure what accepting a POST costs, against a bare aiohttp handler that validates and publishes one event.

python -m tests.benchmarks.bench_api [--rounds 5] [--posts 4000] [--clients 32]

Both arms run in a process of their own, on uvloop, before one broker. The bare one parses the body, validates it with
the official definition of TMF653 v4.1, publishes it as JSON with acks=all, and answers with an id. Ours does what
`southbound run api` does, with a store in SQLite (`FULL`) and without a schema registry. The CPU time is that of the
server's process, rounds alternate, and the client is another process.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import aiohttp
import jsonschema_rs
import orjson
import uvloop
from aiohttp import web

from consumers.northbound.api.requests import RequestLimits, RequestReader
from consumers.northbound.api.server import ApiServer
from consumers.northbound.api.service_test import service_test_resource
from consumers.northbound.orders.order_book import OrderBook
from consumers.northbound.orders.publish_orders import OrderPublisher
from consumers.store.sql_store import open_store
from producers.event_publisher import EventPublisher
from producers.kafka_publisher import KafkaPublisher, producer_settings
from producers.publisher import Message
from router.northbound.api_version import ApiVersion
from router.runs.hierarchy_limits import HierarchyLimits
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.lifecycle import RunRequested
from schemas.topics import TopicNames, all_topics
from southbound.broker.jvm import jvm_broker
from southbound.operations.topic_admin import TopicAdmin
from southbound.service.composition.northbound import new_order_id
from southbound.service.composition.shared_resources import utc_now
from southbound.service.garbage_collector import reduce_gc
from tests.benchmarks.machine import print_progress

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/tmf-api/serviceTestManagement/v4/serviceTest"
DEFINITION = Path(__file__).parents[1] / "data/tmf653/TMF653-ServiceTest-v4.1.0.swagger.json"
ARMS = ("bare", "southbound")


def a_body(number: int) -> dict[str, Any]:
    """Return the body of a POST as an ordering system sends it."""
    return {
        "name": f"Line test TR{number:07}",
        "description": "Ordered by a service problem case",
        "mode": "ONDEMAND",
        "relatedService": {"id": f"PI{number % 500:07}", "name": "Internet_VPLS", "@referredType": "Service"},
        "testSpecification": {"id": "fibre-line", "version": "1", "@referredType": "ServiceTestSpecification"},
        "startDateTime": "2026-11-23T10:00:00Z",
        "characteristic": [
            {"name": "port", "valueType": "string", "value": f"1/{number % 48}"},
            {"name": "duration", "valueType": "integer", "value": 30},
        ],
        "testMeasure": [
            {"id": "TM1", "metricName": "Flow speed", "metricHref": "urn:metric:flow", "unitOfMeasure": "Mbit/s"},
            {"id": "TM2", "metricName": "Loss", "metricHref": "urn:metric:loss", "unitOfMeasure": "dB"},
        ],
    }


async def serve_bare(publisher: KafkaPublisher, topic: str) -> int:
    """Serve the bare arm; return its port."""
    definitions = orjson.loads(DEFINITION.read_bytes())["definitions"]
    schema = {"$ref": "#/definitions/ServiceTest_Create", "definitions": definitions}
    validator = jsonschema_rs.Draft4Validator(schema)

    async def accept(request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        if not validator.is_valid(body):
            return web.Response(status=400)
        run_id = str(uuid.uuid4())
        await publisher.publish([Message(topic, run_id.encode(), orjson.dumps({"id": run_id, **body}))])
        answer = orjson.dumps({"id": run_id, **body})
        return web.Response(status=201, body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_post(PATH, accept)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1])


async def serve_southbound(publisher: KafkaPublisher, topics: TopicNames, folder: str) -> int:
    """Serve our arm; return its port."""
    store = await open_store(f"sqlite:///{folder}/runs.db")
    events = EventPublisher(
        publisher=publisher, envelope=Envelope(Codec(json_models=frozenset({RunRequested}))), topics=topics
    )
    book = OrderBook(store=store.orders, events=events, now=utc_now, new_id=new_order_id, limits=HierarchyLimits())
    reader = RequestReader(v4=ApiVersion.V4_1, limits=RequestLimits())
    server = ApiServer(
        host="127.0.0.1", port=0, version=ApiVersion.V4_1, resources=[service_test_resource(book, reader)]
    )
    await server.start()
    task = OrderPublisher(store=store.orders, book=book, now=utc_now, warn=print)
    BACKGROUND.append(asyncio.create_task(task.run()))
    return server.port


BACKGROUND: list[asyncio.Task[None]] = []


async def serve(arm: str, bootstrap: str, prefix: str, folder: str) -> None:
    """Serve one arm until the process is ended."""
    publisher, topics = KafkaPublisher(producer_settings(bootstrap)), TopicNames(prefix)
    is_bare = arm == "bare"
    port = await (serve_bare(publisher, topics.lifecycle) if is_bare else serve_southbound(publisher, topics, folder))
    reduce_gc()  # as the service does
    print(port, flush=True)  # noqa: T201 - the parent reads it
    await asyncio.Event().wait()


@contextmanager
def server_process(arm: str, bootstrap: str, prefix: str) -> Iterator[tuple[int, int]]:
    """Run an arm in a process; yield its id and port."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.benchmarks.bench_api", "--serve", arm, bootstrap, prefix, folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield process.pid, int((process.stdout or sys.stdin).readline())
            finally:
                process.kill()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process; `/proc/<pid>/stat` counts in ticks, which a round has few of."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


async def post_all(port: int, first: int, posts: int, clients: int) -> float:
    """Send POSTs over so many connections; return the seconds that it took."""
    numbers = iter(range(first, first + posts))
    url = f"http://127.0.0.1:{port}{PATH}"

    async def client(session: aiohttp.ClientSession) -> None:
        for number in numbers:
            async with session.post(url, json=a_body(number)) as response:
                if response.status != web.HTTPCreated.status_code:
                    raise RuntimeError(f"{response.status}: {await response.text()}")

    began = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    return time.monotonic() - began


def main() -> None:
    """Measure, and print one line per round and the ratio at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--posts", type=int, default=4000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--serve", nargs=4)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(serve(*arguments.serve))
        return
    per_post: dict[str, list[float]] = {arm: [] for arm in ARMS}
    with ExitStack() as stack:
        broker = stack.enter_context(jvm_broker(print_progress))
        prefix = f"b{uuid.uuid4().hex[:8]}."
        admin = TopicAdmin({"bootstrap.servers": broker.bootstrap})
        admin.apply(admin.plan([topic for topic in all_topics(prefix) if topic.name.endswith("lifecycle")]))
        servers = {arm: stack.enter_context(server_process(arm, broker.bootstrap, prefix)) for arm in ARMS}
        for number in range(arguments.rounds + 1):
            for arm in ARMS if number % 2 else reversed(ARMS):
                pid, port = servers[arm]
                before = cpu_seconds(pid)
                seconds = uvloop.run(post_all(port, number * arguments.posts, arguments.posts, arguments.clients))
                cpu = (cpu_seconds(pid) - before) / arguments.posts * 1e6
                print_progress(f"round {number} {arm}: {cpu:.0f} µs CPU, {arguments.posts / seconds:.0f} POSTs/s")
                if number:  # the first one warms up
                    per_post[arm].append(cpu)
    figures = {arm: median(found) for arm, found in per_post.items()}
    ratios = sorted(ours / bare for bare, ours in zip(per_post["bare"], per_post["southbound"], strict=True))
    print_progress(
        f"bare {figures['bare']:.0f} µs, southbound {figures['southbound']:.0f} µs:"
        f" ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )


if __name__ == "__main__":
    main()
