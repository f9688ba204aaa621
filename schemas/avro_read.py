"""Read Avro into plain values, with one small function per field made once per schema.

fastavro ends the whole process (stack overflow) on a few kilobytes that nest `children` deep enough; here
that is an error like any other. A test holds the values against its `schemaless_reader`. See ADR-0010.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from schemas.avro_files import AvroSchema, Plain

Read = Callable[[bytes, int], tuple[Plain, int]]
Named = dict[str, Read]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MORE, _LOW_BITS, _LONGEST = 0x80, 0x7F, 63
_NOT_SMALL = 0x81  # the bits of a first byte that make a number negative or longer than one byte


class NotAvroError(ValueError):
    """The bytes do not follow the schema; the sentence says where."""


def reader_of(schema: AvroSchema) -> Callable[[bytes, int], Plain]:
    """Make the function that reads one value of this schema, from a place to the very end of the bytes."""
    read_value = _read(schema, {})

    def read(data: bytes, start: int) -> Plain:
        try:
            value, end = read_value(data, start)
        except IndexError:
            raise NotAvroError(f"the value ends early, after {len(data)} bytes") from None
        except UnicodeDecodeError:
            raise NotAvroError("a text in it is not UTF-8") from None
        except RecursionError:
            raise NotAvroError("the value is nested too deeply") from None
        if end != len(data):
            raise NotAvroError(f"{len(data) - end} bytes are left over")
        return value

    return read


def _read(schema: AvroSchema, named: Named) -> Read:
    if isinstance(schema, list):
        return _union(schema, named)
    if isinstance(schema, str):
        return named[schema] if schema in named else _PRIMITIVES[schema]
    if schema.get("logicalType") == "timestamp-millis":
        return _timestamp_millis
    complex_type = _COMPLEX.get(schema["type"])
    return complex_type(schema, named) if complex_type else _read(schema["type"], named)


def _long(data: bytes, at: int) -> tuple[int, int]:
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


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    size, start = _long(data, at)
    end = start + size
    if size < 0 or end > len(data):
        raise NotAvroError(f"at byte {at} a length of {size} goes past the end")
    return data[start:end], end


def _string(data: bytes, at: int) -> tuple[str, int]:
    first = data[at]
    if first & _NOT_SMALL:
        return _long_string(data, at)
    end = at + 1 + (first >> 1)
    if end > len(data):
        raise IndexError
    return data[at + 1 : end].decode(), end


def _long_string(data: bytes, at: int) -> tuple[str, int]:
    raw, end = _bytes(data, at)
    return raw.decode(), end


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    if data[at] > 1:
        raise NotAvroError(f"the byte {at} is no boolean")
    return data[at] == 1, at + 1


def _double(data: bytes, at: int) -> tuple[float, int]:
    end = at + 8
    if end > len(data):
        raise IndexError
    return struct.unpack_from("<d", data, at)[0], end


def _float(data: bytes, at: int) -> tuple[float, int]:
    end = at + 4
    if end > len(data):
        raise IndexError
    return struct.unpack_from("<f", data, at)[0], end


def _null(_data: bytes, at: int) -> tuple[None, int]:
    return None, at


def _timestamp_millis(data: bytes, at: int) -> tuple[datetime, int]:
    milliseconds, end = _long(data, at)
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds), end
    except OverflowError:
        raise NotAvroError(f"the time at byte {at} is outside the years 1 to 9999") from None


def _record(schema: AvroSchema, named: Named) -> Read:
    fields: list[tuple[str, Read]] = []

    def read(data: bytes, at: int) -> tuple[dict[str, Plain], int]:
        values = {}
        for name, read_field in fields:
            values[name], at = read_field(data, at)
        return values, at

    named[schema["name"]] = read
    fields += [(field["name"], _read(field["type"], named)) for field in schema["fields"]]
    return read


def _enum(schema: AvroSchema, named: Named) -> Read:
    symbols = schema["symbols"]

    def read(data: bytes, at: int) -> tuple[str, int]:
        place, end = _long(data, at)
        if not 0 <= place < len(symbols):
            raise NotAvroError(f"{schema['name']} has no symbol {place} (byte {at})")
        return symbols[place], end

    named[schema["name"]] = read
    return read


def _fixed(schema: AvroSchema, named: Named) -> Read:
    size = schema["size"]

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if at + size > len(data):
            raise IndexError
        return data[at : at + size], at + size

    named[schema["name"]] = read
    return read


def _array(schema: AvroSchema, named: Named) -> Read:
    read_item = _read(schema["items"], named)

    def read(data: bytes, at: int) -> tuple[list[Plain], int]:
        items = []
        count, at = _block(data, at)
        while count:
            for _ in range(count):
                item, at = read_item(data, at)
                items.append(item)
            count, at = _block(data, at)
        return items, at

    return read


def _map(schema: AvroSchema, named: Named) -> Read:
    read_value = _read(schema["values"], named)

    def read(data: bytes, at: int) -> tuple[dict[str, Plain], int]:
        values = {}
        count, at = _block(data, at)
        while count:
            for _ in range(count):
                key, at = _string(data, at)
                values[key], at = read_value(data, at)
            count, at = _block(data, at)
        return values, at

    return read


def _block(data: bytes, at: int) -> tuple[int, int]:
    count, at = _long(data, at)
    if count < 0:  # then the size of the block in bytes follows, which only those who skip it need
        count = -count
        _, at = _long(data, at)
    # Even empty items may not claim more than there are bytes: a count is nobody's way to take our memory.
    if count > len(data):
        raise NotAvroError(f"a list claims {count} items in {len(data)} bytes")
    return count, at


def _union(schema: AvroSchema, named: Named) -> Read:
    branches = [_read(branch, named) for branch in schema]
    empty = 0 if schema[0] == "null" else None

    def read(data: bytes, at: int) -> tuple[Plain, int]:
        if data[at] == empty:
            return None, at + 1
        doubled = data[at]
        if doubled & 1 or doubled >> 1 >= len(branches):
            raise NotAvroError(f"the byte {at} chooses no branch of a union")
        return branches[doubled >> 1](data, at + 1)

    return read


_PRIMITIVES: dict[str, Read] = {
    "null": _null,
    "boolean": _boolean,
    "int": _long,
    "long": _long,
    "float": _float,
    "double": _double,
    "bytes": _bytes,
    "string": _string,
}
_COMPLEX: dict[str, Callable[[AvroSchema, Named], Read]] = {
    "record": _record,
    "enum": _enum,
    "fixed": _fixed,
    "array": _array,
    "map": _map,
}
