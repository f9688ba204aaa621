"""Read from a callback what is needed to store it; its meaning is read by the consumer of the topic."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.envelopes import EVENT_TIMES, is_envelope, open_envelope
from router.runs.ids import derive_event_id
from schemas.inbound import InboundReceived
from schemas.text.json_body import read_json_body
from schemas.vocabulary import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from schemas.text.json_types import Json


MAX_ID_LENGTH = 512  # characters; a longer one would only inflate the key of the message


class NotACallbackError(Exception):
    """The body is not a JSON object; the message says so."""


def parse_callback(
    spoke: str, body: bytes, *, event_in_path: str, content_type: str | None, at: datetime
) -> InboundReceived:
    """Return a callback as it arrived, with the ids and the event type that can be read from it.

    Raises:
        NotACallbackError: the body is not a JSON object.
    """
    content = _parse_object(body, content_type)
    return InboundReceived(
        spoke=spoke,
        external_id=_find_external_id(content),
        channel=Channel.CALLBACK,
        received_at=at,
        event_type=_short_text(content.get("eventType")) or _capitalise(event_in_path) or None,
        event_id=_short_text(content.get("eventId")) or None,
        content_type=content_type,
        body=body,
    )


def callback_event_id(received: InboundReceived, fallback_id: str) -> str:
    """Return the id of a notification; a notification that is delivered again has the same id.

    The content is part of it, because systems send different notifications with one event id. Without an event id, the
    same bytes with the same event time are the same notification. Without either, two equal bodies may be two different
    events: each gets its own id, `fallback_id`.
    """
    content = _parse_object(received.body, received.content_type)
    if received.event_id is not None:
        role = f"callback:{received.spoke}:{received.event_type or ''}:{_digest(content, received.body)}"
        return derive_event_id(received.event_id, role)
    if not content.keys().isdisjoint(EVENT_TIMES):
        return derive_event_id(sha256(received.body).hexdigest(), f"callback-body:{received.spoke}")
    return fallback_id


def _digest(content: Json, body: bytes) -> str:
    """Return a digest that does not depend on spaces and the order of keys."""
    try:
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a number of more than 64 bits, or half a surrogate pair
        text = body
    return sha256(text).hexdigest()


def _parse_object(body: bytes, content_type: str | None) -> Json:
    try:
        content = read_json_body(body, content_type)
    except ValueError as error:
        raise NotACallbackError(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise NotACallbackError("the body is JSON but not an object: send one event")
    try:
        return open_envelope(content)
    except NotUnderstoodError as error:
        raise NotACallbackError(f"the callback cannot be read: {error}") from error


def _find_external_id(content: Json) -> str:
    return next((found for place in _candidates(content) if (found := _short_text(place.get("id")))), "")


def _candidates(content: Json) -> Iterator[Json]:
    """Yield the objects whose id may be that of the test, the likeliest first."""
    event = content.get("event")
    for holder in (event, content):
        if isinstance(holder, dict) and isinstance(test := holder.get("serviceTest"), dict):
            yield test
        # The task that cancels a run (TMF653 v5) has an id of its own.
        task = holder.get("cancelServiceTest") if isinstance(holder, dict) else None
        if isinstance(task, dict) and isinstance(test := task.get("serviceTest"), dict):
            yield test
    if isinstance(event, dict):
        yield event
    elif not is_envelope(content):  # the resource itself instead of an event about it
        yield content


def _short_text(value: object) -> str:
    """Return an id or a name; a number is accepted, anything else and anything too long is not."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if len(text) <= MAX_ID_LENGTH else ""


def _capitalise(event: str) -> str:
    return _short_text(event[:1].upper() + event[1:])
