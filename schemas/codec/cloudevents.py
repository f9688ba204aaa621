"""CloudEvents attributes as Kafka headers, and our own headers beside them.

CloudEvents Kafka protocol binding 1.0.2 §3.2 (binary mode): attribute `x` is header `ce_x`, text in UTF-8.
"""

from __future__ import annotations

import json
from base64 import b64decode
from codecs import BOM_UTF8
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from schemas.codec.errors import InvalidEventError, UnreadableBytesError
from schemas.exact_numbers import inexact_number, inexact_number_sentence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    KafkaHeaders = tuple[tuple[str, bytes | None], ...]


_SPEC_VERSION = ("ce_specversion", b"1.0")
REPLAY_HEADER = "southbound-replay"
REPLAY_ID_PREFIX = "replay-"  # of the id of a replay; a redrive has another one


class EventHeaders(NamedTuple):
    """What is known of an event besides its data; None for what was not sent.

    `decision` is written `table@version#row`, `replay` names the replay or redrive that the event comes from.
    `wrong_key` is the key of the record that this follows from, where that key is not the id of the root run.
    """

    id: str
    type: str | None = None
    source: str | None = None
    time: datetime | None = None
    subject: str | None = None
    traceparent: str | None = None
    content_type: str | None = None
    decision: str | None = None
    request_id: str | None = None
    replay: str | None = None
    wrong_key: str | None = None

    @property
    def is_replayed(self) -> bool:
        """Whether the event comes from a replay: it was recorded before, and is read again as it was."""
        return self.replay is not None and self.replay.startswith(REPLAY_ID_PREFIX)

    @property
    def is_redriven(self) -> bool:
        """Whether the event comes from a redrive: a person decided that it is attempted again."""
        return self.replay is not None and not self.is_replayed


_FIELD_OF_HEADER = {
    "ce_id": "id",
    "ce_type": "type",
    "ce_source": "source",
    "ce_time": "time",
    "ce_subject": "subject",
    "content-type": "content_type",
    "traceparent": "traceparent",
    "southbound-decision": "decision",
    "southbound-request-id": "request_id",
    REPLAY_HEADER: "replay",
    "southbound-wrong-key": "wrong_key",
}


def read_headers(
    headers: Iterable[tuple[str, bytes | None]] | None, *, fallback_id: str | Callable[[], str]
) -> EventHeaders:
    """Read the headers leniently: one that is missing, empty or no text counts as not sent."""
    found: dict[str, str] = {}
    for name, raw in headers or ():
        field = _FIELD_OF_HEADER.get(name) or _FIELD_OF_HEADER.get(name.lower())
        text = _decode_text(raw) if field else ""
        if field and text:
            found[field] = text
    return EventHeaders(
        id=found.get("id") or (fallback_id if isinstance(fallback_id, str) else fallback_id()),
        type=found.get("type"),
        source=found.get("source"),
        time=parse_time(found.get("time")),
        subject=found.get("subject"),
        traceparent=found.get("traceparent"),
        content_type=found.get("content_type"),
        decision=found.get("decision"),
        request_id=found.get("request_id"),
        replay=found.get("replay"),
        wrong_key=found.get("wrong_key"),
    )


def read_type(headers: Iterable[tuple[str, bytes | None]] | None) -> str | None:
    """Return the CloudEvents type only."""
    for name, raw in headers or ():
        if name == "ce_type" or name.lower() == "ce_type":
            return _decode_text(raw) or None
    return None


def write_headers(headers: EventHeaders, *, type_: str, content_type: str, source: str) -> KafkaHeaders:
    """Write the headers in a fixed order; `source` is used if the event names none."""
    kind = _shared_headers(type_, headers.source or source, content_type)
    written: list[tuple[str, bytes | None]] = [_SPEC_VERSION, ("ce_id", headers.id.encode()), *kind]
    if headers.time is not None:
        written.append(("ce_time", format_time(headers.time).encode()))
    for name, text in (
        ("ce_subject", headers.subject),
        ("traceparent", headers.traceparent),
        ("southbound-decision", headers.decision),
        ("southbound-request-id", headers.request_id),
        (REPLAY_HEADER, headers.replay),
        ("southbound-wrong-key", headers.wrong_key),
    ):
        if text is not None:
            written.append((name, text.encode()))
    return tuple(written)


@lru_cache(maxsize=256)  # as many as there are event types and services that send them
def _shared_headers(type_: str, source: str, content_type: str) -> KafkaHeaders:
    return ("ce_type", type_.encode()), ("ce_source", source.encode()), ("content-type", content_type.encode())


def _decode_text(raw: bytes | str | None) -> str:
    if isinstance(raw, str):  # some clients return text
        return raw
    try:
        return raw.decode() if raw else ""
    except UnicodeDecodeError:
        return ""


def parse_time(text: str | None) -> datetime | None:
    """Read an RFC 3339 time; one without a zone is UTC, one that is no time is None."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


@lru_cache(maxsize=1024)  # the events that one event leads to have the same time
def format_time(moment: datetime) -> str:
    """Write RFC 3339 with milliseconds, in UTC."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{in_utc.isoformat(timespec='milliseconds')[:-6]}Z"


MEDIA_TYPE = "application/cloudevents+json"

_REQUIRED_ATTRIBUTES = ("specversion", "type")


@dataclass(frozen=True, slots=True)
class StructuredEvent:
    """A structured-mode event: its attributes, and the data as the bytes of binary mode."""

    attributes: Mapping[str, str]
    data: bytes


def parse_structured_event(value: bytes, content_type: str | None) -> StructuredEvent | None:
    """Parse a structured-mode event; None if the value is something else.

    Raises:
        UndecodableError: it is declared to be one, or looks like one, and cannot be parsed.
    """
    declared = (content_type or "").lower().startswith(MEDIA_TYPE)
    # Avro never begins with a brace, but its content may quote a CloudEvents event.
    looks_like_one = b'"specversion"' in value and value.removeprefix(BOM_UTF8).lstrip()[:1] == b"{"
    if not declared and not looks_like_one:
        return None
    if number := inexact_number(value):
        raise InvalidEventError(f"In the CloudEvents JSON event, {inexact_number_sentence(number)}.")
    document = _parse(value)
    if isinstance(document, dict) and (declared or all(member in document for member in _REQUIRED_ATTRIBUTES)):
        texts = {name: text for name, text in document.items() if isinstance(text, str)}
        return StructuredEvent(texts, _encode_data(document))
    if declared:
        raise InvalidEventError(f"The content type is {MEDIA_TYPE}, but the value is not a JSON object.")
    return None


def _parse(value: bytes) -> object:
    try:
        # Not orjson: it would turn a number that does not fit into 64 bits into a float.
        return cast("object", json.loads(value, parse_constant=_reject_constant))
    except (ValueError, RecursionError) as wrong:
        why = "it is nested too deep" if isinstance(wrong, RecursionError) else f"it is not JSON: {str(wrong)[:120]}"
        raise UnreadableBytesError(
            f"The value looks like a CloudEvents JSON event, but {why}. Correct the producer and send it again."
        ) from None


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _encode_data(document: dict[str, object]) -> bytes:
    if document.get("data") is not None:
        return json.dumps(document["data"]).encode()
    encoded = document.get("data_base64")
    if not isinstance(encoded, str):
        raise InvalidEventError("The CloudEvents JSON event has neither data nor data_base64; add the event's data.")
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        raise InvalidEventError("data_base64 of the CloudEvents JSON event is not base64; correct it.") from None
