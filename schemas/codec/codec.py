"""Encode messages as bytes and decode bytes, in any of the formats."""

from __future__ import annotations

from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from schemas.catalogue import CATALOGUE, entry_named, entry_of
from schemas.codec.avro import AvroReader, AvroWriter
from schemas.codec.errors import (
    InvalidEventError,
    TombstoneError,
    UnknownEventTypeError,
    UnreadableBytesError,
    excerpt,
    field_claims,
    invalid,
)
from schemas.commands import CancelRun, ChangeRun, SendRun

if TYPE_CHECKING:
    from schemas.catalogue import EventType, Message
    from schemas.codec.avro_schemas import Plain
    from schemas.codec.schema_registry import RegistryIds


LARGE = 16_384  # bytes; one of them would evict too many others


class DecodedMessageCache:
    """The values written last; the oldest are evicted. `room` is in bytes; messages take several times that."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._messages: dict[bytes, Message] = {}

    def find(self, value: bytes) -> Message | None:
        """Return the message that was written as exactly these bytes."""
        return self._messages.get(value)

    def keep(self, value: bytes, message: Message) -> None:
        """Add one."""
        if len(value) > LARGE or value in self._messages:
            return
        self._messages[value] = message
        self._room -= len(value)
        while self._room < 0:
            oldest = next(iter(self._messages))
            del self._messages[oldest]
            self._room += len(oldest)


Format = Literal["avro", "json"]

AVRO, JSON = "application/avro", "application/json"


class UnencodableError(ValueError):
    """A message that its own model would refuse, made without validation; the sentence names the fields."""


class Codec:
    """Encodes in one format and decodes all of them; registry ids choose the Confluent framing.

    With `room` (bytes) it caches the commands that it encoded last: dispatch mostly runs beside routing.
    """

    def __init__(self, *, writes: Format = "avro", registry: RegistryIds | None = None, room: int = 0) -> None:
        self._lately = DecodedMessageCache(room)
        self._avro = AvroReader(registry)
        self._writer = AvroWriter(registry)
        self._encode = self._to_json if writes == "json" else self._to_avro
        self.content_type = JSON if writes == "json" else AVRO

    def encode(self, message: Message) -> bytes:
        """Encode a message.

        Raises:
            UnencodableError: the message was made without its model's validation and a field does not fit.
        """
        value = self._encode(message)
        if isinstance(message, _COMMANDS):
            self._lately.keep(value, message)
        return value

    def decode(self, value: bytes | None, *, ce_type: str | None = None) -> Message:
        """Decode a message: Avro names its schema, JSON needs the type.

        Raises:
            UndecodableError: the bytes are no event; the sentence says why and what to do.
        """
        if not value:
            raise TombstoneError(_NO_VALUE if value is None else "The value is empty; send the event's data.")
        message = self._lately.find(value)
        if message is not None:
            agree(entry_of(type(message)), ce_type)
            return message
        known = self._avro.read(value)
        if known is None:
            return _from_json(value, ce_type)
        entry, values = known
        agree(entry, ce_type)
        return _from_values(entry, values)

    def _to_avro(self, message: Message) -> bytes:
        try:
            return self._writer.write(message)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as wrong:
            raise _unencodable(message, wrong) from wrong

    def _to_json(self, message: Message) -> bytes:
        return message.model_dump_json(exclude_none=True).encode()


_COMMANDS = (SendRun, ChangeRun, CancelRun)

_NAMES = ", ".join(entry.name for entry in CATALOGUE)

_NO_VALUE = "The record has no value (a tombstone); send RunCancelled to cancel a run."


def _from_values(entry: EventType, values: Plain) -> Message:
    try:
        return entry.model.model_validate(values)
    except ValidationError as wrong:
        raise invalid(entry.name, wrong) from None


def _from_json(value: bytes, ce_type: str | None) -> Message:
    value = value.removeprefix(BOM_UTF8)  # RFC 8259 §8.1: a reader may ignore it, and some producers write it
    if not value.lstrip()[:1] == b"{":
        raise UnreadableBytesError(
            f"The value is neither Avro nor a JSON object; it begins with '{excerpt(value[:40])}'. "
            "Send JSON, Avro single-object encoding or the schema registry's format."
        )
    entry = _typed(ce_type)
    try:
        return entry.model.model_validate_json(value)
    except ValidationError as wrong:
        raise _not_json(value, wrong) or invalid(entry.name, wrong) from None


def _not_json(value: bytes, wrong: ValidationError) -> UnreadableBytesError | None:
    first = wrong.errors(include_url=False, include_input=False)[0]
    if first["type"] != "json_invalid":
        return None
    return UnreadableBytesError(
        f"The value is not JSON: {first['msg'].removeprefix('Invalid JSON: ')}; it begins with "
        f"'{excerpt(value[:40])}'. Correct the producer and send it again."
    )


def _typed(ce_type: str | None) -> EventType:
    if ce_type is None:
        raise UnknownEventTypeError(
            f"The value is JSON without the header ce_type; set it to 'southbound.' and one of {_NAMES}."
        )
    entry = entry_named(ce_type)
    if entry is None:
        raise UnknownEventTypeError(
            f"Unknown event type '{excerpt(ce_type)}'; it must be 'southbound.' and one of {_NAMES}."
        )
    return entry


def agree(entry: EventType, ce_type: str | None) -> None:
    """Refuse a value that is another event than its header says.

    Raises:
        InvalidEventError: they differ.
    """
    said = entry_named(ce_type) if ce_type else None
    if said is not None and said is not entry:  # entries are singletons
        raise InvalidEventError(
            f"The header ce_type says {said.name} and the Avro value is a {entry.name}; correct the producer."
        )


def _unencodable(message: Message, wrong: Exception) -> UnencodableError:
    name = type(message).__name__
    try:
        type(message).model_validate(message.model_dump(warnings=False))
    except ValidationError as invalid_:
        return UnencodableError(f"{name} cannot be written: {'; '.join(field_claims(invalid_))}")
    return UnencodableError(f"{name} cannot be written: {wrong}")
