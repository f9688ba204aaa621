"""The partition reader reads a real Kafka from given offsets, without a consumer group."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumers.runtime.kafka.offset_range import OffsetRange
from consumers.runtime.kafka.partition_reader import (
    FIRST_RECORD,
    NEXT_RECORD,
    Batch,
    PartitionReader,
    PartitionReadError,
)
from southbound.broker.server import reserve_port
from tests.harness.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message

WITHIN = 30.0  # seconds


@pytest.fixture
def reader(kafka_bootstrap: str) -> Iterator[PartitionReader]:
    with PartitionReader({"bootstrap.servers": kafka_bootstrap, "log_level": 0}) as opened:
        yield opened


@pytest.fixture
def put(kafka_bootstrap: str) -> Callable[..., None]:
    """Return a function that writes values, each its own key, to one partition; `at` is a time in milliseconds."""

    def put(topic: str, *values: bytes, partition: int = 0, at: int = 0) -> None:
        producer = Producer({"bootstrap.servers": kafka_bootstrap})
        for value in values:
            producer.produce(topic, value, value, partition=partition, timestamp=at)
        assert producer.flush(WITHIN) == 0

    return put


@pytest.fixture
def transaction(kafka_bootstrap: str) -> Callable[[str], Producer]:
    """Return a function that begins a transaction of a producer with this name."""

    def begin(name: str) -> Producer:
        producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": name, "log_level": 0})
        producer.init_transactions(WITHIN)
        producer.begin_transaction()
        return producer

    return begin


def values(records: Iterator[Message]) -> list[bytes | None]:
    return [record.value() for record in records]


def until(batches: Iterator[Batch], found: Callable[[list[Message], Batch], bool]) -> list[Message]:
    """Collect records until a condition on them and the last batch holds."""
    records: list[Message] = []
    deadline = time.monotonic() + WITHIN
    for batch in batches:
        assert time.monotonic() < deadline, "not found in time"
        records += batch.records
        if found(records, batch):
            break
    return records


def test_whole_topics_are_read_up_to_their_present_end(
    reader: PartitionReader, fresh_topics: Callable[..., str], put: Callable[..., None]
) -> None:
    full, empty = fresh_topics("full", 3), fresh_topics("empty", 2)
    for partition in (0, 2):
        put(full, *(b"%d-%d" % (partition, number) for number in range(1_200)), partition=partition)
    topics = reader.topics()
    assert (len(topics[full]), len(topics[empty])) == (3, 2)
    ranges = [OffsetRange(name, number, FIRST_RECORD) for name in (full, empty) for number in topics[name]]
    found = values(reader.records(ranges))
    for partition in (0, 2):
        expected = [b"%d-%d" % (partition, number) for number in range(1_200)]
        assert [value for value in found if value and value.startswith(b"%d-" % partition)] == expected
    assert len(found) == 2_400


def test_a_range_is_read_exactly_and_the_reader_can_be_used_again(
    reader: PartitionReader, fresh_topics: Callable[..., str], put: Callable[..., None]
) -> None:
    topic = fresh_topics("ranges", 2)
    put(topic, *(b"a%d" % number for number in range(10)))
    put(topic, *(b"b%d" % number for number in range(10)), partition=1)
    found = values(reader.records([OffsetRange(topic, 0, 3, 6), OffsetRange(topic, 1, 9, 10)], limit=2))
    assert sorted(filter(None, found)) == [b"a3", b"a4", b"a5", b"b9"]
    assert values(reader.records([OffsetRange(topic, 0, 8, 10), OffsetRange(topic, 1, 4, 4)])) == [b"a8", b"a9"]
    assert values(reader.records([OffsetRange(topic, 0, 10, 10)])) == []


def test_the_ranges_since_a_moment_begin_with_its_first_record(
    reader: PartitionReader, fresh_topics: Callable[..., str], put: Callable[..., None]
) -> None:
    topic = fresh_topics("since", 4)
    day, now = 24 * 3600 * 1000, int(time.time() * 1000)
    put(topic, b"old", b"older", at=now - 2 * day)
    put(topic, b"new", at=now)
    put(topic, b"old", partition=1, at=now - 2 * day)
    put(topic, b"new", partition=2, at=now)
    ranges = reader.ranges_since(topic, datetime.fromtimestamp((now - day) / 1000, UTC))
    assert sorted((part.partition, part.start, part.end) for part in ranges) == [(0, 2, 3), (2, 0, 1)]
    assert values(reader.records(ranges)) == [b"new", b"new"]


async def test_a_range_ends_where_only_the_control_records_of_transactions_follow(
    reader: PartitionReader, fresh_topics: Callable[..., str], transaction: Callable[[str], Producer]
) -> None:
    topic = fresh_topics("transactions")
    committed = transaction(f"{topic}-c")
    committed.produce(topic, b"committed", partition=0)
    committed.commit_transaction(WITHIN)
    aborted = transaction(f"{topic}-a")
    aborted.produce(topic, b"aborted", partition=0)
    aborted.flush(WITHIN)
    aborted.abort_transaction(WITHIN)
    # The broker answers the end of a transaction before it has written the control record.
    await wait_until(lambda: [part.length for part in reader.present_ranges(topic)] == [4])
    (whole,) = reader.ranges_since(topic, datetime.fromtimestamp(0, UTC))
    assert (whole.start, whole.length) == (0, 4)
    assert values(reader.records([whole])) == [b"committed"]


async def test_an_open_transaction_neither_shows_its_records_nor_holds_up_the_end(
    reader: PartitionReader, fresh_topics: Callable[..., str], transaction: Callable[[str], Producer]
) -> None:
    topic = fresh_topics("open")
    producer = transaction(topic)
    producer.produce(topic, b"not yet", partition=0)
    producer.flush(WITHIN)
    beyond = OffsetRange(topic, 0, 0, 1)
    assert reader.ranges_since(topic, datetime.fromtimestamp(0, UTC)) == []
    assert values(reader.records([beyond])) == []
    producer.commit_transaction(WITHIN)
    await wait_until(lambda: values(reader.records([beyond])) == [b"not yet"])


def test_a_range_that_starts_at_deleted_records_begins_with_the_first_that_is_left(
    reader: PartitionReader, kafka_bootstrap: str, fresh_topics: Callable[..., str], put: Callable[..., None]
) -> None:
    topic = fresh_topics("deleted")
    put(topic, b"0", b"1", b"2")
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for deleted in admin.delete_records([TopicPartition(topic, 0, 2)]).values():
        deleted.result(WITHIN)
    assert values(reader.records([OffsetRange(topic, 0, 0, 3)])) == [b"2"]


def test_a_followed_partition_reports_its_end_and_the_records_that_come_later(
    reader: PartitionReader, fresh_topics: Callable[..., str], put: Callable[..., None]
) -> None:
    topic = fresh_topics("follow", 2)
    put(topic, b"before")
    batches = reader.batches([OffsetRange(topic, number, FIRST_RECORD) for number in (0, 1)], follow=True)
    assert values(iter(until(batches, lambda _, batch: batch.at_end))) == [b"before"]
    put(topic, b"after", partition=1)
    later = until(batches, lambda records, batch: bool(records) and batch.at_end)
    assert values(iter(later)) == [b"after"]


def test_following_from_the_next_record_skips_existing_records(
    reader: PartitionReader, fresh_topics: Callable[..., str], put: Callable[..., None]
) -> None:
    topic = fresh_topics("next")
    put(topic, b"before")
    batches = reader.batches([OffsetRange(topic, 0, NEXT_RECORD)], follow=True)
    assert until(batches, lambda _, batch: batch.at_end) == []
    put(topic, b"after")
    assert values(iter(until(batches, lambda records, _: bool(records)))) == [b"after"]


def test_no_group_is_left_in_the_cluster_and_nothing_is_committed(
    reader: PartitionReader, kafka_bootstrap: str, fresh_topics: Callable[..., str], put: Callable[..., None]
) -> None:
    topic = fresh_topics("groupless")
    put(topic, b"one")
    assert values(reader.records([OffsetRange(topic, 0, 0)])) == [b"one"]
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})  # a client that nobody holds takes its answer with it
    groups = admin.list_consumer_groups().result(WITHIN)
    assert not [group.group_id for group in groups.valid if group.group_id.startswith("southbound-reader-")]


def test_a_topic_that_does_not_exist_is_one_sentence(reader: PartitionReader) -> None:
    with pytest.raises(PartitionReadError, match="does not have topic nowhere: run `southbound topics apply`"):
        reader.partitions("nowhere")
    with pytest.raises(PartitionReadError, match="does not have topic nowhere"):
        reader.ranges_since("nowhere", datetime.fromtimestamp(0, UTC))


def test_reading_a_partition_that_does_not_exist_ends_although_the_client_waits_for_it(
    reader: PartitionReader, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("one-partition")
    for partition in (("nowhere", 0), (topic, 7)):
        with pytest.raises(PartitionReadError, match=f"no record of {partition[0]} for 1 s"):
            values(reader.records([OffsetRange(*partition, 0)], stall_timeout=1.0))


def test_a_kafka_that_does_not_answer_is_one_sentence() -> None:
    with reserve_port() as unused, silent_reader(unused.address) as reader:
        for ask in (reader.topics, lambda: reader.partitions("t")):
            with pytest.raises(PartitionReadError, match=r"Kafka does not answer"):
                ask()
        with pytest.raises(PartitionReadError, match=r"sent no record of t for 0\.3 s"):
            values(reader.records([OffsetRange("t", 0, 0)], stall_timeout=0.3))


def silent_reader(address: str) -> PartitionReader:
    return PartitionReader({"bootstrap.servers": address, "log_level": 0}, request_timeout=0.3)


def test_records_polled_before_the_client_fails_are_not_lost(
    kafka_bootstrap: str,
    fresh_topics: Callable[..., str],
    put: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = fresh_topics("failing")
    put(topic, b"kept")

    class FailingConsumer(Consumer):
        def consume(self, *_: object) -> list[Message]:
            raise KafkaException(KafkaError(KafkaError._FAIL))

    monkeypatch.setattr("consumers.runtime.kafka.partition_reader.Consumer", FailingConsumer)
    with PartitionReader({"bootstrap.servers": kafka_bootstrap}) as failing:
        batches = failing.batches([OffsetRange(topic, 0, 0)], follow=True)
        (record,) = until(batches, lambda records, batch: bool(records and batch.problem))
    assert record.value() == b"kept"
