"""A topic that is deleted and made anew after a restart of its broker is read again."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Producer

from consumers.runtime.backpressure import FlowControl
from consumers.runtime.commits.offsets import Commit
from consumers.runtime.config import WorkerConfig, consumer_settings
from consumers.runtime.consumer_port import Closed, Committed, RecordsReceived, Warned
from consumers.runtime.kafka.consumer import KafkaGroupConsumer
from southbound.broker.jvm import jvm_broker
from tests.harness.topic_made_anew import delete_topic, make_topic, port_of_jvm_broker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from consumers.runtime.consumer_port import ConsumerEvent
    from consumers.runtime.handler import Record

POLL = FlowControl(pause=frozenset(), resume=frozenset(), poll=True)


@pytest.fixture
def port() -> int:
    """A port for a broker of this test, which is restarted."""
    return port_of_jvm_broker()


def make_filled_topic(bootstrap: str, records: int) -> None:
    make_topic(bootstrap, "t", 2)
    produce(bootstrap, records)


def produce(bootstrap: str, records: int) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(records):
        producer.produce("t", b"%d" % number, partition=number % 2)
    assert producer.flush(60) == 0


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
        await asyncio.to_thread(make_filled_topic, broker.bootstrap, 10)
        config = WorkerConfig(role="r", group="g", dead_letter_topic="dlq", session_timeout=6.0)
        settings = consumer_settings(broker.bootstrap, config)
        client = KafkaGroupConsumer(settings, ["t"], session_timeout=6.0, revoke_timeout=1.0)
        client.start(events.append)
        await _poll_until(client, lambda: len(received()) >= 10)
        client.commit({record.partition: Commit(record.offset + 1) for record in received()})
        await _poll_until(client, lambda: told(Committed))
    with jvm_broker(print, folder=tmp_path, port=port) as broker:
        if seen_before:  # then librdkafka knows a higher leader epoch, and ignores the one of the new topic
            read = {(record.partition.number, record.offset) for record in received()}
            await asyncio.to_thread(produce, broker.bootstrap, 2)  # it has what it needs to read both partitions
            await _poll_until(client, lambda: len({(r.partition.number, r.offset) for r in received()} - read) == 2)
        await asyncio.to_thread(delete_topic, broker.bootstrap, "t")
        before = len(received())
        await asyncio.to_thread(make_filled_topic, broker.bootstrap, 6)
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
