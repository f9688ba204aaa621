"""The contract of every Kafka client of the runtime: the real client and the fake of unit tests."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Protocol

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumers.runtime.backpressure import FlowControl
from consumers.runtime.commits.finished_offsets import NOTHING_FINISHED, FinishedOffsets
from consumers.runtime.commits.offsets import Commit
from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.consumer_port import Assigned, Closed, Committed, RecordsReceived, Revoked
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from tests.fakes.consumer import FakeConsumer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from consumers.runtime.consumer_port import ConsumerEvent, GroupConsumer
    from consumers.runtime.handler import Partition, Record

NO_PARTITIONS: frozenset[Partition] = frozenset()
ASK_FOR_RECORDS = FlowControl(pause=NO_PARTITIONS, resume=NO_PARTITIONS, poll=True)
SESSION = 45.0  # seconds: a busy machine must not end it, because records would be read again
FAST_GROUP_SETTINGS = {"heartbeat.interval.ms": 200, "session.timeout.ms": int(SESSION * 1000), "fetch.wait.max.ms": 20}


class ConsumerRig(Protocol):
    """A client of a topic with two partitions, and the test's control of the broker."""

    @property
    def client(self) -> GroupConsumer:
        """The client under test."""

    @property
    def topic(self) -> str:
        """The topic that it reads."""

    def join(self) -> None:
        """Let the broker assign both partitions to the client."""

    def append(self, number: int, value: bytes, *, key: bytes | None = None) -> None:
        """Append a record to a partition."""

    def take_one_away(self) -> None:
        """Let another member join the group, so that one partition is revoked."""

    def replace_client(self) -> None:
        """Close the client, and put another one of the same group in its place."""

    async def committed(self, partition: Partition) -> int:
        """Return the committed offset, from which the next owner starts."""

    async def tear_down(self) -> None:
        """Close all clients."""


class FakeConsumerRig:
    topic = "lifecycle"

    def __init__(self) -> None:
        self.client = FakeConsumer()

    def join(self) -> None:
        self.client.assign((self.topic, 0), (self.topic, 1))

    def append(self, number: int, value: bytes, *, key: bytes | None = None) -> None:
        self.client.append(self.topic, number, key=key, value=value)

    def take_one_away(self) -> None:
        self.client.revoke((self.topic, 1))

    def replace_client(self) -> None:
        before, self.client = self.client, FakeConsumer()
        self.client.log, self.client.committed, self.client.finished = before.log, before.committed, before.finished
        before.close()

    async def committed(self, partition: Partition) -> int:
        return self.client.committed[partition.topic, partition.number]

    async def tear_down(self) -> None:
        self.client.close()


class KafkaConsumerRig:
    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._policy = WorkerConfig(role="contract", group=f"group-of-{topic}", dead_letter_topic="dlq")
        self._settings = consumer_settings(bootstrap, self._policy, FAST_GROUP_SETTINGS)
        self.client = self._a_client()
        self._producer = Producer({"bootstrap.servers": bootstrap})
        self._enough = threading.Event()
        self._other = threading.Thread(target=self._join_as_other_member)

    def _a_client(self) -> KafkaGroupConsumer:
        return KafkaGroupConsumer(self._settings, [self.topic], session_timeout=SESSION, revoke_timeout=60.0)

    def replace_client(self) -> None:
        self.client.close()
        self.client = self._a_client()

    def join(self) -> None:
        """Do nothing: the broker assigns as soon as the client has started."""

    def append(self, number: int, value: bytes, *, key: bytes | None = None) -> None:
        self._producer.produce(self.topic, value, key, partition=number)
        assert self._producer.flush(60) == 0

    def take_one_away(self) -> None:
        self._other.start()

    def _join_as_other_member(self) -> None:
        consumer = Consumer(self._settings)
        consumer.subscribe([self.topic])
        while not self._enough.is_set():
            consumer.poll(0.05)
        consumer.close()

    async def committed(self, partition: Partition) -> int:
        return await asyncio.to_thread(self._read_committed, partition)

    def _read_committed(self, partition: Partition) -> int:
        reader = Consumer({"bootstrap.servers": self._settings["bootstrap.servers"], "group.id": self._policy.group})
        try:
            (found,) = reader.committed([TopicPartition(partition.topic, partition.number)], timeout=60)
            return found.offset
        finally:
            reader.close()

    async def tear_down(self) -> None:
        self.client.close()
        self._enough.set()
        if self._other.ident:
            await asyncio.to_thread(self._other.join)


