"""Read the reasons from the body of an error, in the shapes that systems and web frameworks use."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from schemas.results import Reason
from schemas.text.json_body import read_json_body
from schemas.text.shown_json import shown_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.text.json_types import Json


# Bounds, so that a system that responds with a web page does not fill topics and rows with it.
_MAX_REASONS = 10
_MAX_MESSAGE_LENGTH = 500
MAX_CODE_LENGTH = 64  # characters; what is longer is cut
_MAX_PATH_PARTS = 50
_MAX_READ = 500_000  # bytes; what is longer is no list of reasons, and would hold up all other systems while it is read

_MESSAGE_KEYS = ("reason", "message", "title", "detail", "error_description", "msg", "defaultMessage")
# Where an error names what it is about: MEF, RFC 9457, JSON:API, Spring, Hibernate, FastAPI.
_PATH_KEYS = ("propertyPath", "pointer", "source", "field", "path", "loc")
_SOURCE_KEYS = ("pointer", "parameter", "header")
# Where an error lists what is wrong; the parameters of RFC 7807 have a name and a reason.
_LIST_KEYS = ("errors", "error", "invalid-params", "invalidParams", "violations", "fieldErrors", "detail")
_NAMED_LISTS = ("invalid-params", "invalidParams")


def read_error_body(body: bytes, content_type: str | None, status: int) -> tuple[Reason, ...]:
    """Return at least one reason, at most ten, each of bounded length, with the field that it names.

    Known shapes: TMF630 `{code, reason, message}`, MEF lists of `{code, reason, message, propertyPath}`, problems of
    RFC 9457 and RFC 7807, JSON:API, and the lists of Spring, FastAPI and ASP.NET; anything else becomes an excerpt.
    """
    items, context = _items(body, content_type)
    reasons = [_reason(item, context, status) for item in items[:_MAX_REASONS]]
    if len(items) > _MAX_REASONS:
        reasons[-1] = _http_reason(status, f"and {len(items) - _MAX_REASONS + 1} more reasons")
    return tuple(reasons) or (_http_reason(status, _status_message(status)),)


def _items(body: bytes, content_type: str | None) -> tuple[list[object], Json]:
    """Return what is wrong, one by one, and the object around it."""
    try:
        parsed = read_json_body(body if len(body) <= _MAX_READ else body[:0], content_type)
    except ValueError:
        return ([text] if (text := _excerpt(body)) else []), {}
    if isinstance(parsed, list):
        return parsed, {}
    if not isinstance(parsed, dict):
        return ([parsed] if parsed not in (None, "") else []), {}
    return _listed(parsed) or ([parsed] if parsed else []), parsed


def _listed(problem: Json) -> list[object]:
    for key in _LIST_KEYS:
        found = problem.get(key)
        if isinstance(found, list) and found and key in _NAMED_LISTS:
            return [_named(item) for item in found]
        if isinstance(found, list) and found:
            return found
        if isinstance(found, dict) and found:
            return _by_field(found) or [found]
    return []


def _named(item: object) -> object:
    return {"pointer": item["name"], **item} if isinstance(item, dict) and isinstance(item.get("name"), str) else item


def _by_field(found: Json) -> list[object]:
    """Return the errors of ASP.NET, which lists texts by field."""
    if not all(isinstance(texts, list) for texts in found.values()):
        return []
    return [{"pointer": field, "message": "; ".join(_texts(texts))} for field, texts in found.items()]


def _texts(texts: object) -> Iterator[str]:
    for text in texts if isinstance(texts, list) else []:
        yield text if isinstance(text, str) else shown_json(text)


def _reason(item: object, context: Json, status: int) -> Reason:
    if not isinstance(item, dict):
        return _http_reason(status, one_line(item if isinstance(item, str) else shown_json(item)))
    text = _message_text(item) or ("" if item is context else _message_text(context))
    return Reason(
        code=_code_text(item.get("code")) or _code_text(context.get("code")) or f"HTTP_{status}",
        message=one_line(text or shown_json(item)) or _status_message(status),
        property_path=_path(item),
    )


def _message_text(item: Json) -> str:
    texts = dict.fromkeys(text for key in _MESSAGE_KEYS if isinstance(text := item.get(key), str) and text.strip())
    return ": ".join(texts)


def _path(item: Json) -> str | None:
    for key in _PATH_KEYS:
        found = item.get(key)
        if key == "source":
            source = found if isinstance(found, dict) else {}
            found = next((source[name] for name in _SOURCE_KEYS if isinstance(source.get(name), str)), None)
        if key == "loc" and isinstance(found, list):
            found = "".join(f"/{part}" for part in found[:_MAX_PATH_PARTS] if isinstance(part, (str, int)))
        if isinstance(found, str) and (key != "path" or not _is_error_envelope(item)) and (line := one_line(found)):
            return line
    return None


def _is_error_envelope(item: Json) -> bool:
    # The errors of Spring name the path of the request, which is no field.
    return "timestamp" in item or "status" in item


def _code_text(code: object) -> str:
    # The reference implementation sends numbers.
    return one_line(str(code))[:MAX_CODE_LENGTH] if isinstance(code, (str, int)) and not isinstance(code, bool) else ""


def _http_reason(status: int, message: str) -> Reason:
    return Reason(code=f"HTTP_{status}", message=message or _status_message(status))


def _status_message(status: int) -> str:
    try:
        return f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answered {status}"


def _excerpt(body: bytes) -> str:
    return one_line(body[: 4 * _MAX_MESSAGE_LENGTH].decode(errors="replace"))


def one_line(text: str) -> str:
    """Return a text as one line of at most 500 characters, without what cannot be printed."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _MAX_MESSAGE_LENGTH])
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_MESSAGE_LENGTH else f"{line[: _MAX_MESSAGE_LENGTH - 1]}…"
