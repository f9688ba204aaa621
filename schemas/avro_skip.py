"""Step over Avro values that nobody needs, as cheaply as Python can, and still notice where they do not fit.

What is stepped over is not looked into: a text that is not UTF-8 or a number that is no symbol goes unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from schemas.avro_read_scalars import NotAvroError, read_long
from schemas.avro_types import may_be_null, short_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from schemas.codec.avro_schemas import AvroSchema

Skip = Callable[[bytes, int], int]
Skips = dict[str, Skip]
StepCost = tuple[
    bool, bool, bool, Skip
]  # whether a zero byte may be all of it, a text, a text or null; how to step over

_MORE, _NOT_SMALL = 0x80, 0x81  # as in `avro_read_scalars`
_SECOND = 2  # the byte that chooses the second branch of a union


def skip_of(schema: AvroSchema, named: Skips) -> Skip:
    """Make the function that gives the place behind a value; `named` collects the types that it meets by name."""
    if isinstance(schema, list):
        return _union(schema, named)
    if isinstance(schema, str):
        short = short_name(schema)
        return named[short] if short in named else _SCALARS[short]
    made = _COMPLEX.get(schema["type"])
    return made(schema, named) if made else skip_of(schema["type"], named)


def _nothing(_data: bytes, at: int) -> int:
    return at


def _one(_data: bytes, at: int) -> int:
    return at + 1


def _four(_data: bytes, at: int) -> int:
    return at + 4


def _eight(_data: bytes, at: int) -> int:
    return at + 8


def _long(data: bytes, at: int) -> int:
    while data[at] >= _MORE:
        at += 1
    return at + 1


def _sized(data: bytes, at: int) -> int:
    first = data[at]
    if not first & _NOT_SMALL:
        return at + 1 + (first >> 1)
    size, start = read_long(data, at)
    if size < 0:
        raise NotAvroError(f"at byte {at} stands a length of {size}")
    return start + size


_SCALARS: Mapping[str, Skip] = {
    "null": _nothing,
    "boolean": _one,
    "int": _long,
    "long": _long,
    "float": _four,
    "double": _eight,
    "bytes": _sized,
    "string": _sized,
}


def _record(schema: AvroSchema, named: Skips) -> Skip:
    fields: list[StepCost] = []
    named[short_name(schema["name"])] = _over(fields)  # before its fields, which may name it
    fields += _steps((field["type"] for field in schema["fields"]), named)
    return named[short_name(schema["name"])]


def skip_all(kinds: Iterable[AvroSchema], named: Skips) -> Skip:
    """Make the function that gives the place behind values that follow each other."""
    return _over(_steps(kinds, named))


def _steps(kinds: Iterable[AvroSchema], named: Skips) -> list[StepCost]:
    steps = [(may_be_one_zero(kind), skip_of(kind, named)) for kind in kinds]
    return [(may_be_zero, skip is _sized, skip is _text_or_null, skip) for may_be_zero, skip in steps]


def _over(steps: list[StepCost]) -> Skip:
    def skip(data: bytes, at: int) -> int:
        for may_be_zero, is_sized, is_text_or_null, skip_one in steps:
            first = data[at] if may_be_zero else None
            if first is None:
                at = skip_one(data, at)
            elif not first:
                at += 1
            elif is_sized and not first & _NOT_SMALL:  # most are short texts: they cost no call
                at += 1 + (first >> 1)
            elif is_text_or_null and first == _SECOND and not data[at + 1] & _NOT_SMALL:
                at += 2 + (data[at + 1] >> 1)
            else:
                at = skip_one(data, at)
        return at

    return skip


def may_be_one_zero(schema: AvroSchema) -> bool:
    """Return whether a zero byte is always the whole of a value: null, 0, false, an empty text or list."""
    if isinstance(schema, list):
        return may_be_null(schema)
    kind = schema["type"] if isinstance(schema, dict) else schema
    return kind in _ONE_ZERO


_ONE_ZERO = frozenset({"boolean", "int", "long", "bytes", "string", "enum", "array", "map"})


def _enum(schema: AvroSchema, named: Skips) -> Skip:
    named[short_name(schema["name"])] = _long
    return _long


def _fixed(schema: AvroSchema, named: Skips) -> Skip:
    size: int = schema["size"]

    def skip(_data: bytes, at: int) -> int:
        return at + size

    named[short_name(schema["name"])] = skip
    return skip


def _array(schema: AvroSchema, named: Skips) -> Skip:
    return _blocks(skip_of(schema["items"], named))


def _map(schema: AvroSchema, named: Skips) -> Skip:
    skip_value = skip_of(schema["values"], named)
    return _blocks(lambda data, at: skip_value(data, _sized(data, at)))


def _blocks(skip_item: Skip) -> Skip:
    def skip(data: bytes, at: int) -> int:
        while data[at]:
            count, at = read_long(data, at)
            if count < 0:  # then the size of the block in bytes follows
                size, at = read_long(data, at)
                at = _beyond(at, size)
                continue
            if count > len(data):
                raise NotAvroError(f"a list claims {count} items in {len(data)} bytes")
            for _ in range(count):
                at = skip_item(data, at)
        return at + 1

    return skip


def _beyond(at: int, size: int) -> int:
    if size < 0:
        raise NotAvroError(f"a block before byte {at} claims a size of {size}")
    return at + size


def _union(schema: AvroSchema, named: Skips) -> Skip:
    branches = [skip_of(branch, named) for branch in schema]
    if schema[1:] == ["string"] and may_be_null(schema):
        return _text_or_null

    def skip(data: bytes, at: int) -> int:
        doubled = data[at]
        if doubled & 1 or doubled >> 1 >= len(branches):
            raise NotAvroError(f"the byte {at} chooses no branch of a union")
        return branches[doubled >> 1](data, at + 1)

    return skip


def _text_or_null(data: bytes, at: int) -> int:
    """Step over the union that most fields have, with one call instead of two."""
    branch = data[at]
    if branch > _SECOND or branch & 1:
        raise NotAvroError(f"the byte {at} chooses no branch of a union")
    return _sized(data, at + 1) if branch else at + 1


_COMPLEX: Mapping[str, Callable[[AvroSchema, Skips], Skip]] = {
    "record": _record,
    "enum": _enum,
    "fixed": _fixed,
    "array": _array,
    "map": _map,
}
