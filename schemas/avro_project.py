"""Bring a value that another version of a schema wrote to what our version knows.

Fields we do not know are dropped and symbols we do not know become the enum's default; missing fields get
their defaults from the model, which a test holds against the Avro file (Avro 1.12, "Schema Resolution").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.codec.avro_schemas import AvroSchema, Plain

NamedTypes = dict[str, "AvroSchema"]


def project(value: Plain, ours: AvroSchema) -> Plain:
    """Keep of `value` what the schema `ours` has a place for."""
    return _project(value, ours, named_types(ours))


def named_types(schema: AvroSchema) -> NamedTypes:
    """Collect the records and enums that a schema defines."""
    found: NamedTypes = {}
    _collect(schema, found)
    return found


def _collect(schema: AvroSchema, found: NamedTypes) -> None:
    for part in schema if isinstance(schema, list) else [schema]:
        if not isinstance(part, dict):
            continue
        if "name" in part:
            found[part["name"]] = part
        for inner in (part.get("items"), part.get("values"), *(f["type"] for f in part.get("fields", ()))):
            _collect(inner, found)


def _project(value: Plain, ours: AvroSchema, named: NamedTypes) -> Plain:
    if isinstance(ours, str):
        return _project(value, named[ours], named) if ours in named else value
    if isinstance(ours, list):
        return _project_union(value, ours, named)
    return _project_complex(value, ours, named)


def _project_complex(value: Plain, ours: AvroSchema, named: NamedTypes) -> Plain:
    match ours["type"]:
        case "record":
            return _project_record(value, ours, named)
        case "enum":
            return value if value in ours["symbols"] else ours["default"]
        case "array":
            return [_project(item, ours["items"], named) for item in value]
        case "map":
            return {key: _project(item, ours["values"], named) for key, item in value.items()}
    return value


def _project_record(value: dict[str, Plain], ours: AvroSchema, named: NamedTypes) -> dict[str, Plain]:
    fields = {field["name"]: field["type"] for field in ours["fields"]}
    return {name: _project(value[name], fields[name], named) for name in fields if name in value}


def _project_union(value: Plain, ours: AvroSchema, named: NamedTypes) -> Plain:
    # Our unions have at most one branch with an inside, and only such a branch can change a value.
    inner = next((branch for branch in ours if _has_inside(branch, named)), None)
    plain = value is None or (isinstance(value, str) and "string" in ours)
    return value if inner is None or plain else _project(value, inner, named)


def _has_inside(branch: AvroSchema, named: NamedTypes) -> bool:
    return isinstance(branch, dict) or branch in named
