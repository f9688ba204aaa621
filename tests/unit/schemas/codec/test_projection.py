"""Reading only some fields of an event gives what the whole has there, and notices damage all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro_pick import ItemsNamed, picker_of
from schemas.avro_read import reader_of
from schemas.avro_read_scalars import NotAvroError
from schemas.avro_skip import skip_of
from schemas.catalogue import CATALOGUE, Message, entry_named, entry_of
from schemas.codec.avro import SINGLE_OBJECT_SIZE
from schemas.codec.avro_schemas import avro_schema
from schemas.codec.codec import Codec
from tests.generators.messages import messages, messages_of

if TYPE_CHECKING:
    from schemas.avro_pick import Wanted
    from schemas.catalogue import EventType

CODEC = Codec()
SCHEMAS = {entry.model: avro_schema(entry, entry.versions) for entry in CATALOGUE}
PROJECTION: Wanted = {
    "run": {
        "run_id": None,
        "mode": None,
        "test_specification": {"id": None, "version": None},
        "related_service": None,
        "characteristic": ItemsNamed(frozenset({"speed"})),
        "children": {"run_id": None},
    }
}


def an_entry(name: str) -> EventType:
    entry = entry_named(name)
    assert entry is not None
    return entry


def encoded(message: Message) -> bytes:
    return CODEC.encode(message)[SINGLE_OBJECT_SIZE:]


def project(value: Any, projection: Any) -> Any:  # noqa: ANN401 - Avro's own shapes
    """Keep of a whole value what is wanted, in the plainest way."""
    if projection is None:
        return value
    if isinstance(projection, ItemsNamed):
        return [item for item in value if item["name"] in projection.names]
    if isinstance(value, list):
        return [project(item, projection) for item in value]
    return {name: project(value[name], inside) for name, inside in projection.items() if value[name] not in (None, [])}


@settings(max_examples=150, deadline=None)
@given(messages_of(an_entry("RunRequested")))
def test_what_is_wanted_is_what_the_whole_has_there(message: Message) -> None:
    schema = SCHEMAS[type(message)]
    whole = reader_of(schema)(encoded(message), 0)
    assert picker_of(schema, PROJECTION)(encoded(message), 0) == project(whole, PROJECTION)


@settings(max_examples=150, deadline=None)
@given(messages())
def test_every_event_is_stepped_over_to_its_very_end(message: Message) -> None:
    value = encoded(message)
    assert skip_of(SCHEMAS[type(message)], {})(value, 0) == len(value)
    assert picker_of(SCHEMAS[type(message)], {})(value, 0) == {}


@settings(max_examples=100, deadline=None)
@given(messages_of(an_entry("RunRequested")), st.data())
def test_a_value_that_ends_early_is_noticed_wherever_it_ends(message: Message, data: st.DataObject) -> None:
    value = encoded(message)
    shorter = value[: data.draw(st.integers(0, len(value) - 1))]
    with pytest.raises(NotAvroError):
        picker_of(SCHEMAS[type(message)], PROJECTION)(shorter, 0)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_stepped_over_or_refused(value: bytes) -> None:
    entry = an_entry("RunRequested")
    try:
        picked = picker_of(SCHEMAS[entry.model], PROJECTION)(value, 0)
    except NotAvroError:
        return
    assert set(picked) == {"run"}


def test_types_by_their_full_name_and_blocks_with_a_size_are_stepped_over() -> None:
    schema = {
        "type": "record",
        "name": "a.b.Pair",
        "fields": [
            {"name": "one", "type": {"type": "enum", "name": "Side", "symbols": ["left", "right"]}},
            {"name": "two", "type": "a.b.Side"},
            {"name": "md5", "type": {"type": "fixed", "name": "Two", "size": 2}},
            {"name": "f", "type": "float"},
            {"name": "d", "type": "double"},
            {"name": "list", "type": {"type": "array", "items": "long"}},
            {"name": "map", "type": {"type": "map", "values": "a.b.Two"}},
            {
                "name": "last",
                "type": {"type": "record", "name": "a.b.Last", "fields": [{"name": "x", "type": "boolean"}]},
            },
            {"name": "again", "type": "Last"},
        ],
    }
    block = bytes([0x03, 0x04, 0x02, 0x04, 0x02, 0x06, 0x00])
    value = b"\x00\x02ab\x00\x00\x00\x3f" + b"12345678" + block + b"\x02\x02kab\x00" + b"\x01\x00"
    assert picker_of(schema, {"two": None, "again": {"x": None}})(value, 0) == {"two": "right", "again": {"x": False}}


@pytest.mark.parametrize(
    "value", [b"\x01", b"\x02\x01ab", b"\xff\xff\xff\xff\x0f"], ids=["negative", "twice", "far too long"]
)
def test_a_length_that_cannot_be_is_refused(value: bytes) -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "text", "type": "string"}]}
    with pytest.raises(NotAvroError):
        picker_of(schema, {})(value, 0)


def test_every_event_has_a_schema_here() -> None:
    assert {entry_of(model).name for model in SCHEMAS} == {entry.name for entry in CATALOGUE}
