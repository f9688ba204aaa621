"""Read what the brokers know of a consumer group, also while its coordinator moves."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from consumers.runtime.kafka.committed_offsets import committed_positions
from consumers.runtime.kafka.partition_reader import PartitionReadError
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

_TIMEOUT = 10.0  # seconds
_COORDINATOR_TIMEOUT, _PAUSE = 30.0, 0.5  # seconds; a cluster elects coordinators when it starts, and when brokers stop
_COORDINATOR_MOVES = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}


def count_members(settings: Mapping[str, Any], group: str) -> int:
    """Return how many members a group has; a group that does not exist has none.

    Raises:
        PartitionReadError: Kafka does not answer, or refuses to show the group.
    """
    admin = AdminClient({**settings, "log_level": 0})
    return _from_coordinator(group, lambda: _count_members(admin, group))


def read_committed_offsets(settings: Mapping[str, object], group: str, topic: str) -> dict[int, int]:
    """Return, for each partition with a committed offset, that of the next record to process.

    Raises:
        PartitionReadError: Kafka does not answer, or refuses to show the group.
    """
    found = _from_coordinator(group, lambda: committed_positions(settings, group, topic))
    return {each.partition: each.offset for each in found}


def _from_coordinator(group: str, read: Callable[[], T]) -> T:
    deadline = time.monotonic() + _COORDINATOR_TIMEOUT
    while True:
        try:
            return read()
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
