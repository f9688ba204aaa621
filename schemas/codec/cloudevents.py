"""What stands on the envelope: CloudEvents attributes as Kafka headers, and ours beside them.

CloudEvents Kafka protocol binding 1.0.2 §3.2 (binary mode): attribute `x` is header `ce_x`, text in UTF-8.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    KafkaHeaders = tuple[tuple[str, bytes | None], ...]

_SPEC_VERSION = ("ce_specversion", b"1.0")


class EventHeaders(NamedTuple):
    """What is known of an event besides its data; None where nobody said so.

    `decision` is written `table@version#row`, `replay` names the replay or redrive that the event comes from.
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


_READ = {
    "ce_id": "id",
    "ce_type": "type",
    "ce_source": "source",
    "ce_time": "time",
    "ce_subject": "subject",
    "content-type": "content_type",
    "traceparent": "traceparent",
    "southbound-decision": "decision",
    "southbound-request-id": "request_id",
    "southbound-replay": "replay",
}


def read_headers(
    headers: Iterable[tuple[str, bytes | None]] | None, *, fallback_id: str | Callable[[], str]
) -> EventHeaders:
    """Read what can be read: a header that is missing, empty or no text counts as not sent."""
    found: dict[str, str] = {}
    for name, raw in headers or ():
        field = _READ.get(name) or _READ.get(name.lower())
        text = _text(raw) if field else ""
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
    )


def type_in(headers: Iterable[tuple[str, bytes | None]] | None) -> str | None:
    """Read no more than the type."""
    for name, raw in headers or ():
        if name == "ce_type" or name.lower() == "ce_type":
            return _text(raw) or None
    return None


def write_headers(headers: EventHeaders, *, type_: str, content_type: str, source: str) -> KafkaHeaders:
    """Write what is known, always in the same order; `source` stands in where the event names none."""
    kind = _same_for_many(type_, headers.source or source, content_type)
    written: list[tuple[str, bytes | None]] = [_SPEC_VERSION, ("ce_id", headers.id.encode()), *kind]
    if headers.time is not None:
        written.append(("ce_time", write_time(headers.time).encode()))
    for name, text in (
        ("ce_subject", headers.subject),
        ("traceparent", headers.traceparent),
        ("southbound-decision", headers.decision),
        ("southbound-request-id", headers.request_id),
        ("southbound-replay", headers.replay),
    ):
        if text is not None:
            written.append((name, text.encode()))
    return tuple(written)


@lru_cache(maxsize=256)  # as many as there are types of events, and services that send them
def _same_for_many(type_: str, source: str, content_type: str) -> KafkaHeaders:
    return ("ce_type", type_.encode()), ("ce_source", source.encode()), ("content-type", content_type.encode())


def _text(raw: bytes | str | None) -> str:
    if isinstance(raw, str):  # some clients hand out text
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


@lru_cache(maxsize=1024)  # the events that one event leads to have one time
def write_time(moment: datetime) -> str:
    """Write RFC 3339 with milliseconds, in UTC."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return f"{in_utc.isoformat(timespec='milliseconds')[:-6]}Z"
