"""Compare the topics that Southbound needs with those of Kafka, create missing ones, delete temporary ones."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
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


UNITS = {"day": 86_400_000, "hour": 3_600_000, "minute": 60_000, "second": 1_000, "millisecond": 1}


def topic_differences(expected: Topic, actual: Topic) -> Iterator[str]:
    """Yield a sentence for each difference. More partitions or a longer retention may be intended."""
    if actual.partitions != expected.partitions:
        yield (
            f"{actual.name} has {_count_noun(actual.partitions, 'partition')}, not {expected.partitions}: "
            "fine if intended; partitions can be added, but then the order of keys under way is lost"
        )
    if actual.cleanup != expected.cleanup:
        yield f"{actual.name} has cleanup.policy {actual.cleanup}, not {expected.cleanup}: events could be deleted"
    elif expected.cleanup == "delete" and _has_shorter_retention(actual, expected):
        yield (
            f"{actual.name} keeps records for {format_retention(actual.retention_ms)}, "
            f"not {format_retention(expected.retention_ms)}: unprocessed records are lost then; raise its retention.ms"
        )
    if actual.max_message_bytes != expected.max_message_bytes:
        yield (
            f"{actual.name} has max.message.bytes {actual.max_message_bytes}, not {expected.max_message_bytes}: fine "
            "while the dead letter topic accepts far larger messages than all others; one that does not fit "
            "blocks its key for ever"
        )


def format_retention(milliseconds: int | None) -> str:
    """Return a duration in the largest unit that it fills, such as `7 days`; None is `ever`."""
    if milliseconds is None:
        return "ever"
    name, unit = next(((n, u) for n, u in UNITS.items() if milliseconds >= u), ("millisecond", 1))
    return _count_noun(round(milliseconds / unit, 1), name)


def _has_shorter_retention(actual: Topic, expected: Topic) -> bool:
    return actual.retention_ms is not None and actual.retention_ms < (expected.retention_ms or 0)


def _count_noun(number: float, thing: str) -> str:
    return f"{number:g} {thing}" if number == 1 else f"{number:g} {thing}s"


ADMIN_TIMEOUT = 10.0  # seconds for one response of the cluster

COORDINATOR_TIMEOUT = 5.0  # seconds to find the coordinator of a consumer group


class TopicsError(Exception):
    """Kafka does not answer, or refuses a request; the message names the topic and the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """The topics to create, and those that exist, with their actual settings.

    `differences` are only reported: changing an existing topic could lose events or their order.
    """

    missing: tuple[Topic, ...]
    present: tuple[Topic, ...]
    differences: tuple[str, ...]


class TopicAdmin:
    """Plans, creates and deletes topics on one cluster."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        # The client is kept: a collected admin client ends its futures with an error.
        self._admin = AdminClient({**settings, "log_level": 0})
        self._servers = settings["bootstrap.servers"]

    def plan(self, topics: Sequence[Topic]) -> TopicPlan:
        """Compare these topics with those of the cluster.

        Raises:
            TopicsError: the cluster does not answer.
        """
        try:
            known = self._admin.list_topics(timeout=ADMIN_TIMEOUT).topics
            expected = {topic.name: topic for topic in topics if topic.name in known}
            present = self._describe_topics(expected, {name: len(known[name].partitions) for name in expected})
        except KafkaException as error:  # no answer, or this user may not describe topics
            raise TopicsError(sentence_for(error.args[0], f"the cluster at {self._servers}")) from error
        return TopicPlan(
            missing=tuple(topic for topic in topics if topic.name not in known),
            present=tuple(present),
            differences=tuple(
                difference for topic in present for difference in topic_differences(expected[topic.name], topic)
            ),
        )

    def apply(self, plan: TopicPlan, *, replication: int = -1) -> None:
        """Create the missing topics; `replication` -1 leaves the replication factor to the cluster.

        Raises:
            TopicsError: a topic could not be created; the others were.
        """
        if not plan.missing:
            return
        new_topics = [_new_topic(topic, replication) for topic in plan.missing]
        futures = self._admin.create_topics(new_topics, operation_timeout=ADMIN_TIMEOUT)
        failures = [failure for name, future in futures.items() if (failure := _creation_error(name, future))]
        if failures:
            raise TopicsError("; ".join(failures))

    def delete_topics(self, topics: Sequence[Topic]) -> None:
        """Delete temporary topics; a missing one is ignored."""
        for future in self._admin.delete_topics(
            [topic.name for topic in topics], operation_timeout=ADMIN_TIMEOUT
        ).values():
            with suppress(KafkaException, TimeoutError):
                future.result(ADMIN_TIMEOUT)

    def delete_groups(self, groups: Sequence[str]) -> None:
        """Delete temporary consumer groups; a missing one is ignored."""
        deleted = self._admin.delete_consumer_groups(list(groups), request_timeout=COORDINATOR_TIMEOUT)
        for future in deleted.values():
            # A broker without any group so far has no coordinator.
            with suppress(KafkaException, TimeoutError):
                future.result(COORDINATOR_TIMEOUT)

    def _describe_topics(self, expected: Mapping[str, Topic], partitions: Mapping[str, int]) -> list[Topic]:
        resources = {ConfigResource(ResourceType.TOPIC, name): name for name in expected}
        described = self._admin.describe_configs(list(resources)) if resources else {}
        settings = {resources[resource]: future.result(ADMIN_TIMEOUT) for resource, future in described.items()}
        return [_actual_topic(topic, settings[name], partitions[name]) for name, topic in expected.items()]


def _actual_topic(topic: Topic, config: Mapping[str, ConfigEntry], partitions: int) -> Topic:
    retention = int(config["retention.ms"].value or -1)
    return replace(
        topic,
        partitions=partitions,
        cleanup=config["cleanup.policy"].value or "",
        retention_ms=None if retention < 0 else retention,
        max_message_bytes=int(config["max.message.bytes"].value or 0),
    )


def _new_topic(topic: Topic, replication: int) -> NewTopic:
    config = {"cleanup.policy": topic.cleanup, "max.message.bytes": str(topic.max_message_bytes)}
    if topic.retention_ms is not None:
        config["retention.ms"] = str(topic.retention_ms)
    return NewTopic(topic.name, num_partitions=topic.partitions, replication_factor=replication, config=config)


def _creation_error(name: str, future: object) -> str | None:
    try:
        future.result(ADMIN_TIMEOUT)  # type: ignore[attr-defined] # a concurrent.futures.Future
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        # Another process has created it meanwhile.
        return None if reason.code() == KafkaError.TOPIC_ALREADY_EXISTS else sentence_for(reason, f"topic {name}")
    return None
