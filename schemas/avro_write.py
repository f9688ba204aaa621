"""Write messages as Avro, with one small function per field made once per schema.

fastavro validates every branch of every union for each value, which costs four times as much; a test holds
these bytes against its `schemaless_writer(strict=True)`. See ADR-0010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.avro_types import may_be_null
from schemas.avro_write_scalars import (
    ONE_BYTE,
    WRITE_LOGICAL,
    WRITE_SCALAR,
    Write,
    write_long,
    write_string,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.codec.avro_schemas import AvroSchema, Plain

_BRANCH_OF = {type(None): "null", bool: "boolean", int: "long", float: "double", str: "string"}


def writer_of(schema: AvroSchema) -> Write:
    """Make the function that appends a value of this schema to a buffer.

    It raises TypeError, KeyError, AttributeError or OverflowError for a value that its model would refuse.
    """
    return _write(schema, {})


def _write(schema: AvroSchema, named: dict[str, Write]) -> Write:
    if isinstance(schema, list):
        return _union(schema, named)
    if isinstance(schema, str):
        return named[schema] if schema in named else WRITE_SCALAR[schema]
    if "logicalType" in schema:
        return WRITE_LOGICAL[schema["logicalType"]]
    complex_type = _COMPLEX.get(schema["type"])
    return complex_type(schema, named) if complex_type else _write(schema["type"], named)


def _record(schema: AvroSchema, named: dict[str, Write]) -> Write:
    fields: list[tuple[str, Write, bool, bool, bool]] = []

    def write(value: Plain, out: bytearray) -> None:
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
                if size < ONE_BYTE:
                    out.append(size << 1)
                else:
                    write_long(size, out)
                out += raw
            else:
                write_field(inner, out)

    named[schema["name"]] = write
    fields += [_field(field, named) for field in schema["fields"]]
    return write


def _field(field: AvroSchema, named: dict[str, Write]) -> tuple[str, Write, bool, bool, bool]:
    schema = field["type"]
    is_nullable = may_be_null(schema)
    is_optional = is_nullable and len(schema) == 2  # noqa: PLR2004 - null and the one other
    inner = schema[1] if is_optional else schema
    return field["name"], _write(inner, named), is_nullable, is_optional, inner == "string"


def _enum(schema: AvroSchema, named: dict[str, Write]) -> Write:
    written = {symbol: _written_long(place) for place, symbol in enumerate(schema["symbols"])}

    def write(value: str, out: bytearray) -> None:
        out += written[value]

    named[schema["name"]] = write
    return write


def _written_long(value: int) -> bytes:
    out = bytearray()
    write_long(value, out)
    return bytes(out)


def _array(schema: AvroSchema, named: dict[str, Write]) -> Write:
    write_item = _write(schema["items"], named)

    def write(values: tuple[Plain, ...], out: bytearray) -> None:
        if values:
            write_long(len(values), out)
            for value in values:
                write_item(value, out)
        out.append(0)

    return write


def _map(schema: AvroSchema, named: dict[str, Write]) -> Write:
    write_value = _write(schema["values"], named)

    def write(values: dict[str, Plain], out: bytearray) -> None:
        if values:
            write_long(len(values), out)
            for key, value in values.items():
                write_string(key, out)
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


_COMPLEX: dict[str, Callable[[AvroSchema, dict[str, Write]], Write]] = {
    "record": _record,
    "enum": _enum,
    "array": _array,
    "map": _map,
}
