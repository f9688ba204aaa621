"""Read what consumer groups have committed, and the bounds of topics, without joining a group."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumers.runtime.kafka.readiness import KafkaNotReadyError
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TIMEOUT = 10.0  # seconds for one response
# A process may have no right to see the groups and topics of other roles.
_NOT_FOR_US = {
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - librdkafka's spelling
    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - the same
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedOffset:
    """What a group has committed for one partition."""

    group: str
    topic: str
    partition: int
    offset: int
    metadata: str | None


def committed_positions(settings: Mapping[str, object], group: str, topic: str) -> list[CommittedOffset]:
    """Return what a group has committed for a topic, of the partitions with a committed offset.

    Raises:
        KafkaException: Kafka does not answer, or refuses to show the group or the topic.
    """
    # Not with the admin client, whose version 2.16 ends the process if the coordinator is moving.
    with closing(_consumer(settings, group)) as consumer:
        asked = _partitions(consumer, topic)
        found = consumer.committed(asked, TIMEOUT) if asked else []
    for position in found:
        if position.error is not None:
            raise KafkaException(position.error)
    return [
        CommittedOffset(group=group, topic=topic, partition=p.partition, offset=p.offset, metadata=p.metadata)
        for p in found
        if p.offset >= 0
    ]


def read_committed(settings: Mapping[str, object], group: str, topic: str) -> list[CommittedOffset]:
    """Return what a group has committed for a topic; nothing if this user may not see it.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    with _as_far_as_visible(group):
        return committed_positions(settings, group, topic)
    return []


def read_log_bounds(settings: Mapping[str, object], topic: str) -> dict[int, tuple[int, int]]:
    """Return the offsets of the first record that is kept and of the next record, of each partition.

    Nothing if this user may not see the topic, or if there is no such topic.

    Raises:
        KafkaNotReadyError: Kafka does not answer.
    """
    bounds: dict[int, tuple[int, int]] = {}
    with _as_far_as_visible("unused"), closing(_consumer(settings, "unused")) as consumer:
        for partition in _partitions(consumer, topic):
            bounds[partition.partition] = consumer.get_watermark_offsets(partition, TIMEOUT)
    return bounds


def _partitions(consumer: Consumer, topic: str) -> list[TopicPartition]:
    described = consumer.list_topics(topic, TIMEOUT).topics[topic]
    if described.error is not None:
        raise KafkaException(described.error)
    return [TopicPartition(topic, number) for number in described.partitions]


def _consumer(settings: Mapping[str, object], group: str) -> Consumer:
    return Consumer({**settings, "group.id": group, "enable.auto.commit": False, "log_level": 0})


@contextmanager
def _as_far_as_visible(group: str) -> Iterator[None]:
    """End the block early where this user may not see something."""
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() not in _NOT_FOR_US:
            raise KafkaNotReadyError(sentence_for(error.args[0], f"consumer group {group}")) from error
