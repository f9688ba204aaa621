"""Read Avro values with fastavro, which does not protect itself against hostile schemas and bytes. See ADR-0011.

Its compiled reader ends the process where a value nests deep enough, and builds as many items as a count claims.
Both need a schema that allows it, so such schemas are refused before any byte is read: what is left cannot nest
deeper than the schema does, and builds at most one value per byte and level.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import SchemaParseException, UnknownType

from schemas.counts import count_noun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.codec.avro_schemas import AvroSchema, AvroValue

    Read = Callable[[bytes, int], AvroValue]

DEEPEST = 32  # levels of types inside each other; our own schemas have up to nine

_KEPT = ("name", "namespace", "symbols")
_LONG_TIME = "timestamp-millis"
# fastavro reads every byte but 0 as true. As a zigzag number, the byte 1 that Avro writes for true is -1.
_BOOLEAN = {"type": "enum", "symbols": {0: False, -1: True}}


class NotAvroError(ValueError):
    """The bytes do not follow the schema; the message says where they differ."""


class UnsafeSchemaError(ValueError):
    """Values of this schema are not read, because a few bytes could take all memory or end the process."""


def reader_of(schema: AvroSchema) -> Read:
    """Make the function that reads one record from a position to the very end of the bytes.

    It raises NotAvroError.

    Raises:
        UnsafeSchemaError: the schema is recursive, allows values of no bytes, or is no schema of a record.
    """
    plan = _plan(schema)

    def read(value: bytes, start: int) -> AvroValue:
        source = BytesIO(value)
        source.seek(start)
        try:
            values = schemaless_reader(source, plan, None)
        except (EOFError, IndexError, KeyError, UnicodeDecodeError, OverflowError) as wrong:
            raise NotAvroError(f"{_reason(wrong)} (byte {source.tell()} of {len(value)})") from None
        left = len(value) - source.tell()
        if left:
            raise NotAvroError(f"{count_noun(left, 'byte is', 'bytes are')} left over")
        return values

    return read


def _reason(wrong: Exception) -> str:
    if isinstance(wrong, UnicodeDecodeError):
        return "a text in it is not UTF-8"
    if isinstance(wrong, OverflowError):
        return "a time in it is outside the years 1 to 9999"
    if isinstance(wrong, KeyError):
        return f"an enum, a union or a boolean in it has no choice {wrong}"
    return "it ends early, or a length or count in it goes past its end"


def refuse_unsafe(schema: AvroSchema) -> None:
    """Check a schema that was registered by others.

    Raises:
        UnsafeSchemaError: see `reader_of`.
    """
    _plan(schema)


def _plan(schema: AvroSchema) -> AvroSchema:
    """Parse a schema into the form that fastavro reads by."""
    named: dict[str, AvroSchema] = {}
    try:
        parsed = parse_schema(_bare(schema), named)
        if not isinstance(parsed, dict) or parsed["type"] != "record":
            raise UnsafeSchemaError("it is not the schema of a record")
        _Check(named).depth(parsed)
    except (SchemaParseException, UnknownType, KeyError, TypeError, AttributeError) as wrong:
        raise UnsafeSchemaError(f"it is not an Avro schema: {type(wrong).__name__}: {str(wrong)[:120]}") from None
    except RecursionError:
        raise UnsafeSchemaError(f"its types lie more than {DEEPEST} levels inside each other") from None
    return {**_strict(parsed, {}), "__fastavro_parsed": True, "__named_schemas": {}}


def _bare(schema: AvroSchema) -> AvroSchema:
    """Keep what reading needs; of the logical types only the one that our models know."""
    if isinstance(schema, list):
        return [_bare(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if not isinstance(schema["type"], str):  # {"type": {"type": …}} is a type in one more pair of braces
        return _bare(schema["type"])
    bare: dict[str, AvroSchema] = {"type": schema["type"], **{key: schema[key] for key in _KEPT if key in schema}}
    bare |= {key: _bare(schema[key]) for key in ("items", "values") if key in schema}
    if "fields" in schema:
        bare["fields"] = [{"name": _a(str, field["name"]), "type": _bare(field["type"])} for field in schema["fields"]]
    if "size" in schema:
        bare["size"] = _a(int, schema["size"])
    if schema["type"] == "long" and schema.get("logicalType") == _LONG_TIME:
        bare["logicalType"] = _LONG_TIME
    return bare if len(bare) > 1 else schema["type"]


def _a(kind: type, value: AvroValue) -> AvroValue:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


class _Check:
    """Finds how deep types lie inside each other, and refuses those whose values may be endless."""

    def __init__(self, named: Mapping[str, AvroSchema]) -> None:
        self._named = named
        self._depths: dict[str, int] = {}  # of the named types that are checked to their end

    def depth(self, schema: AvroSchema, level: int = 1) -> int:
        """Return how many levels lie in a type, itself included."""
        if isinstance(schema, str):
            depth = self._of_name(schema)
        elif isinstance(schema, list):
            depth = 1 + max((self.depth(branch, level + 1) for branch in schema if branch != "null"), default=0)
        else:
            depth = self._of_complex(schema, level)
        if level + depth > DEEPEST:
            raise UnsafeSchemaError(f"its types lie more than {DEEPEST} levels inside each other")
        return depth

    def _of_name(self, name: str) -> int:
        if name == "null":
            raise UnsafeSchemaError("null stands in it outside of a union, so that a value may take no bytes")
        if name in self._named and name not in self._depths:
            raise UnsafeSchemaError(f"it is recursive: {name} contains itself")
        return self._depths.get(name, 1)

    def _of_complex(self, schema: AvroSchema, level: int) -> int:
        inside = [schema[key] for key in ("items", "values") if key in schema]
        inside += [field["type"] for field in schema.get("fields", ())]
        if (schema["type"] in {"record", "error"} and not inside) or (schema["type"] == "fixed" and schema["size"] < 1):
            raise UnsafeSchemaError(f"a value of {schema['name']} takes no bytes")
        depth = 1 + max((self.depth(part, level + 1) for part in inside), default=0)
        if "name" in schema:
            self._depths[schema["name"]] = depth
        return depth


def _strict(schema: AvroSchema, named: dict[str, AvroSchema]) -> AvroSchema:
    """Let fastavro find branches and symbols by their number in a mapping: of a list it takes -1 as the last.

    A type that is named stands in place of its name, which saves looking it up; `named` has those met so far.
    """
    if isinstance(schema, list):
        return {"type": "union", **{place: _strict(branch, named) for place, branch in enumerate(schema)}}
    if isinstance(schema, str):
        return _BOOLEAN if schema == "boolean" else named.get(schema, schema)
    strict = {**schema, **{key: _strict(schema[key], named) for key in ("items", "values") if key in schema}}
    if "fields" in schema:
        strict["fields"] = [{**field, "type": _strict(field["type"], named)} for field in schema["fields"]]
    if "symbols" in schema:
        strict["symbols"] = dict(enumerate(schema["symbols"]))
    if "name" in schema:
        named[schema["name"]] = strict
    return strict
