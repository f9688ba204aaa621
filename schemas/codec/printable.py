"""Make text of others safe to show: it must not control a terminal, or fill it."""

from __future__ import annotations

import json

_MAX_EXCERPT_LENGTH = 40  # characters


def printable(text: str) -> str:
    """Replace every character that controls a terminal with a dot."""
    return "".join(sign if sign.isprintable() else "·" for sign in text)


def printable_lines(text: str) -> str:
    """Replace every character that controls a terminal with a dot, line by line."""
    return "\n".join(map(printable, text.split("\n")))


def printable_json(text: str) -> str:
    """Escape the characters that control a terminal in JSON, which then has the same value."""
    if text.isascii() and "\x7f" not in text:
        return text  # JSON escapes the other control characters anyway
    return "".join(sign if sign.isprintable() or sign == "\n" else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    return "\\u007f" if sign == "\x7f" else json.dumps(sign)[1:-1]


def excerpt(value: bytes | str) -> str:
    """Return the beginning of a value, never the whole, without characters that control a terminal."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    shown = printable(text[:_MAX_EXCERPT_LENGTH])
    return f"{shown}…" if len(text) > _MAX_EXCERPT_LENGTH else shown
