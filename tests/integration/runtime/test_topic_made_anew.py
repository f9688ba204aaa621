"""A topic that is deleted and made anew after a restart of its broker is read again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from consumers.runtime.backpressure import FlowControl
from consumers.runtime.commits.offsets import Commit
from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.consumer_port import Closed, Committed, RecordsReceived, Warned
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from southbound.broker.broker import BrokerUnavailableError
from southbound.broker.java import find_java
from southbound.broker.jvm import jvm_broker
from tests.harness.ports import a_quiet_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consumers.runtime.consumer_port import ConsumerEvent
    from consumers.runtime.handler import Record

POLL = FlowControl(pause=frozenset(), resume=frozenset(), poll=True)


@pytest.fixture
def port() -> int:
    """A port for a broker of this test, which is restarted."""
    try:
        find_java()
    except BrokerUnavailableError as error:
        pytest.skip(str(error))
    return a_quiet_port()


def make_topic(bootstrap: str, records: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})  # kept: a collected one ends its futures with an error
    for future in admin.create_topics([NewTopic("t", 2)]).values():
        future.result(60)
    produce(bootstrap, records)


def produce(bootstrap: str, records: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(records):
        producer.produce("t", b"%d" % number, partition=number % 2)
    assert producer.flush(60) == 0


def delete_topic(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.delete_topics(["t"]).values():
        future.result(60)


@pytest.mark.parametrize("seen_before", [True, False], ids=["restart was seen", "made anew at once"])
async def test_a_topic_that_is_made_anew_is_read_again_and_told(
    tmp_path: Path,
    port: int,
    seen_before: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    events: list[ConsumerEvent] = []

    def received() -> list[Record]:
        return [record for event in events if isinstance(event, RecordsReceived) for record in event.records]

    def told(kind: type[ConsumerEvent]) -> bool:
        return any(isinstance(event, kind) for event in events)

    with jvm_broker(print, folder=tmp_path, port=port) as broker:
        await asyncio.to_thread(make_topic, broker.bootstrap, 10)
        config = WorkerConfig(role="r", group="g", dead_letter_topic="dlq", session_timeout=6.0)
        settings = consumer_settings(broker.bootstrap, config)
        client = KafkaGroupConsumer(settings, ["t"], session_timeout=6.0, revoke_timeout=1.0)
        client.start(events.append)
        await _poll_until(client, lambda: len(received()) >= 10)
        client.commit({record.partition: Commit(record.offset + 1) for record in received()})
        await _poll_until(client, lambda: told(Committed))
    with jvm_broker(print, folder=tmp_path, port=port) as broker:
        if seen_before:  # then librdkafka knows a higher leader epoch, and ignores the one of the new topic
            await asyncio.to_thread(produce, broker.bootstrap, 2)  # it has what it needs to read both partitions
            read = {(record.partition.number, record.offset) for record in received()}
            await _poll_until(client, lambda: len({(r.partition.number, r.offset) for r in received()} - read) == 2)
        await asyncio.to_thread(delete_topic, broker.bootstrap)
        before = len(received())
        await asyncio.to_thread(make_topic, broker.bootstrap, 6)
        await _poll_until(client, lambda: len({(r.partition.number, r.offset) for r in received()[before:]}) == 6)
        client.close()
        await _poll_until(client, lambda: told(Closed))
    codes = {event.problem.code: event.problem.sentence for event in events if isinstance(event, Warned)}
    if seen_before:  # otherwise librdkafka may notice it by itself
        assert "topic t is owned by group g and is not read" in codes["PARTITION_NOT_READ"]
    assert "the topic was deleted and made anew, or lost records" in codes["TOPIC_MADE_ANEW"]
    assert sorted({record.value or b"" for record in received()[before:]}) == [b"%d" % number for number in range(6)]


async def _poll_until(client: KafkaGroupConsumer, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        client.control_flow(POLL)
        await asyncio.sleep(0.05)
