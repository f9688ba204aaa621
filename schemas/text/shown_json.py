"""Write JSON that was read from others, to be shown: any that can be read, although a writer nests less deeply."""

from __future__ import annotations

import orjson

TOO_DEEP = "JSON that is nested too deeply to be shown"


def shown_json(value: object) -> str:
    """Return the JSON of a value, or the words that it is nested too deeply: 254 levels are written, 1,024 are read."""
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:
        return TOO_DEEP
