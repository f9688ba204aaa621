"""Read Avro values of other systems, by the schemas that a Confluent-compatible registry has under their ids."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import datetime
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING

import orjson

from schemas.codec.avro import CONFLUENT_MAGIC_BYTE, REGISTRY_SIZE
from schemas.codec.avro_decode import NotAvroError, UnsafeSchemaError, reader_of
from schemas.codec.schema_registry import read_registered_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.codec.avro_schemas import AvroValue

    Fetch = Callable[[int], str]

MAX_SCHEMAS = 200  # that are kept; a producer writes with few


class ForeignAvroError(ValueError):
    """A value cannot be read; the message says why."""


def names_registered_schema(value: bytes) -> bool:
    """Return whether a value begins as Avro of a schema registry does: no JSON begins with a zero byte."""
    return value.startswith(CONFLUENT_MAGIC_BYTE)


class RegisteredAvroReader:
    """Reads values as plain JSON; a schema is fetched when a value names it first.

    `fetch` returns the text of a schema by its id, and may block.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._readers: dict[int, Callable[[bytes, int], AvroValue]] = {}

    @classmethod
    def of_registry(cls, url: str) -> RegisteredAvroReader:
        """Return a reader of the schemas of this registry; `url` may have a user and password."""
        return cls(partial(read_registered_schema, url))

    async def read(self, value: bytes) -> object:
        """Return a value.

        Raises:
            ForeignAvroError: its schema is none that is read, or its bytes do not follow it.
            RegistryError: the registry does not have the schema.
            RegistryUnavailableError: the registry does not answer.
        """
        if len(value) < REGISTRY_SIZE:
            raise ForeignAvroError("it ends before the id of its schema does")
        schema_id = int.from_bytes(value[1:REGISTRY_SIZE], "big")
        reader = self._readers.get(schema_id) or await self._load(schema_id)
        try:
            return _as_json(reader(value, REGISTRY_SIZE))
        except NotAvroError as error:
            raise ForeignAvroError(f"it does not follow the schema {schema_id} of the registry: {error}") from None

    async def _load(self, schema_id: int) -> Callable[[bytes, int], AvroValue]:
        text = await asyncio.to_thread(self._fetch, schema_id)
        try:
            reader = reader_of(orjson.loads(text))
        except (UnsafeSchemaError, orjson.JSONDecodeError) as error:
            raise ForeignAvroError(f"the schema {schema_id} of the registry is not read: {error}") from None
        if len(self._readers) >= MAX_SCHEMAS:
            del self._readers[next(iter(self._readers))]
        self._readers[schema_id] = reader
        return reader


def _as_json(value: AvroValue) -> object:
    """Return a value as JSON has it: bytes as base64, and a moment as text. It nests no deeper than its schema."""
    match value:
        case dict():
            return {str(name): _as_json(inner) for name, inner in value.items()}
        case list():
            return [_as_json(inner) for inner in value]
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return value.isoformat()
        case float() if not isfinite(value):
            raise ForeignAvroError("it has a number that is not finite")
        case _:
            return value
