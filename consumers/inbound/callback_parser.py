"""Read from a callback what it takes to store it; the meaning is for those who read the topic."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import orjson

from router.runs.ids import derived_id
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    Json = dict[str, object]

LONGEST_ID = 512  # characters; longer ones would only blow up the key of the message


class NotACallbackError(Exception):
    """The body is not a JSON object; the sentence says so."""


def read_callback(
    spoke: str, body: bytes, *, event_in_path: str, content_type: str | None, at: datetime
) -> InboundReceived:
    """Keep a callback as it came, with the ids and the event type that can be read from it.

    Raises:
        NotACallbackError: the body is not a JSON object.
    """
    content = _object(body)
    return InboundReceived(
        spoke=spoke,
        external_id=_external_id(content),
        channel=Channel.CALLBACK,
        received_at=at,
        event_type=_text(content.get("eventType")) or _capitalised(event_in_path) or None,
        event_id=_text(content.get("eventId")) or None,
        content_type=content_type,
        body=body,
    )


def message_id(received: InboundReceived, new_id: str) -> str:
    """Give a notification that is delivered again the id that it had the first time.

    Without an event id, the same bytes with the same event time are the same notification. Without either,
    two equal bodies may be two things that happened: each gets its own id, `new_id`.
    """
    if received.event_id is not None:
        return derived_id(received.event_id, f"callback:{received.spoke}")
    if "eventTime" in _object(received.body):
        return derived_id(sha256(received.body).hexdigest(), f"callback-body:{received.spoke}")
    return new_id


def _object(body: bytes) -> Json:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotACallbackError(f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise NotACallbackError("the body is JSON but not an object: send one event")
    return content


def _external_id(content: Json) -> str:
    return next((found for place in _places(content) if (found := _text(place.get("id")))), "")


def _places(content: Json) -> Iterator[Json]:
    """Go through the objects whose id may be that of the test, the likeliest first."""
    event = content.get("event")
    for holder in (event, content):
        if isinstance(holder, dict) and isinstance(test := holder.get("serviceTest"), dict):
            yield test
    if isinstance(event, dict):
        yield event
    elif "eventType" not in content:  # the resource itself instead of an event about it
        yield content


def _text(value: object) -> str:
    """Read an id or a name; a number counts, anything else and anything too long does not."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if len(text) <= LONGEST_ID else ""


def _capitalised(event: str) -> str:
    return _text(event[:1].upper() + event[1:])
