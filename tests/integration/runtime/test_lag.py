"""The lag of a group becomes 0 when nothing is left to deliver, whatever the last offsets of a partition are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.handler import Done
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from consumers.runtime.worker import Worker
from tests.fakes.recording_publisher import RecordingPublisher
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.handler import Attempt, Outcome, Record

KAFKA_TIMEOUT = 60.0  # seconds until something that must happen is a failure
SESSION = 45.0  # seconds: a busy machine must not end it, because records would be read again


def begin(bootstrap: str, topic: str, *values: bytes) -> Producer:
    """Write records in a transaction that is still open."""
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"writer-of-{topic}"})
    producer.init_transactions(KAFKA_TIMEOUT)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, b"k")
    assert producer.flush(KAFKA_TIMEOUT) == 0
    return producer


def commit_records(bootstrap: str, topic: str) -> None:
    begin(bootstrap, topic, b"1", b"2").commit_transaction(KAFKA_TIMEOUT)


def abort_all(bootstrap: str, topic: str) -> None:
    begin(bootstrap, topic, b"never", b"sent").abort_transaction(KAFKA_TIMEOUT)


def commit_then_abort(bootstrap: str, topic: str) -> None:
    commit_records(bootstrap, topic)
    abort_all(bootstrap, topic)


def abort_then_commit(bootstrap: str, topic: str) -> None:
    abort_all(bootstrap, topic)
    commit_records(bootstrap, topic)


def delete_all(bootstrap: str, topic: str) -> None:
    commit_records(bootstrap, topic)
    admin = AdminClient({"bootstrap.servers": bootstrap})
    end = TopicPartition(topic, 0, end_offset(bootstrap, topic))
    for future in admin.delete_records([end]).values():
        future.result(KAFKA_TIMEOUT)


def end_offset(bootstrap: str, topic: str) -> int:
    # As tools do that show the lag: the end counts what is never delivered, too.
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "isolation.level": "read_uncommitted"})
    try:
        return reader.get_watermark_offsets(TopicPartition(topic, 0), KAFKA_TIMEOUT)[1]
    finally:
        reader.close()


def committed_offset(bootstrap: str, group: str, topic: str) -> int:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        return reader.committed([TopicPartition(topic, 0)], 10)[0].offset
    except KafkaException:  # the first group of a new broker waits for its coordinator
        return OFFSET_INVALID
    finally:
        reader.close()


class Consuming:
    """A worker on one topic, and the values that its handler got."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.bootstrap, self.topic = bootstrap, topic
        self.group = f"group-of-{topic}"
        self.seen: list[bytes] = []
        config = WorkerConfig(role="test", group=self.group, dead_letter_topic="none", session_timeout=SESSION)
        client = KafkaGroupConsumer(
            consumer_settings(bootstrap, config), [topic], session_timeout=SESSION, revoke_timeout=10.0
        )
        self.worker = Worker(consumer=client, handler=self._handle, publisher=RecordingPublisher(), config=config)

    async def _handle(self, record: Record, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port's name
        self.seen.append(record.value or b"")
        return Done()

    async def until_lag_is_0(self) -> None:
        """Wait until the group has committed the end of the partition."""
        async with asyncio.timeout(KAFKA_TIMEOUT):
            while await asyncio.to_thread(self._lag):  # noqa: ASYNC110 - nothing tells of commits
                await asyncio.sleep(0.2)

    def _lag(self) -> int:
        # A marker is written after the transaction has ended for its producer, so the end is read each time.
        committed = committed_offset(self.bootstrap, self.group, self.topic)
        return end_offset(self.bootstrap, self.topic) - committed


@pytest.mark.parametrize(
    ("write", "delivered"),
    [
        (commit_records, [b"1", b"2"]),  # a marker follows the last record
        (commit_then_abort, [b"1", b"2"]),
        (abort_then_commit, [b"1", b"2"]),
        (abort_all, []),
        (delete_all, []),
    ],
)
async def test_lag_becomes_0_when_nothing_is_left_to_deliver(
    kafka_bootstrap: str,
    fresh_topics: Callable[..., str],
    write: Callable[[str, str], None],
    delivered: list[bytes],
) -> None:
    topic = fresh_topics("lifecycle")
    await asyncio.to_thread(write, kafka_bootstrap, topic)
    consuming = Consuming(kafka_bootstrap, topic)
    running = asyncio.create_task(consuming.worker.run())
    await consuming.until_lag_is_0()
    assert consuming.seen == delivered
    # What comes later is delivered, and leaves no lag either.
    await asyncio.to_thread(commit_then_abort, kafka_bootstrap, topic)
    await consuming.until_lag_is_0()
    consuming.worker.stop()
    assert await running is True
    assert consuming.seen == [*delivered, b"1", b"2"]


async def test_an_open_transaction_is_waited_for(kafka_bootstrap: str, fresh_topics: Callable[..., str]) -> None:
    topic = fresh_topics("lifecycle")
    await asyncio.to_thread(commit_records, kafka_bootstrap, topic)
    producer = await asyncio.to_thread(begin, kafka_bootstrap, topic, b"3")
    first_end = await asyncio.to_thread(end_offset, kafka_bootstrap, topic) - 1  # the record of the open transaction
    consuming = Consuming(kafka_bootstrap, topic)
    running = asyncio.create_task(consuming.worker.run())

    def reached() -> bool:
        return consuming.worker.status()[0].next_offset == first_end if consuming.worker.status() else False

    await wait_until(reached, KAFKA_TIMEOUT)
    assert consuming.seen == [b"1", b"2"]
    await asyncio.to_thread(producer.commit_transaction, KAFKA_TIMEOUT)
    await consuming.until_lag_is_0()
    consuming.worker.stop()
    assert await running is True
    assert consuming.seen == [b"1", b"2", b"3"]
