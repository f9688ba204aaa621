"""An event with its headers, and the codec of both: the one way to Kafka and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from schemas.catalogue import ce_type_of
from schemas.codec.cloudevents import EventHeaders, parse_structured_event, parse_time, read_headers, write_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from schemas.catalogue import EventData
    from schemas.codec.cloudevents import KafkaHeaders, StructuredEvent
    from schemas.codec.codec import Codec


class Event(NamedTuple):
    """A message and its headers.

    `may_repeat`: it may have led to a POST before, of which the run store does not know.
    """

    headers: EventHeaders
    data: EventData
    may_repeat: bool = False

    @property
    def id(self) -> str:
        """The event's id, never empty."""
        return self.headers.id

    @property
    def type(self) -> str:
        """The CloudEvents type of the data, whatever the header says."""
        return ce_type_of(type(self.data))


class Envelope:
    """Encodes and decodes events. `source` is written on events that do not name their own."""

    def __init__(self, codec: Codec, *, source: str = "/southbound") -> None:
        self._codec = codec
        self._source = source

    def encode(self, event: Event) -> tuple[bytes, KafkaHeaders]:
        """Return value and headers; type and content type follow from the data and the codec.

        Raises:
            UnencodableError: the message was made without its model's validation and a field does not fit.
        """
        value = self._codec.encode(event.data)
        return value, write_headers(
            event.headers, type_=event.type, content_type=self._codec.content_type_of(event.data), source=self._source
        )

    def decode(
        self,
        value: bytes | None,
        headers: Iterable[tuple[str, bytes | None]] | None,
        *,
        fallback_id: str | Callable[[], str],
    ) -> Event:
        """Return an event; one without an id gets `fallback_id`, made from the position of its record.

        Raises:
            UndecodableError: the bytes are no event; the message says why and what to do.
        """
        read = read_headers(headers, fallback_id=fallback_id)
        structured = parse_structured_event(value, read.content_type) if value else None
        if structured is not None:
            read, value = _merge_attributes(read, structured), structured.data
        return Event(headers=read, data=self._codec.decode(value, ce_type=read.type))


def _merge_attributes(headers: EventHeaders, structured: StructuredEvent) -> EventHeaders:
    attributes = structured.attributes
    return headers._replace(
        id=attributes.get("id") or headers.id,
        type=attributes.get("type") or headers.type,
        source=attributes.get("source") or headers.source,
        time=parse_time(attributes.get("time")) or headers.time,
        subject=attributes.get("subject") or headers.subject,
        traceparent=attributes.get("traceparent") or headers.traceparent,
    )
