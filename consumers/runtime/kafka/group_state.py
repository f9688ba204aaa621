"""Read what the brokers know of a consumer group: whether it has members, and its committed offsets."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from consumers.runtime.kafka.partition_reader import PartitionReadError
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = 10.0  # seconds
_COORDINATOR_TIMEOUT, _PAUSE = 30.0, 0.5  # seconds; a cluster elects coordinators when it starts, and when brokers stop
_COORDINATOR_MOVES = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """`committed`: for each partition with a committed offset, that of the next record to process."""

    group: str
    members: int
    committed: Mapping[int, int]


def read_group_state(settings: Mapping[str, Any], group: str, topic: str) -> GroupState:
    """Return the state of a group on one topic; a group that does not exist has neither members nor offsets.

    Raises:
        PartitionReadError: Kafka does not answer, or refuses to show the group.
    """
    admin = AdminClient({**settings, "log_level": 0})
    deadline = time.monotonic() + _COORDINATOR_TIMEOUT
    while True:
        try:
            members = _count_members(admin, group)
            return GroupState(group=group, members=members, committed=_read_committed(settings, group, topic))
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() not in _COORDINATOR_MOVES or time.monotonic() > deadline:
                raise PartitionReadError(sentence_for(cause, f"group {group}")) from None
        time.sleep(_PAUSE)


def _count_members(admin: AdminClient, group: str) -> int:
    try:
        described = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT)[group].result(_TIMEOUT)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return 0
        raise
    return len(described.members)


def _read_committed(settings: Mapping[str, Any], group: str, topic: str) -> dict[int, int]:
    # Not with the admin client, whose version 2.16 ends the process if the coordinator is moving.
    with closing(Consumer({**settings, "group.id": group, "enable.auto.commit": False, "log_level": 0})) as consumer:
        numbers = consumer.list_topics(topic, timeout=_TIMEOUT).topics[topic].partitions
        found = consumer.committed([TopicPartition(topic, number) for number in numbers], timeout=_TIMEOUT)
    return {each.partition: each.offset for each in found if each.offset >= 0}
