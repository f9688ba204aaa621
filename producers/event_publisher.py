"""Publish events: each to its own topic, under its own key, acknowledged by Kafka."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from producers.publisher import Message
from schemas.partition_keys import key_of, topic_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from producers.publisher import Publisher
    from schemas.codec.envelope import Envelope, Event
    from schemas.topics import TopicNames


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPublisher:
    """Publishes events: chooses topic and key, encodes, and hands the bytes to the publisher."""

    publisher: Publisher
    envelope: Envelope
    topics: TopicNames

    def publish(self, events: Iterable[Event]) -> Awaitable[None]:
        """Hand events to the publisher; awaiting the result returns when Kafka has every one.

        Raises:
            PublishError: at least one was not acknowledged; publishing them all again is safe, the ids stay.
        """
        return self.publisher.publish([self._to_record(event) for event in events])

    def _to_record(self, event: Event) -> Message:
        value, headers = self.envelope.encode(event)
        return Message(topic_of(self.topics, event.data), key_of(event.data).encode(), value, headers)
