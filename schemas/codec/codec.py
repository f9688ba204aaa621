"""Encode messages as bytes and decode bytes, in any of the formats."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import from_json

from schemas.catalogue import CATALOGUE, event_type_of, find_event_type
from schemas.codec.avro import AvroReader, AvroWriter
from schemas.codec.errors import (
    InvalidEventError,
    TombstoneError,
    UnknownEventTypeError,
    UnreadableBytesError,
    beginning_of,
    field_messages,
    invalid_event_error,
)
from schemas.codec.printable import excerpt
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.json_text import document_text, json_text
from schemas.lifecycle import RunRequested
from schemas.text.exact_numbers import inexact_number, inexact_number_sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.catalogue import EventData, EventType
    from schemas.codec.avro_schemas import AvroValue
    from schemas.codec.schema_registry import RegistryIds


MAX_CACHED_BYTES = 16_384  # bytes; one of them would evict too many others


class DecodedMessageCache:
    """The values written last; the oldest are evicted. `size` is in bytes; messages take several times that."""

    def __init__(self, size: int) -> None:
        self._free_bytes = size
        self._messages: dict[bytes, EventData] = {}

    def find(self, value: bytes) -> EventData | None:
        """Return the message that was written as exactly these bytes."""
        return self._messages.get(value)

    def keep(self, value: bytes, message: EventData) -> None:
        """Add one."""
        if len(value) > MAX_CACHED_BYTES or value in self._messages:
            return
        self._messages[value] = message
        self._free_bytes -= len(value)
        while self._free_bytes < 0:
            oldest = next(iter(self._messages))
            del self._messages[oldest]
            self._free_bytes += len(oldest)


AVRO, JSON = "application/avro", "application/json"


class UnencodableError(ValueError):
    """A message that its own model would refuse, made without validation; the message names the fields."""


class Codec:
    """Encodes in Avro, or in JSON the messages of `json_models`, and decodes all formats.

    Registry ids choose the Confluent framing of Avro. With `cache_bytes` it caches the commands that it encoded last:
    dispatch mostly runs in the same process as routing.
    """

    def __init__(
        self,
        *,
        json_models: frozenset[type[EventData]] = frozenset(),
        registry: RegistryIds | None = None,
        cache_bytes: int = 0,
    ) -> None:
        self._cache = DecodedMessageCache(cache_bytes)
        self._avro = AvroReader(registry)
        self._writer = AvroWriter(registry)
        self._json_models = json_models

    def content_type_of(self, message: EventData) -> str:
        """Return the media type of what `encode` returns for this message."""
        return JSON if type(message) in self._json_models else AVRO

    def encode(self, message: EventData) -> bytes:
        """Encode a message.

        Raises:
            UnencodableError: the message was made without its model's validation and a field does not fit.
        """
        value = self._to_json(message) if type(message) in self._json_models else self._to_avro(message)
        if isinstance(message, _COMMANDS):
            self._cache.keep(value, message)
        return value

    def decode(self, value: bytes | None, *, ce_type: str | None = None) -> EventData:
        """Decode a message: Avro names its schema, JSON needs the type.

        Raises:
            UndecodableError: the bytes are no event; the message says why and what to do.
        """
        if not value:
            raise TombstoneError(_TOMBSTONE_MESSAGE if value is None else "The value is empty; send the event's data.")
        message = self._cache.find(value)
        if message is not None:
            check_declared_type(event_type_of(type(message)), ce_type)
            return message
        known = self._avro.read(value)
        if known is None:
            return _decode_json(value, ce_type)
        entry, values = known
        check_declared_type(entry, ce_type)
        return _validate_values(entry, values)

    def _to_avro(self, message: EventData) -> bytes:
        try:
            return self._writer.write(message)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as wrong:
            raise _unencodable_error(message, wrong) from wrong

    def _to_json(self, message: EventData) -> bytes:
        if isinstance(message, RunRequested):
            # The run store keeps the same text, and whoever reads it adds the defaults.
            return f'{{"run":{document_text(message.run)}}}'.encode()
        return json_text(message).encode()


_COMMANDS = (SendRun, ChangeRun, CancelRun)

_EVENT_NAMES = ", ".join(entry.name for entry in CATALOGUE)

_TOMBSTONE_MESSAGE = "The record has no value (a tombstone); send RunCancelled to cancel a run."


def _validate_values(entry: EventType, values: AvroValue) -> EventData:
    try:
        return entry.model.model_validate(values)
    except ValidationError as wrong:
        first_errors = partial(_errors_of, entry.model.model_validate, lambda: beginning_of(values))
        raise invalid_event_error(entry.name, wrong, first_errors) from None


def _decode_json(value: bytes, ce_type: str | None) -> EventData:
    value = value.removeprefix(BOM_UTF8)  # RFC 8259 §8.1: a reader may ignore it, and some producers write it
    if not value.lstrip()[:1] == b"{":
        raise UnreadableBytesError(
            f"The value is neither Avro nor a JSON object; it begins with '{excerpt(value[:40])}'. "
            "Send JSON, Avro single-object encoding or the schema registry's format."
        )
    entry = _event_type_from_header(ce_type)
    if number := inexact_number(value):
        raise InvalidEventError(f"{entry.name}: {inexact_number_sentence(number)}.")
    try:
        return entry.model.model_validate_json(value)
    except ValidationError as wrong:
        syntax_error = _json_syntax_error(value, wrong) if wrong.error_count() == 1 else None
        first_errors = partial(
            _errors_of, entry.model.model_validate_json, lambda: json.dumps(beginning_of(from_json(value)))
        )
        raise syntax_error or invalid_event_error(entry.name, wrong, first_errors) from None


def _errors_of(validate: Callable[[Any], object], value: Callable[[], Any]) -> ValidationError | None:
    try:
        validate(value())
    except ValidationError as wrong:
        return wrong
    return None


def _json_syntax_error(value: bytes, wrong: ValidationError) -> UnreadableBytesError | None:
    first = wrong.errors(include_url=False, include_input=False)[0]
    if first["type"] != "json_invalid":
        return None
    return UnreadableBytesError(
        f"The value is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}; it begins with "
        f"'{excerpt(value[:40])}'. Correct the producer and send it again."
    )


def _event_type_from_header(ce_type: str | None) -> EventType:
    if ce_type is None:
        raise UnknownEventTypeError(
            f"The value is JSON without the header ce_type; set it to 'southbound.' and one of {_EVENT_NAMES}."
        )
    entry = find_event_type(ce_type)
    if entry is None:
        raise UnknownEventTypeError(
            f"Unknown event type '{excerpt(ce_type)}'; it must be 'southbound.' and one of {_EVENT_NAMES}."
        )
    return entry


def check_declared_type(entry: EventType, ce_type: str | None) -> None:
    """Refuse a value that is another event than its header says.

    Raises:
        InvalidEventError: they differ.
    """
    declared = find_event_type(ce_type) if ce_type else None
    if declared is not None and declared is not entry:  # entries are singletons
        raise InvalidEventError(
            f"The header ce_type says {declared.name} and the Avro value is a {entry.name}; correct the producer."
        )


def _unencodable_error(message: EventData, wrong: Exception) -> UnencodableError:
    name = type(message).__name__
    try:
        type(message).model_validate(message.model_dump(warnings=False))
    except ValidationError as invalid_:
        return UnencodableError(f"{name} cannot be written: {'; '.join(field_messages(invalid_))}")
    return UnencodableError(f"{name} cannot be written: {wrong}")
