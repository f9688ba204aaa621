"""Ask an Avro schema what a type is called, and whether it may be null."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.codec.avro_schemas import AvroSchema


def short_name(name: str) -> str:
    """Return the name of a type without its namespace: Java writes it in full where we do not."""
    return name.rpartition(".")[2]


def may_be_null(schema: AvroSchema) -> bool:
    """Return whether a zero byte is the null of a union: most fields that may be null are."""
    return isinstance(schema, list) and schema[0] == "null"
