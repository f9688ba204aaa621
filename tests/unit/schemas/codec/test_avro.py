"""What we write and read is Avro, as fastavro and our own old bytes understand it."""

from __future__ import annotations

from io import BytesIO

import fastavro
import pytest
from hypothesis import given, settings

from schemas.avro_project import project
from schemas.avro_read import reader_of
from schemas.avro_read_scalars import NotAvroError
from schemas.avro_write import writer_of
from schemas.catalogue import CATALOGUE, Message, entry_of
from schemas.codec.avro import SINGLE_OBJECT_SIZE
from schemas.codec.avro_schemas import avro_schema
from schemas.codec.codec import Codec, UnencodableError
from schemas.lifecycle import RunRequested
from schemas.run_document import Characteristic
from tests.builders.example_events import EVERY_VERSION, NEWEST, example, golden
from tests.builders.runs import a_document
from tests.generators.messages import messages

CODEC = Codec()
PARSED = {entry.model: fastavro.parse_schema(avro_schema(entry, entry.versions)) for entry in CATALOGUE}
READ = {entry.model: reader_of(avro_schema(entry, entry.versions)) for entry in CATALOGUE}


def fastavro_bytes(message: Message) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, PARSED[type(message)], message.model_dump(), strict=True)
    return out.getvalue()


@settings(max_examples=150, deadline=None)
@given(messages())
def test_our_bytes_are_the_bytes_of_fastavro(message: Message) -> None:
    assert CODEC.encode(message)[SINGLE_OBJECT_SIZE:] == fastavro_bytes(message)


@settings(max_examples=150, deadline=None)
@given(messages())
def test_our_values_are_the_values_of_fastavro(message: Message) -> None:
    raw = fastavro_bytes(message)
    theirs = fastavro.schemaless_reader(BytesIO(raw), PARSED[type(message)], None)
    assert READ[type(message)](raw, 0) == theirs


@pytest.mark.parametrize(("name", "version"), NEWEST)
def test_todays_writer_gives_exactly_the_golden_bytes(name: str, version: int) -> None:
    assert CODEC.encode(example(name, version).data) == golden(name, version)


@pytest.mark.parametrize(("name", "version"), EVERY_VERSION)
def test_the_golden_bytes_of_every_version_are_still_understood(name: str, version: int) -> None:
    assert CODEC.decode(golden(name, version)) == example(name, version).data


def test_blocks_with_a_size_are_read_as_other_writers_make_them() -> None:
    read = reader_of({"type": "array", "items": "long"})
    assert read(bytes([0x03, 0x04, 0x02, 0x04, 0x02, 0x06, 0x00]), 0) == [1, 2, 3]


def test_types_by_their_full_name_are_found() -> None:
    schema = {
        "type": "record",
        "name": "a.b.Pair",
        "fields": [
            {"name": "one", "type": {"type": "enum", "name": "Side", "symbols": ["left", "right"]}},
            {"name": "two", "type": "a.b.Side"},
            {"name": "md5", "type": {"type": "fixed", "name": "Two", "size": 2}},
            {"name": "f", "type": {"type": "float"}},
        ],
    }
    raw = b"\x00\x02ab" + b"\x00\x00\x00\x3f"
    assert reader_of(schema)(raw, 0) == {"one": "left", "two": "right", "md5": b"ab", "f": 0.5}


@pytest.mark.parametrize(
    ("schema", "raw", "says"),
    [
        ("string", b"\x06ab", "ends early"),
        ("string", b"\x01", "goes past the end"),
        ("string", b"\x02\xff", "not UTF-8"),
        ("string", b"\x02ab", "1 bytes are left over"),
        ("bytes", b"\xfe\xff\xff\xff\x0f", "goes past the end"),
        ("long", b"\xff" * 12, "no number ends"),
        ("double", b"\x00" * 7, "ends early"),
        ("boolean", b"\x02", "no boolean"),
        (["null", "long"], b"\x04\x02", "chooses no branch"),
        ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\x0f\x00", "claims"),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, b"\x02", "no symbol 1"),
        ({"type": "fixed", "name": "F", "size": 4}, b"abc", "ends early"),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "years",
        ),
    ],
)
def test_damaged_bytes_are_an_error_that_says_where(schema: object, raw: bytes, says: str) -> None:
    with pytest.raises(NotAvroError, match=says):
        reader_of(schema)(raw, 0)


def test_children_nested_without_end_are_an_error_and_not_the_end_of_the_process() -> None:
    """Fastavro answers the same bytes with a segmentation fault."""
    simple = CODEC.encode(RunRequested(run=a_document()))
    prefix, run = simple[:SINGLE_OBJECT_SIZE], simple[SINGLE_OBJECT_SIZE:-2]
    deep = prefix + (run + b"\x02") * 50_000 + run + b"\x00\x00" + b"\x00\x00" * 50_000
    with pytest.raises(Exception, match="nested too deeply"):
        CODEC.decode(deep)


def test_a_value_of_a_newer_version_is_brought_to_ours() -> None:
    ours = avro_schema(entry_of(RunRequested), 1)
    value = {
        "run": {
            "run_id": "a",
            "mode": "SOMETHING_NEW",
            "colour": "red",
            "characteristic": [{"name": "x", "value": {"json_text": "{}", "extra": 1}, "unit": "dB"}],
            "children": [{"run_id": "b", "mode": "PROACTIVE", "colour": "blue"}],
        },
        "shape": 5,
    }
    assert project(value, ours) == {
        "run": {
            "run_id": "a",
            "mode": "unknown",
            "characteristic": [{"name": "x", "value": {"json_text": "{}"}}],
            "children": [{"run_id": "b", "mode": "PROACTIVE"}],
        }
    }


def test_unions_of_text_and_enums_are_brought_to_ours_too() -> None:
    enum = {"type": "enum", "name": "E", "symbols": ["a", "unknown"], "default": "unknown"}
    ours = {"type": "map", "values": ["null", enum]}
    assert project({"x": None, "y": "a", "z": "b"}, ours) == {"x": None, "y": "a", "z": "unknown"}


def test_a_message_made_round_its_model_is_refused_with_the_field() -> None:
    broken = RunRequested.model_construct(run=a_document().model_copy(update={"order": 2**63}))
    with pytest.raises(UnencodableError, match=r"RunRequested cannot be written: run\.order should be less than"):
        CODEC.encode(broken)


@pytest.mark.parametrize("update", [{"name": None}, {"version": "two"}, {"mode": "never"}, {"children": 5}])
def test_whatever_is_wrong_with_a_message_its_error_is_the_same(update: dict[str, object]) -> None:
    with pytest.raises(UnencodableError, match="RunRequested cannot be written"):
        CODEC.encode(RunRequested.model_construct(run=a_document().model_copy(update=update)))


def test_a_number_that_does_not_fit_into_64_bits_is_refused_where_it_comes_in() -> None:
    with pytest.raises(ValueError, match="a number of 64 bits does not fit into 64 bits; send it as text"):
        Characteristic(name="serial", value=2**63)


def test_the_writer_itself_checks_numbers() -> None:
    with pytest.raises(OverflowError, match="does not fit into an Avro long"):
        writer_of("long")(2**63, bytearray())
    with pytest.raises(TypeError):
        writer_of("null")(0, bytearray())
