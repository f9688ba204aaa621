"""Write single values as Avro: numbers, texts, times (Avro 1.12, "Binary Encoding")."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from schemas.base import LONG_MAX, LONG_MIN
from schemas.codec.avro_schemas import Plain

Write = Callable[[Plain, bytearray], None]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_BOOLEAN = {True: b"\x01", False: b"\x00"}
ONE_BYTE = 64  # numbers below this take one byte
_MORE, _LOW_BITS = 0x80, 0x7F


def write_long(value: int, out: bytearray) -> None:
    """Write a zigzag number of one to ten bytes."""
    if 0 <= value < ONE_BYTE:
        out.append(value << 1)
        return
    if not LONG_MIN <= value <= LONG_MAX:
        raise OverflowError(f"{value} does not fit into an Avro long")
    rest = (value << 1) ^ (value >> 63)
    while rest >= _MORE:
        out.append((rest & _LOW_BITS) | _MORE)
        rest >>= 7
    out.append(rest)


def write_bytes(value: bytes, out: bytearray) -> None:
    """Write bytes after their length."""
    write_long(len(value), out)
    out += value


def write_string(value: str, out: bytearray) -> None:
    """Write a text after its length in bytes."""
    raw = value.encode()
    size = len(raw)
    if size < ONE_BYTE:
        out.append(size << 1)
    else:
        write_long(size, out)
    out += raw


def write_boolean(value: bool, out: bytearray) -> None:  # noqa: FBT001 - the value written, not a switch
    """Write one byte, 0 or 1."""
    out += _BOOLEAN[value]


def write_double(value: float, out: bytearray) -> None:
    """Write eight bytes, little endian."""
    out += struct.pack("<d", value)


def write_null(value: None, _out: bytearray) -> None:
    """Write one byte, 0 or 1."""
    if value is not None:
        raise TypeError("not null")


def write_timestamp_millis(value: datetime, out: bytearray) -> None:
    """Write a time in milliseconds since 1970, UTC."""
    write_long((value - _EPOCH) // _MILLISECOND, out)


WRITE_SCALAR: dict[str, Write] = {
    "null": write_null,
    "boolean": write_boolean,
    "int": write_long,
    "long": write_long,
    "double": write_double,
    "bytes": write_bytes,
    "string": write_string,
}
WRITE_LOGICAL: dict[str, Write] = {"timestamp-millis": write_timestamp_millis}
