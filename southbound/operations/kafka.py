"""Connect a command to Kafka: wait until it answers, encode events, and publish."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from consumers.runtime.kafka.readiness import KafkaNotReadyError, wait_for_kafka
from consumers.table_topic.port import TableTopicError
from producers.event_publisher import EventPublisher
from producers.kafka_publisher import KafkaPublisher
from schemas.catalogue import NOTIFICATIONS
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.codec.schema_registry import RegistryError, resolve_ids
from schemas.topics import TopicNames
from southbound.exit_codes import invalid_input, unreachable
from southbound.operations.console import print_status
from southbound.service.kafka_settings import client_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection

    from consumers.table_topic.kafka_table_topic import KafkaCompactedTopic
    from southbound.settings.settings import Settings


C = TypeVar("C", bound="KafkaCompactedTopic[Any]")
T = TypeVar("T")

MAX_WAIT = 8.0  # seconds; the last request may take two more. A person waits, while a service may start before Kafka.


async def wait_until_reachable(settings: Settings, topics: Collection[str] = ()) -> None:
    """Wait until Kafka answers and has these topics.

    Raises:
        CommandFailedError: it does not within 10 seconds, or within a shorter `kafka.start_timeout`.
    """
    try:
        await wait_for_kafka(
            client_settings(settings.kafka),
            topics,
            max_wait=min(settings.kafka.start_timeout, MAX_WAIT),
            on_reason=lambda reason: print_status(f"waiting: {reason}"),
        )
    except KafkaNotReadyError as error:
        raise unreachable(str(error)) from None


def query_compacted_topic(settings: Settings, topic: C, query: Callable[[C], Awaitable[T]]) -> T:
    """Run `query` on a compacted topic.

    Raises:
        CommandFailedError: Kafka does not answer.
    """

    async def run_query() -> T:
        await wait_until_reachable(settings, [topic.name])
        return await query(topic)

    try:
        return asyncio.run(run_query())
    except TableTopicError as error:
        raise unreachable(str(error)) from None


async def make_envelope(settings: Settings, source: str) -> Envelope:
    """Return the envelope that encodes events of `source`, with the ids of the schema registry if there is one.

    Raises:
        CommandFailedError: the registry cannot be read.
    """
    try:
        registry = settings.kafka.registry
        ids = await asyncio.to_thread(resolve_ids, registry.get_secret_value()) if registry else None
    except RegistryError as error:
        raise invalid_input([str(error)]) from None
    json_models = NOTIFICATIONS if settings.kafka.notifies_in_json else frozenset()
    return Envelope(Codec(json_models=json_models, registry=ids), source=source)


@asynccontextmanager
async def open_publisher(settings: Settings, source: str) -> AsyncIterator[EventPublisher]:
    """Open a publisher of events for the duration of the block."""
    envelope = await make_envelope(settings, source)
    kafka = KafkaPublisher(client_settings(settings.kafka))
    try:
        yield EventPublisher(publisher=kafka, envelope=envelope, topics=TopicNames(settings.kafka.prefix))
    finally:
        await kafka.close()
