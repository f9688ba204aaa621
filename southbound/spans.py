"""Read how far back a command shall look: `90m`, `24h`, `7d`."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SPAN = re.compile(r"(\d{1,6})([smhdw])")


def read_span(text: str) -> timedelta:
    """Read a number with a unit.

    Raises:
        ValueError: it is something else; the sentence says what to write.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if not found or not int(found[1]):
        raise ValueError(f"'{text}' is no span of time: write a number and s, m, h, d or w, such as 90m or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
