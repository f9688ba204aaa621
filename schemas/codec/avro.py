"""Encode our events as Avro, and decode Avro values by the schema that their first bytes name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from schemas.catalogue import CATALOGUE
from schemas.codec.avro_decode import NotAvroError, reader_of
from schemas.codec.avro_encode import writer_of
from schemas.codec.avro_resolution import resolve
from schemas.codec.avro_schemas import SINGLE_OBJECT_MARKER, load_schema, single_object_prefix
from schemas.codec.errors import UnknownSchemaError, UnreadableBytesError
from schemas.codec.printable import excerpt
from schemas.text.counts import count_noun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.catalogue import EventData, EventType
    from schemas.codec.avro_schemas import AvroSchema, AvroValue
    from schemas.codec.schema_registry import RegistryIds

CONFLUENT_MAGIC_BYTE = b"\x00"
SINGLE_OBJECT_SIZE, REGISTRY_SIZE = 10, 5


@dataclass(frozen=True, slots=True)
class KnownSchema:
    """A schema that values may be written in, and the event that they then are."""

    entry: EventType
    read: Callable[[bytes, int], AvroValue]


class AvroWriter:
    """Write every event in the newest version of its schema."""

    def __init__(self, registry: RegistryIds | None = None) -> None:
        self._writers = {entry.model: _writer(entry, registry) for entry in CATALOGUE}

    def write(self, message: EventData) -> bytes:
        """Write a message; raises what `writer_of` says where a value does not fit its schema."""
        return self._writers[type(message)](message)


class AvroReader:
    """Read every version of every event, in both framings.

    Raises:
        UnsafeSchemaError: the registry has a schema that values cannot safely be read by.
    """

    def __init__(self, registry: RegistryIds | None = None) -> None:
        self._by_prefix = _schemas_by_prefix()
        self._has_registry = registry is not None
        foreign = registry.read_schemas if registry else {}
        self._by_id = {id_: _known_schema(entry, schema) for id_, (entry, schema) in foreign.items()}

    def read(self, value: bytes) -> tuple[EventType, AvroValue] | None:
        """Return which event this is and its plain values; None where the bytes do not open like Avro.

        Raises:
            UnknownSchemaError: the fingerprint or registry id is unknown.
            UnreadableBytesError: the bytes do not follow the schema that they name.
        """
        if value.startswith(SINGLE_OBJECT_MARKER):
            return _read_values(self._single_object(value), value, SINGLE_OBJECT_SIZE)
        if value.startswith(CONFLUENT_MAGIC_BYTE):
            return _read_values(self._registered(value), value, REGISTRY_SIZE)
        return None

    def _single_object(self, value: bytes) -> KnownSchema:
        known = self._by_prefix.get(value[:SINGLE_OBJECT_SIZE])
        if len(value) < SINGLE_OBJECT_SIZE:
            raise UnreadableBytesError(
                f"The value ends after {count_noun(len(value), 'byte')}, before its fingerprint does."
            )
        if known is None:
            raise UnknownSchemaError(
                f"The value is Avro with the schema fingerprint {value[2:SINGLE_OBJECT_SIZE].hex()}, "
                "which this release does not know; deploy the release that does, then redrive."
            )
        return known

    def _registered(self, value: bytes) -> KnownSchema:
        if len(value) < REGISTRY_SIZE:
            raise UnreadableBytesError(f"The value ends after {count_noun(len(value), 'byte')}, before its schema id.")
        id_ = int.from_bytes(value[1:REGISTRY_SIZE], "big")
        known = self._by_id.get(id_)
        if known is None:
            raise UnknownSchemaError(self._unknown_id(id_))
        return known

    def _unknown_id(self, id_: int) -> str:
        if not self._has_registry:
            return f"The value names the registry schema {id_}; configure the schema registry, then redrive."
        return (
            f"The value names the registry schema {id_}, which was under none of our subjects at the start; "
            "register it there and restart, then redrive."
        )


def _writer(entry: EventType, registry: RegistryIds | None) -> Callable[[EventData], bytes]:
    if registry is None:
        return _single_object_writer(entry)
    prefix = CONFLUENT_MAGIC_BYTE + registry.write_ids[entry.subject].to_bytes(4, "big")
    return writer_of(load_schema(entry, entry.versions), prefix)


@cache
def _single_object_writer(entry: EventType) -> Callable[[EventData], bytes]:
    schema = load_schema(entry, entry.versions)
    return writer_of(schema, single_object_prefix(schema))


@cache
def _schemas_by_prefix() -> Mapping[bytes, KnownSchema]:
    schemas = [(entry, load_schema(entry, version)) for entry in CATALOGUE for version in range(1, entry.versions + 1)]
    return {single_object_prefix(schema): _known_schema(entry, schema) for entry, schema in schemas}


def _known_schema(entry: EventType, schema: AvroSchema) -> KnownSchema:
    read, ours = reader_of(schema), load_schema(entry, entry.versions)
    if schema == ours:
        return KnownSchema(entry, read)
    return KnownSchema(entry, lambda value, start: resolve(read(value, start), ours))


def _read_values(known: KnownSchema, value: bytes, start: int) -> tuple[EventType, AvroValue]:
    try:
        return known.entry, known.read(value, start)
    except NotAvroError as wrong:
        raise UnreadableBytesError(
            f"The value says it is an Avro {known.entry.name}, but it is damaged: {wrong}. "
            f"It begins with {excerpt(value.hex())}; correct the producer and send it again."
        ) from None
