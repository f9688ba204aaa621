"""Reach Kafka for one command: wait for it, publish to it, and say in one sentence what is wrong with it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from consumers.runtime.kafka.readiness import KafkaNotReadyError, wait_for_kafka
from producers.event_publisher import EventPublisher
from producers.kafka_publisher import KafkaPublisher
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope
from schemas.codec.schema_registry import RegistryError, resolve_ids
from schemas.topics import TopicNames
from southbound.cli.exit_codes import invalid_input, unreachable
from southbound.operations.console import print_status
from southbound.service.kafka_settings import client_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from southbound.settings.settings import Settings


async def wait_until_reachable(settings: Settings, topics: Collection[str] = ()) -> None:
    """Wait for Kafka and these topics as long as the settings say, or end the command."""
    try:
        await wait_for_kafka(
            client_settings(settings.kafka),
            topics,
            budget=settings.kafka.start_timeout,
            report=lambda reason: print_status(f"waiting: {reason}"),
        )
    except KafkaNotReadyError as error:
        raise unreachable(str(error)) from None


async def make_envelope(settings: Settings, source: str) -> Envelope:
    """Make the envelope that these settings want: with a registry's ids where there is one."""
    try:
        registry = settings.kafka.registry
        ids = await asyncio.to_thread(resolve_ids, registry.get_secret_value()) if registry else None
    except RegistryError as error:
        raise invalid_input([str(error)]) from None
    return Envelope(Codec(registry=ids), source=source)


@asynccontextmanager
async def open_publisher(settings: Settings, source: str) -> AsyncIterator[EventPublisher]:
    """Have a publisher of events while the block runs."""
    envelope = await make_envelope(settings, source)
    kafka = KafkaPublisher(client_settings(settings.kafka))
    try:
        yield EventPublisher(publisher=kafka, envelope=envelope, topics=TopicNames(settings.kafka.prefix))
    finally:
        await kafka.close()
