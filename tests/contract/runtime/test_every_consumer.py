"""What every client of the runtime promises, the real one and the one that tests use."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Protocol

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from consumers.runtime.backpressure import FlowControl
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
FAST_GROUP_SETTINGS = {"heartbeat.interval.ms": 200, "session.timeout.ms": 6_000, "fetch.wait.max.ms": 20}


class ConsumerRig(Protocol):
    """A client of a topic with two partitions, and the test's power over the broker."""

    @property
    def client(self) -> GroupConsumer:
        """The one that is tested."""

    @property
    def topic(self) -> str:
        """What it reads."""

    def join(self) -> None:
        """Let the broker give both partitions to the client."""

    def append(self, number: int, value: bytes, *, key: bytes | None = None) -> None:
        """Put a record on the log."""

    def take_one_away(self) -> None:
        """Let another member of the group ask for a partition."""

    async def committed(self, partition: Partition) -> int:
        """Return the offset that a next owner would start from."""

    async def tear_down(self) -> None:
        """Let go of everything."""


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

    async def committed(self, partition: Partition) -> int:
        return self.client.committed[partition.topic, partition.number]

    async def tear_down(self) -> None:
        self.client.close()


class KafkaConsumerRig:
    def __init__(self, bootstrap: str, topic: str) -> None:
        self.topic = topic
        self._policy = WorkerConfig(role="contract", group=f"group-of-{topic}", dead_letter_topic="dlq")
        self._settings = consumer_settings(bootstrap, self._policy, FAST_GROUP_SETTINGS)
        self.client = KafkaGroupConsumer(self._settings, [topic], session_timeout=6.0, revoke_timeout=10.0)
        self._producer = Producer({"bootstrap.servers": bootstrap})
        self._enough = threading.Event()
        self._other = threading.Thread(target=self._be_another_member)

    def join(self) -> None:
        """Nothing to do: the broker assigns as soon as the client has started."""

    def append(self, number: int, value: bytes, *, key: bytes | None = None) -> None:
        self._producer.produce(self.topic, value, key, partition=number)
        assert self._producer.flush(10) == 0

    def take_one_away(self) -> None:
        self._other.start()

    def _be_another_member(self) -> None:
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
            (found,) = reader.committed([TopicPartition(partition.topic, partition.number)], timeout=10)
            return found.offset
        finally:
            reader.close()

    async def tear_down(self) -> None:
        self.client.close()
        self._enough.set()
        if self._other.ident:
            await asyncio.to_thread(self._other.join)


class ConsumerScenario:
    """Everything that a client reported, in order."""

    def __init__(self, rig: ConsumerRig) -> None:
        self.rig = rig
        self.events: list[ConsumerEvent] = []
        self._moved = asyncio.Event()
        rig.client.start(self._hear)
        rig.join()

    def _hear(self, event: ConsumerEvent) -> None:
        self.events.append(event)
        self._moved.set()

    async def until(self, told: Callable[[], object]) -> None:
        """Wait until the story so far has it."""
        async with asyncio.timeout(60):
            while not told():
                self._moved.clear()
                await self._moved.wait()

    async def begin(self) -> tuple[Partition, Partition]:
        """Wait until both partitions are ours; return them by number."""
        self.rig.client.control_flow(ASK_FOR_RECORDS)
        await self.until(lambda: len(self.assigned()) == 2)
        first, second = sorted(self.assigned(), key=lambda partition: partition.number)
        return first, second

    async def records(self, count: int) -> list[Record]:
        """Ask until this many have come."""
        while len(self.received()) < count:
            so_far = len(self.received())
            self.rig.client.control_flow(ASK_FOR_RECORDS)
            await self.until(lambda: len(self.received()) > so_far)  # noqa: B023 - awaited in the same turn
        return self.received()

    def assigned(self) -> list[Partition]:
        return [p for event in self.events if isinstance(event, Assigned) for p in event.partitions]

    def received(self) -> list[Record]:
        return [r for event in self.events if isinstance(event, RecordsReceived) for r in event.records]

    def told(self, kind: type[ConsumerEvent]) -> list[ConsumerEvent]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(params=["fake", "kafka"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[ConsumerRig]:
    made: ConsumerRig
    if request.param == "fake":
        made = FakeConsumerRig()
    else:
        make: Callable[..., str] = request.getfixturevalue("fresh_topics")
        made = KafkaConsumerRig(request.getfixturevalue("kafka_bootstrap"), make("lifecycle", partitions=2))
    yield made
    await made.tear_down()


async def test_records_come_as_they_are_and_in_the_order_of_their_partition(rig: ConsumerRig) -> None:
    for n in range(5):
        rig.append(0, b"%d" % n, key=b"\x00\xff")
    story = ConsumerScenario(rig)
    first, _ = await story.begin()
    records = await story.records(5)
    assert [(r.offset, r.key, r.value, r.headers) for r in records] == [
        (n, b"\x00\xff", b"%d" % n, ()) for n in range(5)
    ]
    assert {r.partition for r in records} == {first}


async def test_a_commit_is_answered_with_what_was_taken(rig: ConsumerRig) -> None:
    rig.append(0, b"v")
    story = ConsumerScenario(rig)
    first, _ = await story.begin()
    await story.records(1)
    rig.client.commit({first: 1})
    rig.client.control_flow(ASK_FOR_RECORDS)
    await story.until(lambda: story.told(Committed))
    assert story.told(Committed) == [Committed({first: 1})]
    assert await rig.committed(first) == 1


async def test_a_paused_partition_is_silent_until_it_is_resumed(rig: ConsumerRig) -> None:
    story = ConsumerScenario(rig)
    first, second = await story.begin()
    rig.client.control_flow(FlowControl(pause=frozenset({first}), resume=NO_PARTITIONS, poll=True))
    rig.client.commit({second: 0})
    await story.until(lambda: story.told(Committed))  # so the pause has been carried out as well
    rig.append(0, b"held back")
    rig.append(1, b"flows")
    assert [r.value for r in await story.records(1)] == [b"flows"]
    rig.append(1, b"flows too")
    assert [r.value for r in await story.records(2)] == [b"flows", b"flows too"]
    rig.client.control_flow(FlowControl(pause=NO_PARTITIONS, resume=frozenset({first}), poll=True))
    assert [r.value for r in await story.records(3)][2] == b"held back"


async def test_a_revoked_partition_stays_ours_until_it_is_released_with_a_last_commit(rig: ConsumerRig) -> None:
    rig.append(0, b"a")
    rig.append(1, b"b")
    story = ConsumerScenario(rig)
    await story.begin()
    await story.records(2)
    rig.take_one_away()
    rig.client.control_flow(ASK_FOR_RECORDS)
    await story.until(lambda: story.told(Revoked))
    (revoked,) = story.told(Revoked)
    assert isinstance(revoked, Revoked)
    (leaving,) = revoked.partitions
    rig.client.release({leaving: 1})
    kept = next(p for p in story.assigned() if p != leaving)
    rig.client.commit({kept: 1})
    await story.until(lambda: story.told(Committed))
    assert await rig.committed(leaving) == 1


async def test_the_last_event_is_that_the_client_is_closed(rig: ConsumerRig) -> None:
    story = ConsumerScenario(rig)
    await story.begin()
    rig.client.close()
    await story.until(lambda: story.told(Closed))
    assert story.events[-1] == Closed()


async def test_a_live_member_is_proven_alive(rig: ConsumerRig) -> None:
    loop = asyncio.get_running_loop()
    before = loop.time()
    story = ConsumerScenario(rig)
    await story.begin()
    assert rig.client.membership_proven_at() >= before
