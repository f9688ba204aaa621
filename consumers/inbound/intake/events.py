"""Read from one request the events that it carries: one, a list of them, or one in the binary mode of CloudEvents."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, NamedTuple

import orjson

from schemas.text.json_body import parse_utf8, to_utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The attributes of CloudEvents 1.0 that are read; in binary mode each is a header.
_ATTRIBUTES = ("specversion", "id", "source", "type", "time", "subject", "datacontenttype")
_MAX_ATTRIBUTE = 512  # characters
_SPACE = re.compile(r"[ \t\r\n]*")
# A text in quotes is one token, so that the brackets in it are not counted.
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)
_JSON, _CLOUD_EVENT = "application/json", "application/cloudevents+json"


class EventsUnreadableError(Exception):
    """A request does not carry events; the sentence says why."""


class OneEvent(NamedTuple):
    """The text of one event as it arrived, with its content type."""

    body: bytes
    content_type: str


def read_events(
    body: bytes, content_type: str, headers: Mapping[str, str], *, max_events: int, max_depth: int
) -> tuple[OneEvent, ...]:
    """Return the events of a request; a body that is neither a list nor a CloudEvent is returned as it is.

    Raises:
        EventsUnreadableError: the body is a list that is empty, too long, or of something else than objects; or it is
            nested too deeply.
    """
    text = _decoded(body, content_type)
    if _is_deeper(text, max_depth):
        raise EventsUnreadableError(f"the body is nested more than {max_depth} levels deep")
    is_list = text.lstrip(b" \t\r\n").startswith(b"[")
    if "ce-specversion" in headers:
        if is_list:
            raise EventsUnreadableError("the headers are of one CloudEvent, and the body is a list: send one event")
        return (_structured(text, headers),)
    if not is_list:
        return (OneEvent(body, content_type),)
    items = _items(text, max_events)
    return tuple(OneEvent(item, _JSON) for item in items)


def _decoded(body: bytes, content_type: str) -> bytes:
    try:
        return to_utf8(body, content_type)
    except ValueError as error:
        raise EventsUnreadableError(f"the body is not JSON: {error}") from error


def _is_deeper(text: bytes, limit: int) -> bool:
    """Return whether a JSON text is nested more deeply, without reading its values."""
    if text.count(b"[") + text.count(b"{") <= limit:
        return False
    depth = 0
    for token in _BRACKETS.finditer(text):
        first = token.group()[:1]
        depth += (first in b"[{") - (first in b"]}")
        if depth > limit:
            return True
    return False


def _items(text: bytes, limit: int) -> tuple[bytes, ...]:
    try:
        found = parse_utf8(text)
        items = tuple(_slices(text.decode()))
    except (ValueError, RecursionError) as error:
        raise EventsUnreadableError(f"the body is not JSON: {error}") from error
    if not isinstance(found, list) or not found:
        raise EventsUnreadableError("the body is a list without events: send at least one")
    if len(found) > limit:
        raise EventsUnreadableError(f"the body is a list of {len(found)} events: send at most {limit} at once")
    if any(not isinstance(item, dict) for item in found):
        raise EventsUnreadableError("the body is a list of something else than objects: send a list of events")
    return items


def _slices(text: str) -> Iterator[bytes]:
    """Yield the items of a list as they are written, so that no number of them changes."""
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)
    place = text.index("[") + 1
    while text[place := _after_space(text, place)] != "]":
        _, end = decoder.raw_decode(text, place)
        yield text[place:end].encode()
        place = _after_space(text, end)
        place += text[place] == ","


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _structured(text: bytes, headers: Mapping[str, str]) -> OneEvent:
    """Return the same CloudEvent in structured mode, in which it is stored."""
    named = {name: headers.get(f"ce-{name}", "")[:_MAX_ATTRIBUTE] for name in _ATTRIBUTES}
    attributes = orjson.dumps({name: _printable(value) for name, value in named.items() if value})
    return OneEvent(attributes[:-1] + b',"data":' + (text.strip() or b"null") + b"}", _CLOUD_EVENT)


def _printable(value: str) -> str:
    return value.encode("ascii", "replace").decode()
