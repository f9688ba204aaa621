"""Open an event that came as one JSON object, attributes and data (CloudEvents 1.0.2, structured mode)."""

from __future__ import annotations

import json
from base64 import b64decode
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, cast

from schemas.codec.errors import InvalidEventError, UnreadableBytesError

if TYPE_CHECKING:
    from collections.abc import Mapping

MEDIA_TYPE = "application/cloudevents+json"
_MEMBERS = ("specversion", "type")


@dataclass(frozen=True, slots=True)
class Structured:
    """The attributes that are text, and the data as the bytes that binary mode would have had."""

    attributes: Mapping[str, str]
    data: bytes


def open_structured(value: bytes, content_type: str | None) -> Structured | None:
    """Open a structured event; None where the value is something else.

    Raises:
        UndecodableError: it is said to be one, or looks like one, and cannot be opened.
    """
    declared = (content_type or "").lower().startswith(MEDIA_TYPE)
    # Avro never begins with a brace, but may well carry the words of somebody who speaks CloudEvents.
    looks_like_one = b'"specversion"' in value and value.removeprefix(BOM_UTF8).lstrip()[:1] == b"{"
    if not declared and not looks_like_one:
        return None
    document = _parse(value)
    if isinstance(document, dict) and (declared or all(member in document for member in _MEMBERS)):
        texts = {name: text for name, text in document.items() if isinstance(text, str)}
        return Structured(texts, _data(document))
    if declared:
        raise InvalidEventError(f"The content type is {MEDIA_TYPE}, but the value is not a JSON object.")
    return None


def _parse(value: bytes) -> object:
    try:
        # Not orjson: it would make a float of a number that does not fit into 64 bits.
        return cast("object", json.loads(value, parse_constant=_refuse))
    except (ValueError, RecursionError) as wrong:
        why = "it is nested too deep" if isinstance(wrong, RecursionError) else f"it is not JSON: {str(wrong)[:120]}"
        raise UnreadableBytesError(
            f"The value looks like a CloudEvents JSON event, but {why}. Correct the producer and send it again."
        ) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _data(document: dict[str, object]) -> bytes:
    if document.get("data") is not None:
        return json.dumps(document["data"]).encode()
    encoded = document.get("data_base64")
    if not isinstance(encoded, str):
        raise InvalidEventError("The CloudEvents JSON event has neither data nor data_base64; add the event's data.")
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        raise InvalidEventError("data_base64 of the CloudEvents JSON event is not base64; correct it.") from None
