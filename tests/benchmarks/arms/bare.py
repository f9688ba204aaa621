"""The inputs and outputs of Southbound's path without its work: the upper limit of the libraries on one core.

Batches of records take two Kafka hops, four statements for each run on SQLite, a POST and four published messages of
about the right size. Nothing is decoded, decided or checked, and an error ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aiohttp
import orjson
import uvloop
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.benchmarks.arms.config import GROUP, ArmConfig, read_arm_config
from tests.benchmarks.arms.events import RESULT_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from confluent_kafka import KafkaError, Message

    Handle = Callable[[list[tuple[str, bytes]]], Awaitable[None]]
    Outgoing = tuple[str, str, bytes, str]  # topic, key, value, type

BATCH_SIZE, CONNECTIONS = 3, 64  # batches of a topic; records of a batch, and requests
HEADERS: dict[str, str | bytes | None] = {
    "ce_id": "i" * 36,
    "ce_source": "/bare",
    "ce_time": "t" * 24,
    "ce_subject": "s" * 16,
    "content-type": "application/avro",
    "southbound-request-id": "r" * 36,
}
BODY = {
    "name": "Line test",
    "description": "Customer reports slow downloads in the evening; please measure the line.",
    "relatedService": {"id": "SV1"},
    "testSpecification": {"id": "SP1"},
    "characteristic": [{"name": "speed", "value": 250}, {"name": "technology", "value": "GPON"}],
    "testMeasure": [{"id": "TM1", "metricName": "throughput"}, {"id": "TM2", "metricName": "latency"}],
}
TABLES = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
CREATE TABLE requests (id TEXT PRIMARY KEY, body BLOB);
CREATE TABLE runs (id TEXT PRIMARY KEY, request TEXT, state TEXT, external TEXT UNIQUE, body BLOB, result BLOB);
CREATE INDEX runs_of_request ON runs (request);
"""
REQUEST, RUN = "INSERT INTO requests VALUES (?, ?)", "INSERT INTO runs VALUES (?, ?, 'routed', NULL, ?, NULL)"
READ, SENDING = "SELECT * FROM runs WHERE id = ?", "UPDATE runs SET state = 'sending' WHERE id = ?"
ENDED = "UPDATE runs SET state = 'completed', external = ?, result = ? WHERE id = ?"


class BareStore:
    """SQLite on its own thread."""

    def __init__(self, folder: str) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._file = sqlite3.connect(Path(folder, "bare.db"), isolation_level=None, check_same_thread=False)
        self._file.executescript(TABLES)

    async def transaction(self, *statements: tuple[str, Sequence[tuple[object, ...]]]) -> None:
        """Execute each statement for each of its rows."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._execute, statements)

    async def read(self, keys: Sequence[str]) -> None:
        """Read the row of each key."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._read, keys)

    def _execute(self, statements: Sequence[tuple[str, Sequence[tuple[object, ...]]]]) -> None:
        with self._file:
            self._file.execute("BEGIN IMMEDIATE")
            for statement, rows in statements:
                self._file.executemany(statement, rows)

    def _read(self, keys: Sequence[str]) -> None:
        for key in keys:
            self._file.execute(READ, (key,)).fetchone()


class BareArm:
    """Two steps between topics: to the store and the dispatch topic; from there to the system and the results."""

    def __init__(self, order: ArmConfig, store: BareStore, session: aiohttp.ClientSession) -> None:
        self._order, self._store, self._session = order, store, session
        self._dispatch = f"{order.prefix}testrun.dispatch.fibre-lab"
        self._url = f"{order.system}/serviceTest"
        self._producer = Producer({"bootstrap.servers": order.bootstrap, "enable.idempotence": True, "linger.ms": 5})

    async def run(self) -> None:
        """Process records until the process is ended."""
        reports = asyncio.create_task(self._take_reports())
        await asyncio.gather(
            reports, self._work(self._order.events, self._route), self._work(self._dispatch, self._send)
        )

    async def _take_reports(self) -> None:
        while True:
            self._producer.poll(0)
            await asyncio.sleep(0.002)

    async def _work(self, topic: str, handle: Handle) -> None:
        settings = {"bootstrap.servers": self._order.bootstrap, "group.id": f"{self._order.prefix}{GROUP}{topic}"}
        consumer = Consumer({**settings, "auto.offset.reset": "earliest", "enable.auto.commit": False})
        consumer.subscribe([topic])
        thread, room = ThreadPoolExecutor(1), asyncio.Semaphore(BATCH_SIZE)
        loop = asyncio.get_running_loop()

        async def work(batch: list[Message]) -> None:
            await handle([(cast("bytes", record.key()).decode(), cast("bytes", record.value())) for record in batch])
            room.release()
            consumer.commit(offsets=_end_offsets(batch), asynchronous=True)

        async with asyncio.TaskGroup() as tasks:
            while True:
                await room.acquire()
                batch: list[Message] = []
                while not batch:
                    batch = await loop.run_in_executor(thread, consumer.consume, CONNECTIONS, 0.05)
                tasks.create_task(work(batch))

    async def _route(self, batch: list[tuple[str, bytes]]) -> None:
        runs = [(key, key, value) for key, value in batch]
        await self._store.transaction((REQUEST, batch), (RUN, runs))
        await self._publish([(self._dispatch, key, value, "command") for key, value in batch])

    async def _send(self, batch: list[tuple[str, bytes]]) -> None:
        keys = [key for key, _ in batch]
        await self._store.read(keys)
        await self._store.transaction((SENDING, [(key,) for key in keys]))
        answers = await asyncio.gather(*[self._post(key) for key in keys])
        ends = [
            (answer["id"], orjson.dumps(answer["testMeasure"]), key) for key, answer in zip(keys, answers, strict=True)
        ]
        await self._store.transaction((ENDED, ends))
        results = [(key, orjson.dumps(answer)) for key, answer in zip(keys, answers, strict=True)]
        inflight = f"{self._order.prefix}testrun.inflight"
        kinds = [(inflight, "update"), (self._order.results, RESULT_TYPE), (self._order.results, "request result")]
        await self._publish([(topic, key, value, kind) for key, value in results for topic, kind in kinds])

    async def _post(self, key: str) -> dict[str, object]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        async with self._session.post(self._url, data=orjson.dumps(BODY), headers=headers) as answer:
            return cast("dict[str, object]", orjson.loads(await answer.read()))

    async def _publish(self, messages: Sequence[Outgoing]) -> None:
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        missing = len(messages)

        def report(error: KafkaError | None, _: Message) -> None:
            nonlocal missing
            missing -= 1
            if error is not None:
                raise ConnectionError(str(error))
            if not missing:
                acknowledged.set_result(None)

        for topic, key, value, kind in messages:
            headers = HEADERS | {"ce_type": kind}
            self._producer.produce(topic, value, key, headers=headers, on_delivery=report)
        await acknowledged


def _end_offsets(batch: list[Message]) -> list[TopicPartition]:
    last = {(record.topic(), record.partition()): record.offset() for record in batch}
    return [
        TopicPartition(topic or "", partition or 0, (offset or 0) + 1) for (topic, partition), offset in last.items()
    ]


async def run(config: ArmConfig) -> None:
    """Run the arm until SIGTERM."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:
        working = asyncio.create_task(BareArm(config, BareStore(config.folder), session).run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await working


if __name__ == "__main__":
    uvloop.run(run(read_arm_config()))
