"""Read Avro into plain values, with one small function per field made once per schema.

fastavro ends the whole process (stack overflow) on a few kilobytes that nest `children` deep enough; here
that is an error like any other. A test holds the values against its `schemaless_reader`. See ADR-0010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.avro_read_scalars import (
    READ_SCALAR,
    NotAvroError,
    Read,
    read_long,
    read_string,
    read_timestamp_millis,
)
from schemas.avro_types import may_be_null, short_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.codec.avro_schemas import AvroSchema, Plain

Named = dict[str, Read]


def reader_of(schema: AvroSchema) -> Callable[[bytes, int], Plain]:
    """Make the function that reads one value of this schema, from a place to the very end of the bytes."""
    return to_the_end(read_of(schema, {}))


def to_the_end(read_value: Read) -> Callable[[bytes, int], Plain]:
    """Make of a reader one that takes only whole values, and tells in a sentence what is wrong with others."""

    def read(data: bytes, start: int) -> Plain:
        try:
            value, end = read_value(data, start)
        except IndexError:
            raise _ends_early(data) from None
        except UnicodeDecodeError:
            raise NotAvroError("a text in it is not UTF-8") from None
        except RecursionError:
            raise NotAvroError("the value is nested too deeply") from None
        if end != len(data):
            # What is only stepped over may lead beyond the end.
            raise _ends_early(data) if end > len(data) else NotAvroError(f"{len(data) - end} bytes are left over")
        return value

    return read


def _ends_early(data: bytes) -> NotAvroError:
    return NotAvroError(f"the value ends early, after {len(data)} bytes")


def read_of(schema: AvroSchema, named: Named) -> Read:
    """Make the function that reads a part of a schema; `named` collects the types that it meets by name."""
    if isinstance(schema, list):
        return _union(schema, named)
    if isinstance(schema, str):
        short = short_name(schema)
        return named[short] if short in named else READ_SCALAR[short]
    if schema.get("logicalType") == "timestamp-millis":
        return read_timestamp_millis
    complex_type = _COMPLEX.get(schema["type"])
    return complex_type(schema, named) if complex_type else read_of(schema["type"], named)


def _record(schema: AvroSchema, named: Named) -> Read:
    fields: list[tuple[str, Read, bool]] = []

    def read(data: bytes, at: int) -> tuple[dict[str, Plain], int]:
        values: dict[str, Plain] = {}
        for name, read_field, is_nullable in fields:
            if is_nullable and not data[at]:  # most fields that may be null are: they cost no call
                values[name] = None
                at += 1
            else:
                values[name], at = read_field(data, at)
        return values, at

    named[short_name(schema["name"])] = read
    fields += [(field["name"], read_of(field["type"], named), may_be_null(field["type"])) for field in schema["fields"]]
    return read


def _enum(schema: AvroSchema, named: Named) -> Read:
    symbols = schema["symbols"]

    def read(data: bytes, at: int) -> tuple[str, int]:
        place, end = read_long(data, at)
        if not 0 <= place < len(symbols):
            raise NotAvroError(f"{schema['name']} has no symbol {place} (byte {at})")
        return symbols[place], end

    named[short_name(schema["name"])] = read
    return read


def _fixed(schema: AvroSchema, named: Named) -> Read:
    size = schema["size"]

    def read(data: bytes, at: int) -> tuple[bytes, int]:
        if at + size > len(data):
            raise IndexError
        return data[at : at + size], at + size

    named[short_name(schema["name"])] = read
    return read


def _array(schema: AvroSchema, named: Named) -> Read:
    return array_of(read_of(schema["items"], named))


def array_of(read_item: Read) -> Read:
    """Make the function that reads a list of items."""

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
    read_value = read_of(schema["values"], named)

    def read(data: bytes, at: int) -> tuple[dict[str, Plain], int]:
        values = {}
        count, at = _block(data, at)
        while count:
            for _ in range(count):
                key, at = read_string(data, at)
                values[key], at = read_value(data, at)
            count, at = _block(data, at)
        return values, at

    return read


def _block(data: bytes, at: int) -> tuple[int, int]:
    count, at = read_long(data, at)
    if count < 0:  # then the size of the block in bytes follows, which only those who skip it need
        count = -count
        _, at = read_long(data, at)
    # Even empty items may not claim more than there are bytes: a count is nobody's way to take our memory.
    if count > len(data):
        raise NotAvroError(f"a list claims {count} items in {len(data)} bytes")
    return count, at


def _union(schema: AvroSchema, named: Named) -> Read:
    branches = [read_of(branch, named) for branch in schema]
    empty = 0 if schema[0] == "null" else None

    def read(data: bytes, at: int) -> tuple[Plain, int]:
        if data[at] == empty:
            return None, at + 1
        doubled = data[at]
        if doubled & 1 or doubled >> 1 >= len(branches):
            raise NotAvroError(f"the byte {at} chooses no branch of a union")
        return branches[doubled >> 1](data, at + 1)

    return read


_COMPLEX: dict[str, Callable[[AvroSchema, Named], Read]] = {
    "record": _record,
    "enum": _enum,
    "fixed": _fixed,
    "array": _array,
    "map": _map,
}
