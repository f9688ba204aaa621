"""Read the hand-written Avro files, which are the contract."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson
from fastavro.schema import fingerprint, to_parsing_canonical_form

if TYPE_CHECKING:
    from schemas.catalogue import EventType

# Both have Avro's own shapes; nothing past the codec sees them.
AvroSchema = Any
AvroValue = Any

SINGLE_OBJECT_MARKER = b"\xc3\x01"


@cache
def read_avsc(subject: str, version: int) -> str:
    """Return the file `schemas/avro/<subject>/v<version>.avsc` as it was written."""
    return (files("schemas") / "avro" / subject / f"v{version}.avsc").read_text("utf-8")


def load_schema(entry: EventType, version: int) -> AvroSchema:
    """Parse one version of an event's schema."""
    return orjson.loads(read_avsc(entry.subject, version))


def single_object_prefix(schema: AvroSchema) -> bytes:
    """Return the ten bytes that open a single-object value (Avro 1.12, "Single-object encoding")."""
    # fastavro writes the fingerprint's bytes in the little-endian order that the encoding asks for.
    return SINGLE_OBJECT_MARKER + bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def named_types(schema: AvroSchema) -> dict[str, AvroSchema]:
    """Collect the records and enums that a schema defines, by their names."""
    found: dict[str, AvroSchema] = {}
    _collect(schema, found)
    return found


def _collect(schema: AvroSchema, found: dict[str, AvroSchema]) -> None:
    for part in schema if isinstance(schema, list) else [schema]:
        if not isinstance(part, dict):
            continue
        if "name" in part:
            found[part["name"]] = part
        for inner in (part.get("items"), part.get("values"), *(f["type"] for f in part.get("fields", ()))):
            _collect(inner, found)
