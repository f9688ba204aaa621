"""Decoding only some fields of an event gives the same values as decoding all, and damage is still detected."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import CATALOGUE, EventData, event_type_of, find_event_type
from schemas.codec.avro import SINGLE_OBJECT_SIZE
from schemas.codec.avro_decode import reader_of
from schemas.codec.avro_schemas import load_schema
from schemas.codec.codec import Codec
from schemas.codec.errors import InvalidEventError, UndecodableError, UnreadableBytesError
from schemas.codec.projection import ItemsNamed, PartialEvent, PartialEventReader, picker_of
from schemas.codec.schema_registry import RegistryIds
from schemas.lifecycle import RunRequested
from tests.builders.runs import a_document
from tests.generators.hostile_avro import damaged
from tests.generators.messages import messages, messages_of

if TYPE_CHECKING:
    from schemas.catalogue import EventType
    from schemas.codec.projection import Wanted

CODEC = Codec()
SCHEMAS = {entry.model: load_schema(entry, entry.versions) for entry in CATALOGUE}
OF_A_RUN: Wanted = {
    "run_id": None,
    "mode": None,
    "test_specification": {"id": None, "version": None},
    "related_service": None,
    "characteristic": ItemsNamed(frozenset({"speed"})),
    "children": {"run_id": None},
}
WANTED: Wanted = {"run": OF_A_RUN}
READER = PartialEventReader(OF_A_RUN)


def an_entry(name: str) -> EventType:
    entry = find_event_type(name)
    assert entry is not None
    return entry


def encoded(message: EventData) -> bytes:
    return CODEC.encode(message)[SINGLE_OBJECT_SIZE:]


def project(value: Any, projection: Any) -> Any:  # noqa: ANN401 - Avro's own shapes
    """Return only the projected fields of a whole value, by the simplest method."""
    if projection is None:
        return value
    if isinstance(projection, ItemsNamed):
        return [item for item in value if item["name"] in projection.names]
    if isinstance(value, list):
        return [project(item, projection) for item in value]
    return {name: project(value[name], inside) for name, inside in projection.items() if value[name] not in (None, [])}


@settings(max_examples=150, deadline=None)
@given(messages_of(an_entry("RunRequested")))
def test_projected_values_equal_those_of_the_whole_event(message: EventData) -> None:
    whole = reader_of(SCHEMAS[type(message)])(encoded(message), 0)
    assert picker_of(WANTED)(whole) == project(whole, WANTED)


@settings(max_examples=150, deadline=None)
@given(messages())
def test_of_every_other_event_only_its_type_is_read(message: EventData) -> None:
    part = READER.read(CODEC.encode(message), ())
    assert part.kind is type(message)
    assert (part.content is None) == (not isinstance(message, RunRequested))


@settings(max_examples=100, deadline=None)
@given(messages_of(an_entry("RunRequested")), st.data())
def test_a_truncated_value_is_detected_wherever_it_ends(message: EventData, data: st.DataObject) -> None:
    value = CODEC.encode(message)
    shorter = value[: data.draw(st.integers(SINGLE_OBJECT_SIZE, len(value) - 1))]
    with pytest.raises(UnreadableBytesError, match="ends early"):
        READER.read(shorter, ())


@settings(max_examples=300, deadline=None)
@given(damaged() | st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    with suppress(UndecodableError):
        part = READER.read(value, ())
        if part.kind is RunRequested:
            READER.document(part)


def test_another_version_without_a_run_is_refused_with_the_field() -> None:
    entry = event_type_of(RunRequested)
    foreign = {**load_schema(entry, 1), "fields": [{"name": "colour", "type": "string"}]}
    ids = RegistryIds(write_ids={listed.subject: 1 for listed in CATALOGUE}, read_schemas={9: (entry, foreign)})
    reader = PartialEventReader(OF_A_RUN, ids)
    with pytest.raises(InvalidEventError, match="run is missing"):
        reader.read(b"\x00\x00\x00\x00\x09\x02x", ())


def test_a_run_with_mistakes_in_other_fields_is_read() -> None:
    broken = RunRequested.model_construct(run=a_document().model_copy(update={"name": ""}))
    reader = PartialEventReader({"mode": None})
    part = reader.read(CODEC.encode(broken), ())
    assert part == PartialEvent(RunRequested, "TR0001", content={"mode": "ONDEMAND"})


def test_every_event_has_a_schema_here() -> None:
    assert {event_type_of(model).name for model in SCHEMAS} == {entry.name for entry in CATALOGUE}
