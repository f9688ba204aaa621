"""Bring a value that another version of a schema wrote to what our version knows.

Unknown fields are dropped and unknown symbols become the enum's default; missing fields get their defaults from the
model, which a test holds against the Avro file (Avro 1.12, "Schema Resolution"). fastavro would do the same while it
reads, but looks over what it drops without noticing the end of the bytes, and takes longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.codec.avro_schemas import named_types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.codec.avro_schemas import AvroSchema, AvroValue

    NamedSchemas = Mapping[str, AvroSchema]


def resolve(value: AvroValue, ours: AvroSchema) -> AvroValue:
    """Return what the schema `ours` has a place for; a value of another type stays, for the model to refuse."""
    return _resolve(value, ours, named_types(ours))


def _resolve(value: AvroValue, ours: AvroSchema, named: NamedSchemas) -> AvroValue:
    if isinstance(ours, str):
        return _resolve(value, named[ours], named) if ours in named else value
    if isinstance(ours, list):
        return _resolve_union(value, ours, named)
    fits = isinstance(value, _SHAPES.get(ours["type"], ()))
    return _resolve_complex(value, ours, named) if fits else value


_SHAPES: dict[str, type] = {"record": dict, "map": dict, "array": list, "enum": str}


def _resolve_complex(value: AvroValue, ours: AvroSchema, named: NamedSchemas) -> AvroValue:
    match ours["type"]:
        case "enum":
            return value if value in ours["symbols"] else ours["default"]
        case "array":
            return [_resolve(item, ours["items"], named) for item in value]
        case "map":
            return {key: _resolve(item, ours["values"], named) for key, item in value.items()}
    fields = {field["name"]: field["type"] for field in ours["fields"]}
    return {name: _resolve(value[name], kind, named) for name, kind in fields.items() if name in value}


def _resolve_union(value: AvroValue, ours: AvroSchema, named: NamedSchemas) -> AvroValue:
    # Our unions have at most one branch with an inside, and only such a branch can change a value.
    inner = next((branch for branch in ours if isinstance(branch, dict) or branch in named), None)
    plain = value is None or (isinstance(value, str) and "string" in ours)
    return value if inner is None or plain else _resolve(value, inner, named)
