"""Write a notification as JSON once: its id, its record in Kafka and the row of its run need the same text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.base import Model

_MAX_TEXTS = 1024  # those of a usual group of updates, several times
_MAX_TEXT_LENGTH = 8192  # characters; a longer one is written each time, so that all of them stay below 8 MB

# By id(): a message is referenced here for as long as its text, so that no other one gets its id().
_texts: dict[int, tuple[Model, str]] = {}


def json_text(message: Model) -> str:
    """Return the JSON of a message, which is frozen, without the fields that are null."""
    known = _texts.get(id(message))
    return known[1] if known is not None else _write(message)


def _write(message: Model) -> str:
    text = message.model_dump_json(exclude_none=True)
    if len(text) <= _MAX_TEXT_LENGTH:
        if len(_texts) >= _MAX_TEXTS:
            _texts.clear()  # safe with several threads, and what is needed again is written again
        _texts[id(message)] = (message, text)
    return text
