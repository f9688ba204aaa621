"""The Kafka publisher reports each failure with its cause, never blocks the event loop and loses no message."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, TopicPartition

from producers.kafka_publisher import KafkaPublisher, producer_settings
from producers.publisher import Message, PublishError, RecordTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable


def end_offset(bootstrap: str, topic: str) -> int:
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader"})
    try:
        _, high = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=60)
        return high
    finally:
        reader.close()


async def test_a_message_larger_than_the_topic_allows_is_refused_with_the_remedy(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("results", **{"max.message.bytes": "1000"})
    publisher = KafkaPublisher(producer_settings(kafka_bootstrap, {"compression.type": "none"}))
    with pytest.raises(PublishError, match=f"too large for topic {topic}: raise the topic's `max.message.bytes`"):
        await publisher.publish([Message(topic, b"k", b"x" * 5_000)])
    await publisher.publish([Message(topic, b"k", b"small")])
    await publisher.close()


async def test_a_message_that_is_too_large_does_not_fail_the_small_messages_of_its_batch(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("results", **{"max.message.bytes": "5000"})
    publisher = KafkaPublisher(producer_settings(kafka_bootstrap, {"compression.type": "none", "linger.ms": 50}))
    small = [Message(topic, b"%d" % n, b"x" * 1_000) for n in range(50)]
    large = Message(topic, b"k", b"x" * 6_000)
    outcomes = await asyncio.gather(
        *(publisher.publish([message]) for message in (*small[:25], large, *small[25:])), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [*[type(None)] * 25, RecordTooLargeError, *[type(None)] * 25]
    await publisher.close()
    assert end_offset(kafka_bootstrap, topic) == 50


async def test_a_message_larger_than_the_client_allows_fails_at_once() -> None:
    publisher = KafkaPublisher(producer_settings("127.0.0.1:1", {"message.max.bytes": 1_000}))
    with pytest.raises(PublishError, match="too large for topic results"):
        await publisher.publish([Message("results", b"k", b"x" * 5_000)])
    await publisher.close(0.0)


async def test_an_unreachable_kafka_fails_a_publish_after_the_message_timeout() -> None:
    publisher = KafkaPublisher(producer_settings("127.0.0.1:1", {"message.timeout.ms": 300}))
    with pytest.raises(PublishError, match="did not acknowledge a message for topic results in time"):
        await publisher.publish([Message("results", b"k", b"v")])
    await publisher.close(0.0)


async def test_a_queue_that_is_full_again_and_again_takes_every_message(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("results")
    publisher = KafkaPublisher(producer_settings(kafka_bootstrap, {"queue.buffering.max.messages": 10}))
    await publisher.publish([Message(topic, b"%d" % n, b"v") for n in range(300)])
    await publisher.close()
    assert end_offset(kafka_bootstrap, topic) == 300


async def test_a_full_queue_waits_without_blocking_the_loop() -> None:
    settings = {"queue.buffering.max.messages": 10, "message.timeout.ms": 600_000}
    publisher = KafkaPublisher(producer_settings("127.0.0.1:1", settings))  # so the queue stays full
    waiting = asyncio.ensure_future(publisher.publish([Message("results", b"%d" % n, b"v") for n in range(300)]))
    for _ in range(100):  # a loop that waits for room would not come back from the first one
        await asyncio.sleep(0.001)
    assert not waiting.done()
    await publisher.close(0.0)
    with pytest.raises(PublishError, match="topic results"):
        await waiting


async def test_closing_sends_pending_messages_and_refuses_later_ones(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("results")
    publisher = KafkaPublisher(producer_settings(kafka_bootstrap, {"linger.ms": 2_000}))
    waiting = asyncio.ensure_future(publisher.publish([Message(topic, b"k", b"v")]))
    await asyncio.sleep(0)
    await publisher.close()
    await waiting
    with pytest.raises(PublishError, match="the publisher is closed"):
        await publisher.publish([Message(topic, b"k", b"late")])
    assert end_offset(kafka_bootstrap, topic) == 1


async def test_closing_while_kafka_is_unavailable_fails_every_pending_publish() -> None:
    publisher = KafkaPublisher(producer_settings("127.0.0.1:1"))
    waiting = asyncio.ensure_future(publisher.publish([Message("results", b"k", b"v")]))
    await asyncio.sleep(0)
    await publisher.close(0.1)
    with pytest.raises(PublishError, match="topic results"):
        await waiting


async def test_a_cancelled_publish_does_not_affect_the_others(
    kafka_bootstrap: str, fresh_topics: Callable[..., str]
) -> None:
    topic = fresh_topics("results")
    publisher = KafkaPublisher(producer_settings(kafka_bootstrap, {"linger.ms": 50}))
    impatient = asyncio.ensure_future(publisher.publish([Message(topic, b"a", b"v")]))
    patient = asyncio.ensure_future(publisher.publish([Message(topic, b"b", b"v")]))
    await asyncio.sleep(0)
    impatient.cancel()
    await patient
    await publisher.close()
    assert end_offset(kafka_bootstrap, topic) == 2
