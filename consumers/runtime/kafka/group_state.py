"""Read what the brokers know of a consumer group: whether it has members, and its committed offsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException
from confluent_kafka.admin import AdminClient

from consumers.runtime.kafka.partition_reader import PartitionReadError
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """`committed`: for a topic and a partition, the offset of the next record to process."""

    group: str
    members: int
    committed: Mapping[tuple[str, int], int]


def read_group_state(settings: Mapping[str, Any], group: str) -> GroupState:
    """Return the state of a group; a group that does not exist has neither members nor offsets.

    Raises:
        PartitionReadError: Kafka does not answer, or refuses to show the group.
    """
    admin = AdminClient({**settings, "log_level": 0})
    try:
        described = admin.describe_consumer_groups([group], request_timeout=_TIMEOUT)[group].result(_TIMEOUT)
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=_TIMEOUT)
        found = asked[group].result(_TIMEOUT).topic_partitions
    except KafkaException as error:
        raise PartitionReadError(sentence_for(error.args[0], f"group {group}")) from None
    committed = {(each.topic, each.partition): each.offset for each in found or () if each.offset >= 0}
    return GroupState(group=group, members=len(described.members), committed=committed)
