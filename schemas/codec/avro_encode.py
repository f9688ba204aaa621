"""Write messages as Avro, with one small function per field made once per schema.

fastavro validates every branch of every union for each value and takes three times as long; a test holds these bytes
against its `schemaless_writer(strict=True)`. See ADR-0011.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from schemas.base import LONG_MAX, LONG_MIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.base import Model
    from schemas.codec.avro_schemas import AvroSchema, AvroValue

    Write = Callable[[AvroValue, bytearray], None]
    NamedWriters = dict[str, Write]

CHILD = "ChildDocument"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_ONE_BYTE = 64  # numbers below this take one byte
_MORE, _LOW_BITS = 0x80, 0x7F
_BRANCH_OF = {type(None): "null", bool: "boolean", int: "long", float: "double", str: "string"}


def writer_of(schema: AvroSchema, prefix: bytes = b"") -> Callable[[Model], bytes]:
    """Make the function that writes a message of this schema behind a prefix.

    It raises TypeError, ValueError, KeyError, AttributeError or OverflowError for a message that its model would
    refuse.
    """
    write_message = _write(schema, {})

    def write(message: Model) -> bytes:
        out = bytearray(prefix)
        write_message(message, out)
        return bytes(out)

    return write


def _write(schema: AvroSchema, named: NamedWriters) -> Write:
    if isinstance(schema, list):
        return _union(schema, named)
    if isinstance(schema, str):
        return named[schema] if schema in named else _SCALARS[schema]
    if "logicalType" in schema:
        return _LOGICAL[schema["logicalType"]]
    return _COMPLEX[schema["type"]](schema, named)


def _record(schema: AvroSchema, named: NamedWriters) -> Write:
    fields = [_field(field, named) for field in schema["fields"]]

    def write(value: AvroValue, out: bytearray) -> None:
        values = value.__dict__
        # Most fields are texts, and most that may be null are: both are written here and cost no call.
        for name, write_field, is_nullable, is_optional, is_text in fields:
            inner = values[name]
            if inner is None and is_nullable:
                out.append(0)
                continue
            if is_optional:
                out.append(2)
            if is_text:
                raw = inner.encode()
                size = len(raw)
                if size < _ONE_BYTE:
                    out.append(size << 1)
                else:
                    _write_long(size, out)
                out += raw
            else:
                write_field(inner, out)

    named[schema["name"]] = _only_without_children(write) if schema["name"] == CHILD else write
    return named[schema["name"]]


def _only_without_children(write_record: Write) -> Write:
    def write(value: AvroValue, out: bytearray) -> None:
        if value.children:
            raise ValueError("a child carries children of its own")
        write_record(value, out)

    return write


def _field(field: AvroSchema, named: NamedWriters) -> tuple[str, Write, bool, bool, bool]:
    schema = field["type"]
    is_nullable = isinstance(schema, list) and schema[0] == "null"
    is_optional = is_nullable and len(schema) == 2  # noqa: PLR2004 - null and the one other
    inner = schema[1] if is_optional else schema
    return field["name"], _write(inner, named), is_nullable, is_optional, inner == "string"


def _enum(schema: AvroSchema, named: NamedWriters) -> Write:
    written = {symbol: _written_long(place) for place, symbol in enumerate(schema["symbols"])}

    def write(value: str, out: bytearray) -> None:
        out += written[value]

    named[schema["name"]] = write
    return write


def _written_long(value: int) -> bytes:
    out = bytearray()
    _write_long(value, out)
    return bytes(out)


def avro_string(text: str) -> bytes:
    """Return how Avro writes a text, which is how it is found in a value that cannot be decoded."""
    out = bytearray()
    _write_string(text, out)
    return bytes(out)


def _array(schema: AvroSchema, named: NamedWriters) -> Write:
    write_item = _write(schema["items"], named)

    def write(values: tuple[AvroValue, ...], out: bytearray) -> None:
        if values:
            _write_long(len(values), out)
            for value in values:
                write_item(value, out)
        out.append(0)

    return write


def _map(schema: AvroSchema, named: NamedWriters) -> Write:
    write_value = _write(schema["values"], named)

    def write(values: dict[str, AvroValue], out: bytearray) -> None:
        if values:
            _write_long(len(values), out)
            for key, value in values.items():
                _write_string(key, out)
                write_value(value, out)
        out.append(0)

    return write


def _union(schema: AvroSchema, named: NamedWriters) -> Write:
    branches = [_write(branch, named) for branch in schema]
    names = [branch["name"] if isinstance(branch, dict) else branch for branch in schema]
    places = {name: place for place, name in enumerate(names)}

    def write(value: AvroValue, out: bytearray) -> None:
        place = places[_BRANCH_OF.get(type(value)) or type(value).__name__]
        out.append(place << 1)
        branches[place](value, out)

    return write


def _write_long(value: int, out: bytearray) -> None:
    if 0 <= value < _ONE_BYTE:
        out.append(value << 1)
        return
    if not LONG_MIN <= value <= LONG_MAX:
        raise OverflowError(f"{value} does not fit into an Avro long")
    rest = (value << 1) ^ (value >> 63)
    while rest >= _MORE:
        out.append((rest & _LOW_BITS) | _MORE)
        rest >>= 7
    out.append(rest)


def _write_bytes(value: bytes, out: bytearray) -> None:
    _write_long(len(value), out)
    out += value


def _write_string(value: str, out: bytearray) -> None:
    _write_bytes(value.encode(), out)


def _write_boolean(value: bool, out: bytearray) -> None:  # noqa: FBT001 - the value written, not a switch
    out.append(value)


def _write_double(value: float, out: bytearray) -> None:
    out += struct.pack("<d", value)


def _write_null(value: None, _out: bytearray) -> None:
    if value is not None:
        raise TypeError("not null")


def _write_timestamp_millis(value: datetime, out: bytearray) -> None:
    _write_long((value - _EPOCH) // _MILLISECOND, out)


_SCALARS: Mapping[str, Write] = {
    "null": _write_null,
    "boolean": _write_boolean,
    "long": _write_long,
    "double": _write_double,
    "bytes": _write_bytes,
    "string": _write_string,
}
_LOGICAL: Mapping[str, Write] = {"timestamp-millis": _write_timestamp_millis}
_COMPLEX: Mapping[str, Callable[[AvroSchema, NamedWriters], Write]] = {
    "record": _record,
    "enum": _enum,
    "array": _array,
    "map": _map,
}
