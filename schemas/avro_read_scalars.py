"""Read single values of Avro: numbers, texts, times (Avro 1.12, "Binary Encoding")."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from schemas.codec.avro_schemas import Plain

Read = Callable[[bytes, int], tuple[Plain, int]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MORE, _LOW_BITS, _LONGEST = 0x80, 0x7F, 63
_NOT_SMALL = 0x81  # the bits of a first byte that make a number negative or longer than one byte


class NotAvroError(ValueError):
    """The bytes do not follow the schema; the sentence says where."""


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """Read a zigzag number of one to ten bytes."""
    byte = data[at]
    at += 1
    if byte < _MORE:
        return (byte >> 1) ^ -(byte & 1), at
    number, shift = byte & _LOW_BITS, 7
    while True:
        byte = data[at]
        at += 1
        number |= (byte & _LOW_BITS) << shift
        if byte < _MORE:
            break
        shift += 7
        if shift > _LONGEST:
            raise NotAvroError(f"no number ends before byte {at}")
    return (number >> 1) ^ -(number & 1), at


def read_bytes(data: bytes, at: int) -> tuple[bytes, int]:
    """Read bytes after their length."""
    size, start = read_long(data, at)
    end = start + size
    if size < 0 or end > len(data):
        raise NotAvroError(f"at byte {at} a length of {size} goes past the end")
    return data[start:end], end


def read_string(data: bytes, at: int) -> tuple[str, int]:
    """Read a text after its length in bytes."""
    first = data[at]
    if first & _NOT_SMALL:
        return _read_long_string(data, at)
    end = at + 1 + (first >> 1)
    if end > len(data):
        raise IndexError
    return data[at + 1 : end].decode(), end


def _read_long_string(data: bytes, at: int) -> tuple[str, int]:
    raw, end = read_bytes(data, at)
    return raw.decode(), end


def read_boolean(data: bytes, at: int) -> tuple[bool, int]:
    """Read one byte, 0 or 1."""
    if data[at] > 1:
        raise NotAvroError(f"the byte {at} is no boolean")
    return data[at] == 1, at + 1


def read_double(data: bytes, at: int) -> tuple[float, int]:
    """Read eight bytes, little endian."""
    end = at + 8
    if end > len(data):
        raise IndexError
    return struct.unpack_from("<d", data, at)[0], end


def read_float(data: bytes, at: int) -> tuple[float, int]:
    """Read four bytes, little endian."""
    end = at + 4
    if end > len(data):
        raise IndexError
    return struct.unpack_from("<f", data, at)[0], end


def read_null(_data: bytes, at: int) -> tuple[None, int]:
    """Read nothing."""
    return None, at


def read_timestamp_millis(data: bytes, at: int) -> tuple[datetime, int]:
    """Read a time in milliseconds since 1970, UTC."""
    milliseconds, end = read_long(data, at)
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds), end
    except OverflowError:
        raise NotAvroError(f"the time at byte {at} is outside the years 1 to 9999") from None


READ_SCALAR: dict[str, Read] = {
    "null": read_null,
    "boolean": read_boolean,
    "int": read_long,
    "long": read_long,
    "float": read_float,
    "double": read_double,
    "bytes": read_bytes,
    "string": read_string,
}
