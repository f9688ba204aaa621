"""Compare the topics that Southbound needs with those that Kafka has, and create what is missing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from confluent_kafka.cimpl import NewTopic

from producers.kafka_errors import sentence_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from confluent_kafka.admin._config import ConfigEntry

    from schemas.topics import Topic

PATIENCE = 20.0  # seconds the cluster has for one answer
COORDINATOR = 5.0  # seconds to find out who knows of a consumer group


class TopicsError(Exception):
    """Kafka did not answer, or refused; the sentence says which topic and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """What there is to do. `differences` are left to people: changing them could lose events or order."""

    missing: tuple[Topic, ...]
    present: tuple[Topic, ...]
    differences: tuple[str, ...]


class TopicAdmin:
    """Plan and create topics on one cluster."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        # The name is kept: a collected admin client ends its futures with an error.
        self._admin = AdminClient({**settings, "log_level": 0})
        self._servers = settings["bootstrap.servers"]

    def plan(self, topics: Sequence[Topic]) -> TopicPlan:
        """Compare.

        Raises:
            TopicsError: the cluster does not answer.
        """
        try:
            known = self._admin.list_topics(timeout=PATIENCE).topics
        except KafkaException as error:
            raise TopicsError(sentence_for(error.args[0], f"the cluster at {self._servers}")) from error
        present = tuple(topic for topic in topics if topic.name in known)
        fewer = [
            f"{topic.name} has {len(known[topic.name].partitions)} partitions, not {topic.partitions}: "
            "fine if that is meant; more can be added, but then the order of keys under way is lost"
            for topic in present
            if len(known[topic.name].partitions) != topic.partitions
        ]
        return TopicPlan(
            missing=tuple(topic for topic in topics if topic.name not in known),
            present=present,
            differences=(*fewer, *self._wrong_settings(present)),
        )

    def apply(self, plan: TopicPlan, *, replication: int = -1) -> None:
        """Create what is missing; -1 leaves the replication factor to the cluster.

        Raises:
            TopicsError: one of them could not be created; the others were.
        """
        if not plan.missing:
            return
        wanted = [_new(topic, replication) for topic in plan.missing]
        futures = self._admin.create_topics(wanted, operation_timeout=PATIENCE)
        failures = [failure for name, future in futures.items() if (failure := _failure(name, future))]
        if failures:
            raise TopicsError("; ".join(failures))

    def delete(self, topics: Sequence[Topic]) -> None:
        """Delete topics that were made for a while; one that is gone already is fine."""
        for future in self._admin.delete_topics([topic.name for topic in topics], operation_timeout=PATIENCE).values():
            with suppress(KafkaException, TimeoutError):
                future.result(PATIENCE)

    def forget(self, groups: Sequence[str]) -> None:
        """Delete consumer groups that were made for a while; one that never came to be is fine."""
        deleted = self._admin.delete_consumer_groups(list(groups), request_timeout=COORDINATOR)
        for future in deleted.values():
            # A broker whose first group this would have been has nobody yet who knows of groups.
            with suppress(KafkaException, TimeoutError):
                future.result(COORDINATOR)

    def _wrong_settings(self, topics: Sequence[Topic]) -> list[str]:
        resources = {ConfigResource(ResourceType.TOPIC, topic.name): topic for topic in topics}
        described = self._admin.describe_configs(list(resources)) if resources else {}
        found = [(resources[resource], future.result(PATIENCE)) for resource, future in described.items()]
        return [sentence for topic, settings in found for sentence in _differences(topic, settings)]


def _differences(topic: Topic, found: Mapping[str, ConfigEntry]) -> Iterator[str]:
    cleanup, largest = found["cleanup.policy"].value, found["max.message.bytes"].value
    if cleanup != topic.cleanup:
        yield f"{topic.name} has cleanup.policy {cleanup}, not {topic.cleanup}: events could vanish"
    if largest != str(topic.max_message_bytes):
        yield (
            f"{topic.name} has max.message.bytes {largest}, not {topic.max_message_bytes}: fine while the topic of dead"
            " letters takes far larger messages than all others; a letter that does not fit holds its key for ever"
        )


def _new(topic: Topic, replication: int) -> NewTopic:
    config = {"cleanup.policy": topic.cleanup, "max.message.bytes": str(topic.max_message_bytes)}
    if topic.retention_ms is not None:
        config["retention.ms"] = str(topic.retention_ms)
    return NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=replication, config=config)


def _failure(name: str, future: object) -> str | None:
    try:
        future.result(PATIENCE)  # type: ignore[attr-defined] # a concurrent.futures.Future
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        # Somebody else created it meanwhile: that is what we wanted.
        return None if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS else sentence_for(reason, f"topic {name}")
    return None
