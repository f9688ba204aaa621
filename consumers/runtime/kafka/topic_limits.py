"""Read how long a topic keeps its records, how large they may be, and which topic it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from consumers.runtime.kafka.readiness import KafkaNotReadyError
from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from confluent_kafka.admin._config import ConfigEntry

TIMEOUT = 10.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicLimits:
    """The limits of a topic; None for one that its cluster does not show. No end of retention is `float("inf")`."""

    retention_ms: float | None
    max_message_bytes: int | None


def read_topic_limits(settings: Mapping[str, Any], topics: Collection[str]) -> dict[str, TopicLimits]:
    """Return the limits of those topics that the cluster has.

    Raises:
        KafkaNotReadyError: the cluster does not answer.
    """
    admin = AdminClient({**settings, "log_level": 0})
    try:
        known = admin.list_topics(timeout=TIMEOUT).topics
    except KafkaException as error:
        where = f"the cluster at {settings['bootstrap.servers']}"
        raise KafkaNotReadyError(sentence_for(error.args[0], where)) from None
    return {topic: _limits_of(admin, topic) for topic in topics if topic in known}


def read_identity(settings: Mapping[str, Any], topic: str) -> tuple[str, str]:
    """Return the ids of the cluster at these addresses and of its topic; the latter is empty if it shows none.

    Images of Kafka give every cluster the same id unless they are told another one; that of a topic is always its own.

    Raises:
        KafkaNotReadyError: the cluster does not answer.
    """
    admin = AdminClient({**settings, "log_level": 0})
    try:
        cluster = str(admin.list_topics(timeout=TIMEOUT).cluster_id)
    except KafkaException as error:
        where = f"the cluster at {settings['bootstrap.servers']}"
        raise KafkaNotReadyError(sentence_for(error.args[0], where)) from None
    try:
        described = admin.describe_topics(TopicCollection([topic]), request_timeout=TIMEOUT)[topic].result(TIMEOUT)
    except KafkaException:
        return cluster, ""
    return cluster, str(described.topic_id)


def _limits_of(admin: AdminClient, topic: str) -> TopicLimits:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    try:
        entries = admin.describe_configs([resource], request_timeout=TIMEOUT)[resource].result(TIMEOUT)
    except KafkaException:  # the client may read the topic, and not its configuration
        return TopicLimits(retention_ms=None, max_message_bytes=None)
    retention, size = _number(entries, "retention.ms"), _number(entries, "max.message.bytes")
    kept = float("inf") if retention is not None and retention < 0 else retention
    return TopicLimits(retention_ms=kept, max_message_bytes=size)


def _number(entries: Mapping[str, ConfigEntry], name: str) -> int | None:
    entry = entries.get(name)
    try:
        return None if entry is None or entry.value is None else int(entry.value)
    except ValueError:
        return None
