"""Errors of bytes that are no event; each says in one sentence why, and what to do.

    UndecodableError
    ├── UnreadableBytesError     UNDECODABLE         the bytes are neither Avro nor JSON that can be read
    ├── TombstoneError           TOMBSTONE           there is no value at all
    ├── UnknownEventTypeError    UNKNOWN_EVENT_TYPE  the type is unknown or missing
    ├── UnknownSchemaError       UNKNOWN_SCHEMA      Avro, but of an unknown schema
    └── InvalidEventError        INVALID_EVENT       the type is known and a field is wrong

All of them are for the producer to correct: the same bytes fail again, so none is worth a retry.
"""

from __future__ import annotations

from itertools import islice, takewhile
from typing import TYPE_CHECKING, ClassVar

from schemas.codec.printable import excerpt

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

_MAX_FIELDS = 1_000  # that are described; nobody reads more of them
_MAX_ERRORS = 10_000  # pydantic needs 4 microseconds to describe each of them
_MAX_ITEMS = 100  # of each list that is validated again
_MAX_SUMMARY_FIELDS = 3
_MAX_DETAIL_FIELDS = 20
_MAX_MESSAGE_LENGTH = 160
_VALUE_BRANCHES = frozenset({"bool", "int", "float", "str", "constrained-str", "JsonText"})
_MESSAGES = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "holds a NUL character (U+0000)",
    "bytes_invalid_encoding": "is not base64",
}


class UndecodableError(Exception):
    """A value that is no event. `code` is stable; `detail` has one line per wrong field."""

    code: ClassVar[str] = "UNDECODABLE"

    def __init__(self, sentence: str, *, detail: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.detail = detail


class UnreadableBytesError(UndecodableError):
    """The bytes are neither Avro nor JSON that can be read."""

    code = "UNDECODABLE"


class TombstoneError(UndecodableError):
    """There is no value at all."""

    code = "TOMBSTONE"


class UnknownEventTypeError(UndecodableError):
    """The type of event is unknown or missing."""

    code = "UNKNOWN_EVENT_TYPE"


class UnknownSchemaError(UndecodableError):
    """The value is Avro of an unknown schema."""

    code = "UNKNOWN_SCHEMA"


class InvalidEventError(UndecodableError):
    """The type is known and a field is wrong."""

    code = "INVALID_EVENT"


def invalid_event_error(
    name: str, wrong: ValidationError, first_errors: Callable[[], ValidationError | None] | None = None
) -> InvalidEventError:
    """Return the error that names the wrong fields: `RunRequested is not valid: run.related_service.id is missing`.

    If more are wrong than pydantic can describe in time, they are the `first_errors`: those of the `beginning_of` the
    value.
    """
    described = wrong if first_errors is None or wrong.error_count() <= _MAX_ERRORS else first_errors()
    messages = field_messages(described) if described else []
    more = wrong.error_count() - len(messages) if wrong.error_count() > _MAX_FIELDS else 0
    summary = "; ".join(_truncate(messages, _MAX_SUMMARY_FIELDS, more))
    return InvalidEventError(
        f"{name} is not valid: {summary}. Correct the producer and send it again.",
        detail="\n".join(_truncate(messages, _MAX_DETAIL_FIELDS, more)),
    )


def beginning_of(value: object) -> object:
    """Return plain data in which every list has at most a hundred items."""
    match value:
        case dict():
            return {key: beginning_of(below) for key, below in value.items()}
        case list() | tuple():
            return [beginning_of(item) for item in value[:_MAX_ITEMS]]
        case _:
            return value


def _truncate(messages: list[str], limit: int, more: int) -> list[str]:
    left_out = len(messages[limit:]) + more
    if not left_out:
        return messages
    if messages:
        return [*messages[:limit], f"and {left_out} more"]
    return [f"{left_out} field is wrong" if left_out == 1 else f"{left_out} fields are wrong"]


def field_messages(wrong: ValidationError) -> list[str]:
    """Return one short message per wrong field, of the first thousand errors, without its value."""
    return [message for _, message in located_field_messages(wrong)]


def located_field_messages(wrong: ValidationError) -> list[tuple[tuple[int | str, ...], str]]:
    """Return the messages of `field_messages`, each with the path to its field."""
    found = {}
    for error in islice(wrong.errors(include_url=False, include_input=False), _MAX_FIELDS):
        path = tuple(takewhile(lambda step: step not in _VALUE_BRANCHES, error["loc"]))
        found[path] = f"{_field_path(path)} {_field_message(error)}".strip()
    return list(found.items())


def _field_path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for step in loc:
        path += f"[{step}]" if isinstance(step, int) else f".{excerpt(step)}" if path else excerpt(step)
    return path


def _field_message(error: ErrorDetails) -> str:
    known = _MESSAGES.get(error["type"])
    if known:
        return known
    message = error["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return message[:1].lower() + message[1:_MAX_MESSAGE_LENGTH]
