"""Publish lifecycle events from any service: a run is requested, changed or cancelled.

async with LifecycleProducer("kafka:9092", source="/problem-management") as runs:
    await runs.request(RunDocument(run_id="TR0001", …))
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from uuid import uuid4

from producers.event_publisher import EventPublisher
from producers.kafka_publisher import KafkaPublisher, producer_settings
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.codec.schema_registry import resolve_ids
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.topics import TopicNames

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.lifecycle import LifecycleEvent
    from schemas.run_document import RunDocument


class LifecycleProducer:
    """Publishes lifecycle events; every call returns the event's id when Kafka has acknowledged the event.

    A call that raises PublishError may be repeated with the same `event_id`: an event that was published twice is
    processed once.

    Args:
        bootstrap: Kafka's bootstrap servers.
        source: the CloudEvents source, which names the publishing service.
        prefix: goes before the topic's name, as the setting `kafka.prefix` of Southbound does.
        client: settings for librdkafka, such as `security.protocol`; they override the defaults.
        registry: URL of a schema registry, if Southbound uses one.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        source: str,
        prefix: str = "",
        client: Mapping[str, object] | None = None,
        registry: str | None = None,
    ) -> None:
        self._settings = producer_settings(bootstrap, client)
        self._source = source
        self._topics = TopicNames(prefix)
        self._registry = registry

    async def __aenter__(self) -> Self:
        """Open the producer.

        Raises:
            RegistryError: the registry does not answer, or does not have the schemas.
        """
        ids = await asyncio.to_thread(resolve_ids, self._registry) if self._registry else None
        self._publisher = KafkaPublisher(self._settings)
        envelope = Envelope(Codec(registry=ids), source=self._source)
        self._events = EventPublisher(publisher=self._publisher, envelope=envelope, topics=self._topics)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._publisher.close()

    async def request(self, run: RunDocument, *, event_id: str | None = None) -> str:
        """Publish the request of a run, or of a root with its children; return the event's id.

        Raises:
            PublishError: Kafka did not acknowledge it.
        """
        return await self._publish(RunRequested(run=run), run.run_id, event_id)

    async def change(self, run: RunDocument, reason: str | None = None, *, event_id: str | None = None) -> str:
        """Publish the change of a run to this complete document, whose `version` is higher than before.

        Returns the event's id.

        Raises:
            PublishError: Kafka did not acknowledge it.
        """
        return await self._publish(RunChanged(run=run, reason=reason), run.run_id, event_id)

    async def cancel(
        self, run_id: str, root_run_id: str | None = None, reason: str | None = None, *, event_id: str | None = None
    ) -> str:
        """Publish the cancellation of a run, or of a root with its children; return the event's id.

        A child needs `root_run_id`, because that is the key of the record.

        Raises:
            PublishError: Kafka did not acknowledge it.
        """
        event = RunCancelled(run_id=run_id, root_run_id=root_run_id or run_id, reason=reason)
        return await self._publish(event, run_id, event_id)

    async def _publish(self, event: LifecycleEvent, run_id: str, event_id: str | None) -> str:
        headers = EventHeaders(id=event_id or str(uuid4()), time=datetime.now(UTC), subject=run_id)
        await self._events.publish([Event(headers=headers, data=event)])
        return headers.id
