"""Read why an external system refused, whatever shape its error body has."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from schemas.results import Reason

if TYPE_CHECKING:
    from router.responses import Answer

# Bounds, so that a system that answers with a page does not fill topics and rows with it.
_MOST_REASONS = 10
_LONGEST_MESSAGE = 500
_LONGEST_CODE = 64

_SAID = ("reason", "message", "title", "detail", "error_description")


def reasons_in(answer: Answer) -> tuple[Reason, ...]:
    """Read the reasons from an error body: at least one, at most ten, each of bounded length.

    Known shapes: TMF630 `{code, reason, message}`, MEF lists of `{code, reason, message, propertyPath}`,
    both also under `error` or `errors`, RFC 9457 problems; anything else becomes a short excerpt.
    """
    items = _items(answer.body)
    reasons = [_reason(item, answer.status) for item in items[:_MOST_REASONS]]
    if len(items) > _MOST_REASONS:
        reasons[-1] = _plain(answer.status, f"and {len(items) - _MOST_REASONS + 1} more reasons")
    return tuple(reasons) or (_plain(answer.status, _phrase(answer.status)),)


def _items(body: bytes) -> list[object]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [text] if (text := _excerpt(body)) else []
    inner = _unwrapped(parsed)
    return inner if isinstance(inner, list) else [inner] if inner not in (None, {}, "") else []


def _unwrapped(parsed: object) -> object:
    if not isinstance(parsed, dict):
        return parsed
    inner = parsed.get("errors") or parsed.get("error")
    return inner if isinstance(inner, (dict, list)) else parsed


def _reason(item: object, status: int) -> Reason:
    if not isinstance(item, dict):
        return _plain(status, _short(item if isinstance(item, str) else _json(item)))
    path = item.get("propertyPath")
    return Reason(
        code=_code(item.get("code")) or f"HTTP_{status}",
        message=_message(item) or _phrase(status),
        property_path=_short(path) if isinstance(path, str) else None,
    )


def _message(item: dict[str, object]) -> str:
    said = dict.fromkeys(text for key in _SAID if isinstance(text := item.get(key), str) and text.strip())
    return _short(": ".join(said) or _json(item))


def _code(told: object) -> str:
    # The reference implementation sends numbers.
    return _short(str(told))[:_LONGEST_CODE] if isinstance(told, (str, int)) and not isinstance(told, bool) else ""


def _plain(status: int, message: str) -> Reason:
    return Reason(code=f"HTTP_{status}", message=message or _phrase(status))


def _phrase(status: int) -> str:
    try:
        return f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answered {status}"


def _excerpt(body: bytes) -> str:
    return _short(body[: 4 * _LONGEST_MESSAGE].decode(errors="replace"))


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _short(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _LONGEST_MESSAGE])
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"
