"""Write messages as Avro, with one small function per field made once per schema.

fastavro validates every branch of every union for each value, which costs four times as much; a test holds
these bytes against its `schemaless_writer(strict=True)`. See ADR-0010.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from schemas.avro_files import AvroSchema, Plain
from schemas.base import LONG_MAX, LONG_MIN

Write = Callable[[Plain, bytearray], None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_BOOLEAN = {True: b"\x01", False: b"\x00"}
_BRANCH_OF = {type(None): "null", bool: "boolean", int: "long", float: "double", str: "string"}
_ONE_BYTE = 64  # numbers below this take one byte
_MORE, _LOW_BITS = 0x80, 0x7F


def writer_of(schema: AvroSchema) -> Write:
    """Make the function that appends a value of this schema to a buffer.

    It raises TypeError, KeyError, AttributeError or OverflowError for a value that its model would refuse.
    """
    return _write(schema, {})


def _write(schema: AvroSchema, named: dict[str, Write]) -> Write:
    if isinstance(schema, list):
        return _union(schema, named)
    if isinstance(schema, str):
        return named[schema] if schema in named else _PRIMITIVES[schema]
    if "logicalType" in schema:
        return _LOGICAL[schema["logicalType"]]
    complex_type = _COMPLEX.get(schema["type"])
    return complex_type(schema, named) if complex_type else _write(schema["type"], named)


def _long(value: int, out: bytearray) -> None:
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


def _bytes(value: bytes, out: bytearray) -> None:
    _long(len(value), out)
    out += value


def _string(value: str, out: bytearray) -> None:
    raw = value.encode()
    size = len(raw)
    if size < _ONE_BYTE:
        out.append(size << 1)
    else:
        _long(size, out)
    out += raw


def _boolean(value: bool, out: bytearray) -> None:  # noqa: FBT001 - the value written, not a switch
    out += _BOOLEAN[value]


def _double(value: float, out: bytearray) -> None:
    out += struct.pack("<d", value)


def _null(value: None, _out: bytearray) -> None:
    if value is not None:
        raise TypeError("not null")


def _timestamp_millis(value: datetime, out: bytearray) -> None:
    _long((value - _EPOCH) // _MILLISECOND, out)


def _record(schema: AvroSchema, named: dict[str, Write]) -> Write:
    fields: list[tuple[str, Write]] = []

    def write(value: Plain, out: bytearray) -> None:
        values = value.__dict__
        for name, write_field in fields:
            write_field(values[name], out)

    named[schema["name"]] = write
    fields += [(field["name"], _write(field["type"], named)) for field in schema["fields"]]
    return write


def _enum(schema: AvroSchema, named: dict[str, Write]) -> Write:
    places = {symbol: place for place, symbol in enumerate(schema["symbols"])}

    def write(value: str, out: bytearray) -> None:
        _long(places[value], out)

    named[schema["name"]] = write
    return write


def _array(schema: AvroSchema, named: dict[str, Write]) -> Write:
    write_item = _write(schema["items"], named)

    def write(values: tuple[Plain, ...], out: bytearray) -> None:
        if values:
            _long(len(values), out)
            for value in values:
                write_item(value, out)
        out.append(0)

    return write


def _map(schema: AvroSchema, named: dict[str, Write]) -> Write:
    write_value = _write(schema["values"], named)

    def write(values: dict[str, Plain], out: bytearray) -> None:
        if values:
            _long(len(values), out)
            for key, value in values.items():
                _string(key, out)
                write_value(value, out)
        out.append(0)

    return write


def _union(schema: AvroSchema, named: dict[str, Write]) -> Write:
    branches = [_write(branch, named) for branch in schema]
    if len(branches) == 2 and schema[0] == "null":  # noqa: PLR2004 - null and the one other
        return _optional(branches[1])
    places = {_branch_name(branch): place for place, branch in enumerate(schema)}

    def write(value: Plain, out: bytearray) -> None:
        place = places[_BRANCH_OF.get(type(value)) or type(value).__name__]
        out.append(place << 1)
        branches[place](value, out)

    return write


def _optional(write_value: Write) -> Write:
    def write(value: Plain, out: bytearray) -> None:
        if value is None:
            out.append(0)
        else:
            out.append(2)
            write_value(value, out)

    return write


def _branch_name(branch: AvroSchema) -> str:
    return str(branch["name"]) if isinstance(branch, dict) else str(branch)


_PRIMITIVES: dict[str, Write] = {
    "null": _null,
    "boolean": _boolean,
    "int": _long,
    "long": _long,
    "double": _double,
    "bytes": _bytes,
    "string": _string,
}
_LOGICAL: dict[str, Write] = {"timestamp-millis": _timestamp_millis}
_COMPLEX: dict[str, Callable[[AvroSchema, dict[str, Write]], Write]] = {
    "record": _record,
    "enum": _enum,
    "array": _array,
    "map": _map,
}
