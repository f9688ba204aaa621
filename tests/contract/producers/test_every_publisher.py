"""The contract of every publisher: the Kafka publisher and the recording publisher of unit tests."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Protocol

import pytest
from confluent_kafka import Consumer, TopicPartition

from producers.kafka_publisher import KafkaPublisher, producer_settings
from producers.publisher import Message, PublishError
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from producers.publisher import Publisher


class PublisherRig(Protocol):
    """A publisher, and access to what reached its topics."""

    @property
    def publisher(self) -> Publisher:
        """The publisher under test."""

    @property
    def topic(self) -> str:
        """A topic that exists."""

    @property
    def missing_topic(self) -> str:
        """A topic that does not exist."""

    def arrived(self, count: int) -> list[Message]:
        """Return the messages on the topic once there are at least `count`."""


class FakePublisherRig:
    topic = "results"
    missing_topic = "nowhere"

    def __init__(self) -> None:
        self.publisher = RecordingPublisher()
        self.publisher.fail_topic(self.missing_topic)

    def arrived(self, count: int) -> list[Message]:
        found = self.publisher.messages_on(self.topic)
        assert len(found) >= count
        return found


class KafkaPublisherRig:
    missing_topic = "no-such-topic"

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.bootstrap, self.topic = bootstrap, topic
        quick = {"topic.metadata.propagation.max.ms": 500}
        self.publisher = KafkaPublisher(producer_settings(bootstrap, quick))

    def arrived(self, count: int) -> list[Message]:
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "reader"})
        try:
            consumer.assign([TopicPartition(self.topic, 0, 0)])
            found = consumer.consume(count, 10)
        finally:
            consumer.close()
        assert len(found) == count
        return [
            Message(self.topic, m.key(), m.value(), tuple(m.headers() or ()))  # type: ignore[arg-type] # stubs
            for m in found
        ]


@pytest.fixture(params=["recording", "kafka"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[PublisherRig]:
    if request.param == "recording":
        yield FakePublisherRig()
        return
    make: Callable[..., str] = request.getfixturevalue("fresh_topics")
    real = KafkaPublisherRig(request.getfixturevalue("kafka_bootstrap"), make("results"))
    yield real
    await real.publisher.close()


async def test_what_is_published_is_there_when_publish_returns_and_in_order(rig: PublisherRig) -> None:
    messages = [Message(rig.topic, b"k", b"%d" % n) for n in range(20)]
    await rig.publisher.publish(messages[:10])
    await rig.publisher.publish(messages[10:])
    assert rig.arrived(20) == messages


async def test_bytes_headers_and_missing_values_arrive_unchanged(rig: PublisherRig) -> None:
    message = Message(rig.topic, None, None, (("ce_id", b"\x00\xff"), ("empty", None), ("ce_id", b"2")))
    await rig.publisher.publish([message])
    assert rig.arrived(1) == [message]


async def test_a_topic_that_does_not_exist_is_named(rig: PublisherRig) -> None:
    with pytest.raises(PublishError, match=rig.missing_topic):
        await rig.publisher.publish([Message(rig.missing_topic, b"k", b"v")])


async def test_one_failure_among_many_is_a_failure(rig: PublisherRig) -> None:
    with pytest.raises(PublishError, match=rig.missing_topic):
        await rig.publisher.publish([Message(rig.topic, b"k", b"v"), Message(rig.missing_topic, b"k", b"v")])


async def test_many_publishes_can_wait_at_once(rig: PublisherRig) -> None:
    await asyncio.gather(*(rig.publisher.publish([Message(rig.topic, b"%d" % n, b"v")]) for n in range(200)))
    assert len({message.key for message in rig.arrived(200)}) == 200


async def test_messages_are_sent_before_and_without_awaiting_the_result(rig: PublisherRig) -> None:
    never_awaited = rig.publisher.publish([Message(rig.topic, b"k", b"first")])
    await rig.publisher.publish([Message(rig.topic, b"k", b"second")])
    assert [message.value for message in rig.arrived(2)] == [b"first", b"second"]
    del never_awaited
    gc.collect()  # a coroutine that was never awaited would warn here


async def test_publishing_no_messages_returns_at_once(rig: PublisherRig) -> None:
    await rig.publisher.publish([])
