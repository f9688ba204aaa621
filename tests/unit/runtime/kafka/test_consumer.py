"""The consumer thread turns messages and errors into events for the event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn
from unittest.mock import Mock

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from consumers.runtime.consumer_port import Assigned, Closed, ConsumerFailed, EndReached, Lost, RecordsReceived, Warned
from consumers.runtime.kafka.consumer import KafkaGroupConsumer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.consumer_port import ConsumerEvent
    from consumers.runtime.handler import Partition


def a_message(offset: int, partition: int = 0) -> Message:
    return Message(topic="t", partition=partition, offset=offset, key=b"k", value=b"%d" % offset, timestamp=(1, 5))


def an_error(code: int, *, fatal: bool = False) -> Message:
    return Message(topic="t", error=KafkaError(code, "as the broker says", fatal))


@pytest.fixture
def events() -> list[ConsumerEvent]:
    return []


@pytest.fixture
def client(events: list[ConsumerEvent]) -> KafkaGroupConsumer:
    """Return a client that owns partition 0 and has no broker."""
    consumer = KafkaGroupConsumer({"group.id": "g"}, ["t"], session_timeout=30.0, revoke_timeout=10.0)
    consumer._post = events.append  # type: ignore[assignment] # as `start` does it
    consumer._read_finished = lambda partitions: {}  # type: ignore[method-assign] # noqa: ARG005 - there is no broker
    consumer._on_assign(None, [TopicPartition("t", 0)])  # type: ignore[arg-type] # the consumer is not used
    return consumer


def offsets(events: list[ConsumerEvent]) -> list[tuple[int, list[int]]]:
    return [
        (e.records[0].partition.epoch, [r.offset for r in e.records]) for e in events if isinstance(e, RecordsReceived)
    ]


def test_a_message_becomes_a_record_with_its_raw_bytes(client: KafkaGroupConsumer, events: list[ConsumerEvent]) -> None:
    client._process([a_message(7)])
    received = events[-1]
    assert isinstance(received, RecordsReceived)
    (record,) = received.records
    assert (record.offset, record.key, record.value, record.headers, record.timestamp_ms) == (7, b"k", b"7", (), 5)


def test_records_of_a_revoked_partition_are_left_to_its_next_owner(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    client._process([a_message(0), a_message(3, partition=1), a_message(1)])
    assert offsets(events) == [(1, [0, 1])]


def test_offsets_that_go_back_begin_a_new_epoch_and_nothing_is_skipped(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    client._process([a_message(50), a_message(0), a_message(1)])
    assert offsets(events) == [(1, [50]), (2, [0, 1])]
    between = [event for event in events if isinstance(event, Lost | Assigned)][1:]
    assert [type(event) for event in between] == [Lost, Assigned]


def test_a_partition_that_returns_has_a_new_epoch_and_may_begin_lower(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    client._process([a_message(9)])
    client._on_lost(None, [TopicPartition("t", 0)])  # type: ignore[arg-type] # the consumer is not used
    client._on_assign(None, [TopicPartition("t", 0)])  # type: ignore[arg-type] # the consumer is not used
    client._process([a_message(4)])
    assert offsets(events) == [(1, [9]), (2, [4])]


def test_an_error_between_records_is_reported_and_the_records_still_come(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    client._process([a_message(0), an_error(KafkaError.TOPIC_AUTHORIZATION_FAILED), a_message(1)])
    (complaint,) = (event for event in events if isinstance(event, Warned))
    assert complaint.problem.code == "KAFKA_NOT_ALLOWED"
    assert "topic's ACLs" in complaint.problem.sentence
    assert offsets(events) == [(1, [0, 1])]


@pytest.mark.parametrize("code", [KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL])
def test_a_permanent_error_ends_the_client(client: KafkaGroupConsumer, events: list[ConsumerEvent], code: int) -> None:
    client._process([an_error(code)])
    assert isinstance(events[-1], ConsumerFailed)
    assert client._closing


def test_the_end_of_a_partition_is_not_reported_as_a_problem(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    client._process([an_error(KafkaError._PARTITION_EOF)])
    assert not any(isinstance(event, Warned) for event in events)


def an_end(offset: int) -> Message:
    return Message(topic="t", partition=0, offset=offset, error=KafkaError(KafkaError._PARTITION_EOF, "the end"))


def test_an_end_behind_the_last_record_is_reported_after_the_records(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    client._process([a_message(0), an_end(1), a_message(1), an_end(5)])
    received, end = events[-2:]
    assert isinstance(received, RecordsReceived)
    assert [record.offset for record in received.records] == [0, 1]
    assert end == EndReached({received.records[0].partition: 5})


def test_an_end_that_says_nothing_new_is_not_reported(client: KafkaGroupConsumer, events: list[ConsumerEvent]) -> None:
    client._process([an_end(0), a_message(0), an_end(1)])
    client._process([an_end(1)])
    assert not any(isinstance(event, EndReached) for event in events)


def test_records_below_a_reported_end_begin_a_new_epoch(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    client._process([an_end(9)])
    client._process([a_message(0)])
    assert offsets(events) == [(2, [0])]


def test_an_unexpected_exception_is_reported_by_type_and_place_without_its_text(
    client: KafkaGroupConsumer, events: list[ConsumerEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(_settings: object) -> None:
        raise ValueError("sasl.password=geheim")

    monkeypatch.setattr("consumers.runtime.kafka.consumer.Consumer", breaks)
    client._run()
    failed, closed = events[-2:]
    assert isinstance(failed, ConsumerFailed)
    assert isinstance(closed, Closed)
    assert failed.problem.sentence == "The Kafka client broke with ValueError: tell a developer"
    assert "test_consumer.py" in failed.problem.detail
    assert "geheim" not in repr(failed)


def test_a_client_that_is_closing_asks_for_no_committed_offsets(
    client: KafkaGroupConsumer, events: list[ConsumerEvent]
) -> None:
    """It would get no response, and leave its group five seconds later."""

    def unanswered(partitions: Sequence[Partition]) -> NoReturn:
        raise AssertionError(partitions)

    client._closing = True
    client._read_finished = unanswered  # type: ignore[method-assign] # what a closing client must not do
    client._on_assign(None, [TopicPartition("t", 1)])  # type: ignore[arg-type] # the consumer is not used
    assert isinstance(events[-1], Assigned)


@pytest.mark.parametrize("failure", [None, KafkaException(KafkaError(KafkaError._ALL_BROKERS_DOWN))])
def test_fault_an_assignment_that_arrives_before_the_close_is_served_before_it(
    client: KafkaGroupConsumer, failure: Exception | None
) -> None:
    client._consumer = of_librdkafka = Mock()
    of_librdkafka.consume.side_effect = failure
    client._close_client()
    assert [name for name, *_ in of_librdkafka.mock_calls] == ["consume", "close"]