class ConsumerScenario:
    """Drives one client and records every event that it reports."""

    def __init__(self, rig: ConsumerRig) -> None:
        self.rig = rig
        self.events: list[ConsumerEvent] = []
        self._moved = asyncio.Event()
        rig.client.start(self._record_event)
        rig.join()

    def _record_event(self, event: ConsumerEvent) -> None:
        self.events.append(event)
        self._moved.set()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until the recorded events fulfil a condition."""
        async with asyncio.timeout(60):
            while not condition():
                self._moved.clear()
                await self._moved.wait()

    async def begin(self) -> tuple[Partition, Partition]:
        """Wait until both partitions are assigned; return them by number."""
        self.rig.client.control_flow(ASK_FOR_RECORDS)
        await self.until(lambda: len(self.assigned()) == 2)
        first, second = sorted(self.assigned(), key=lambda partition: partition.number)
        return first, second

    async def records(self, count: int) -> list[Record]:
        """Request batches until this many records have come."""
        while len(self.received()) < count:
            so_far = len(self.received())
            self.rig.client.control_flow(ASK_FOR_RECORDS)
            await self.until(lambda: len(self.received()) > so_far)  # noqa: B023 - awaited in the same iteration
        return self.received()

    def assigned(self) -> list[Partition]:
        return [p for event in self.events if isinstance(event, Assigned) for p in event.partitions]

    def received(self) -> list[Record]:
        return [r for event in self.events if isinstance(event, RecordsReceived) for r in event.records]

    def events_of(self, kind: type[ConsumerEvent]) -> list[ConsumerEvent]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(params=["fake", "kafka"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[ConsumerRig]:
    rig: ConsumerRig
    if request.param == "fake":
        rig = FakeConsumerRig()
    else:
        make: Callable[..., str] = request.getfixturevalue("fresh_topics")
        rig = KafkaConsumerRig(request.getfixturevalue("kafka_bootstrap"), make("lifecycle", partitions=2))
    yield rig
    await rig.tear_down()


async def test_records_arrive_unchanged_and_in_the_order_of_their_partition(rig: ConsumerRig) -> None:
    for n in range(5):
        rig.append(0, b"%d" % n, key=b"\x00\xff")
    scenario = ConsumerScenario(rig)
    first, _ = await scenario.begin()
    records = await scenario.records(5)
    assert [(r.offset, r.key, r.value, r.headers) for r in records] == [
        (n, b"\x00\xff", b"%d" % n, ()) for n in range(5)
    ]
    assert {r.partition for r in records} == {first}


async def test_a_commit_is_answered_with_the_committed_offsets(rig: ConsumerRig) -> None:
    rig.append(0, b"v")
    scenario = ConsumerScenario(rig)
    first, _ = await scenario.begin()
    await scenario.records(1)
    rig.client.commit({first: Commit(1)})
    rig.client.control_flow(ASK_FOR_RECORDS)
    await scenario.until(lambda: scenario.events_of(Committed))
    assert scenario.events_of(Committed) == [Committed({first: Commit(1)})]
    assert await rig.committed(first) == 1


async def test_the_next_owner_learns_what_was_finished_above_the_committed_offset(rig: ConsumerRig) -> None:
    for number in range(5):
        rig.append(0, b"%d" % number)
    scenario = ConsumerScenario(rig)
    first, _ = await scenario.begin()
    await scenario.records(5)
    finished = FinishedOffsets(((2, 3), (4, 5)))
    rig.client.commit({first: Commit(1, finished)})
    rig.client.control_flow(ASK_FOR_RECORDS)
    await scenario.until(lambda: scenario.events_of(Committed))
    assert scenario.events_of(Committed) == [Committed({first: Commit(1, finished)})]
    rig.replace_client()
    successor = ConsumerScenario(rig)
    first, second = await successor.begin()
    known = {p: each for event in successor.events if isinstance(event, Assigned) for p, each in event.finished.items()}
    assert known[first] == finished
    assert not known.get(second, NOTHING_FINISHED).ranges


async def test_a_paused_partition_delivers_nothing_until_it_is_resumed(rig: ConsumerRig) -> None:
    scenario = ConsumerScenario(rig)
    first, second = await scenario.begin()
    rig.client.control_flow(FlowControl(pause=frozenset({first}), resume=NO_PARTITIONS, poll=True))
    rig.client.commit({second: Commit(0)})
    await scenario.until(lambda: scenario.events_of(Committed))  # so the pause has been carried out as well
    rig.append(0, b"held back")
    rig.append(1, b"flows")
    assert [r.value for r in await scenario.records(1)] == [b"flows"]
    rig.append(1, b"flows too")
    assert [r.value for r in await scenario.records(2)] == [b"flows", b"flows too"]
    rig.client.control_flow(FlowControl(pause=NO_PARTITIONS, resume=frozenset({first}), poll=True))
    assert [r.value for r in await scenario.records(3)][2] == b"held back"


async def test_a_revoked_partition_stays_assigned_until_it_is_released_with_a_last_commit(rig: ConsumerRig) -> None:
    rig.append(0, b"a")
    rig.append(1, b"b")
    scenario = ConsumerScenario(rig)
    await scenario.begin()
    await scenario.records(2)
    rig.take_one_away()
    rig.client.control_flow(ASK_FOR_RECORDS)
    await scenario.until(lambda: scenario.events_of(Revoked))
    (revoked,) = scenario.events_of(Revoked)
    assert isinstance(revoked, Revoked)
    (leaving,) = revoked.partitions
    rig.client.release({leaving: Commit(1)})
    remaining = next(p for p in scenario.assigned() if p != leaving)
    rig.client.commit({remaining: Commit(1)})
    await scenario.until(lambda: scenario.events_of(Committed))
    assert await rig.committed(leaving) == 1


async def test_the_last_event_is_that_the_client_is_closed(rig: ConsumerRig) -> None:
    scenario = ConsumerScenario(rig)
    await scenario.begin()
    rig.client.close()
    await scenario.until(lambda: scenario.events_of(Closed))
    assert scenario.events[-1] == Closed()


async def test_a_live_member_is_proven_alive(rig: ConsumerRig) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    scenario = ConsumerScenario(rig)
    await scenario.begin()
    assert rig.client.membership_proven_at() >= before
