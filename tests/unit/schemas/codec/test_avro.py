"""Our encoding is Avro as fastavro reads and writes it, and the stored golden bytes stay readable."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings

from schemas.catalogue import CATALOGUE, EventData, event_type_of
from schemas.codec.avro import SINGLE_OBJECT_SIZE
from schemas.codec.avro_decode import DEEPEST, NotAvroError, UnsafeSchemaError, reader_of
from schemas.codec.avro_encode import writer_of
from schemas.codec.avro_resolution import resolve
from schemas.codec.avro_schemas import load_schema
from schemas.codec.codec import Codec, UnencodableError
from schemas.codec.errors import UnreadableBytesError
from schemas.lifecycle import RunRequested
from schemas.run_document import Characteristic
from tests.builders.example_events import EVERY_VERSION, NEWEST, example, golden
from tests.builders.runs import a_document, a_tree
from tests.generators.messages import messages

CODEC = Codec()
PARSED = {entry.model: fastavro.parse_schema(load_schema(entry, entry.versions)) for entry in CATALOGUE}
READ = {entry.model: reader_of(load_schema(entry, entry.versions)) for entry in CATALOGUE}


def fastavro_bytes(message: EventData) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, PARSED[type(message)], dumped(message), strict=True)
    return out.getvalue()


def dumped(message: EventData) -> dict[str, Any]:
    """Return the fields as in the schema: a child document has no field `children`."""
    values = message.model_dump()
    for child in values.get("run", {}).get("children", ()):
        assert child.pop("children") == ()
    return values


def read_field(schema: object, raw: bytes) -> object:
    return reader_of(record(schema))(raw, 0)["f"]


def record(*types: object) -> dict[str, Any]:
    names = ("f", *(f"f{number}" for number in range(1, len(types))))
    fields = [{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)]
    return {"type": "record", "name": "R", "fields": fields}


@settings(max_examples=150, deadline=None)
@given(messages())
def test_our_bytes_are_the_bytes_of_fastavro(message: EventData) -> None:
    assert CODEC.encode(message)[SINGLE_OBJECT_SIZE:] == fastavro_bytes(message)


@settings(max_examples=150, deadline=None)
@given(messages())
def test_our_values_are_the_values_of_fastavro(message: EventData) -> None:
    raw = fastavro_bytes(message)
    theirs = fastavro.schemaless_reader(BytesIO(raw), PARSED[type(message)], None)
    assert READ[type(message)](raw, 0) == theirs


@pytest.mark.parametrize(("name", "version"), NEWEST)
def test_the_present_writer_produces_exactly_the_golden_bytes(name: str, version: int) -> None:
    assert CODEC.encode(example(name, version).data) == golden(name, version)


@pytest.mark.parametrize(("name", "version"), EVERY_VERSION)
def test_the_golden_bytes_of_every_version_are_still_read(name: str, version: int) -> None:
    assert CODEC.decode(golden(name, version)) == example(name, version).data


def test_blocks_with_a_size_are_read_as_other_writers_make_them() -> None:
    assert read_field({"type": "array", "items": "long"}, bytes([0x03, 0x04, 0x02, 0x04, 0x02, 0x06, 0x00])) == [
        1,
        2,
        3,
    ]


def test_types_are_resolved_by_their_full_name() -> None:
    schema = {
        "type": "record",
        "name": "a.b.Pair",
        "fields": [
            {"name": "one", "type": {"type": "enum", "name": "Side", "symbols": ["left", "right"]}},
            {"name": "two", "type": "a.b.Side"},
            {"name": "md5", "type": {"type": "fixed", "name": "Two", "size": 2}},
            {"name": "f", "type": {"type": "float"}},
            {"name": "text", "type": {"type": {"type": "string", "avro.java.string": "String"}}, "default": 5},
        ],
    }
    raw = b"\x00\x02ab" + b"\x00\x00\x00\x3f" + b"\x02x"
    assert reader_of(schema)(raw, 0) == {"one": "left", "two": "right", "md5": b"ab", "f": 0.5, "text": "x"}


def test_unused_logical_types_are_read_as_their_underlying_types() -> None:
    number = {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}
    uuid = {"type": "string", "logicalType": "uuid"}
    assert reader_of(record(number, uuid))(b"\x02\x05\x02x", 0) == {"f": b"\x05", "f1": "x"}


@pytest.mark.parametrize(
    ("schema", "raw", "expected"),
    [
        ("string", b"\x06ab", r"it ends early, or a length or count in it goes past its end \(byte 3 of 3\)"),
        ("string", b"\x01", "goes past its end"),
        ("string", b"\x02\xff", "not UTF-8"),
        ("string", b"\x02ab", "1 byte is left over"),
        ("bytes", b"\xfe\xff\xff\xff\x0f", "goes past its end"),
        ("bytes", b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", "goes past its end"),
        ("long", b"\xff" * 12, "ends early"),
        ("double", b"\x00" * 7, "ends early"),
        ("boolean", b"\x02", "no choice 1"),
        ("boolean", b"\xff\x01", "no choice -128"),
        (["null", "long"], b"\x04\x02", "no choice 2"),
        (["null", "long"], b"\x01\x02", "no choice -1"),
        ({"type": "array", "items": "long"}, b"\xfe\xff\xff\xff\xff\x0f\x00", "goes past its end"),
        ({"type": "array", "items": "long"}, b"\x01\xfe\xff\xff\xff\xff\x0f", "ends early"),
        ({"type": "map", "values": "long"}, b"\xfe\xff\xff\xff\xff\x0f\x00", "goes past its end"),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, b"\x02", "no choice 1"),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, b"\x01", "no choice -1"),
        ({"type": "fixed", "name": "F", "size": 4}, b"abc", "ends early"),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01",
            "years",
        ),
    ],
)
def test_damaged_bytes_are_an_error_that_says_where(schema: object, raw: bytes, expected: str) -> None:
    with pytest.raises(NotAvroError, match=expected):
        read_field(schema, raw)


def test_the_least_count_is_a_block_without_items() -> None:
    """The negation of this count does not fit into 64 bits; fastavro reads no items."""
    least = b"\xff" * 9 + b"\x01"
    assert read_field({"type": "array", "items": "long"}, least + b"\x00" + b"\x02\x04\x00") == [2]


@pytest.mark.parametrize("raw", [b"\x00", b"\x01"])
def test_a_boolean_is_one_of_two_bytes(raw: bytes) -> None:
    assert read_field("boolean", raw) is bool(raw[0])


SELF = {"type": "record", "name": "n.R", "fields": [{"name": "next", "type": ["null", "n.R"]}]}
DEEP: Any = "long"
for _ in range(DEEPEST):
    DEEP = {"type": "array", "items": DEEP}
# Each record refers to the one before it, so that the schema is flat and its values are deep.
CHAIN = [{"type": "record", "name": f"C{n}", "fields": [{"name": "c", "type": f"C{n - 1}"}]} for n in range(1, 99)]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (SELF, "it is recursive: n.R contains itself"),
        (record({"type": "map", "values": {"type": "array", "items": "R"}}), "it is recursive: R contains itself"),
        (record({"type": "array", "items": {**record("R"), "name": "Q"}}), "it is recursive: R contains itself"),
        (record({"type": "array", "items": "null"}), "a value may take no bytes"),
        (record({"type": "array", "items": {"type": "null"}}), "a value may take no bytes"),
        (record("null", "string"), "a value may take no bytes"),
        (record({"type": "array", "items": {"type": "record", "name": "E", "fields": []}}), "E takes no bytes"),
        (record({"type": "array", "items": {"type": "fixed", "name": "F", "size": 0}}), "F takes no bytes"),
        (record(DEEP), "more than 32 levels"),
        (record({**record("long"), "name": "C0"}, *CHAIN), "more than 32 levels"),
        ("string", "not the schema of a record"),
        (["null", "string"], "not the schema of a record"),
        (record("Unknown"), "not an Avro schema: UnknownType: Unknown"),
        ({"type": "record", "fields": []}, "not an Avro schema"),
        ({"type": "record", "name": "R", "fields": 5}, "not an Avro schema"),
        ({"type": "record", "name": "R", "fields": [{"name": "f"}]}, "not an Avro schema"),
        ({"type": "record", "name": "R", "fields": [{"name": ["f"], "type": "long"}]}, "is no str"),
        (record({"type": "fixed", "name": "F", "size": 0.5}), "0.5 is no int"),
        ({}, "not an Avro schema"),
    ],
)
def test_a_schema_whose_values_could_be_endless_is_refused(schema: object, expected: str) -> None:
    with pytest.raises(UnsafeSchemaError, match=expected):
        reader_of(schema)


def test_a_schema_that_nests_without_end_is_refused() -> None:
    deep: Any = "long"
    for _ in range(900):
        deep = {"type": "array", "items": deep}
    with pytest.raises(UnsafeSchemaError, match="more than 32 levels"):
        reader_of(record(deep))


def test_bytes_of_endlessly_nested_children_are_an_error() -> None:
    """With an earlier, recursive schema such bytes ended the process."""
    simple = CODEC.encode(RunRequested(run=a_document()))
    prefix, run = simple[:SINGLE_OBJECT_SIZE], simple[SINGLE_OBJECT_SIZE:-2]
    deep = prefix + (run + b"\x02") * 50_000 + run + b"\x00\x00" + b"\x00\x00" * 50_000
    with pytest.raises(UnreadableBytesError, match="it is damaged"):
        CODEC.decode(deep)


def test_a_value_of_a_newer_version_is_resolved_to_our_schema() -> None:
    ours = load_schema(event_type_of(RunRequested), 1)
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
    assert resolve(value, ours) == {
        "run": {
            "run_id": "a",
            "mode": "unknown",
            "characteristic": [{"name": "x", "value": {"json_text": "{}"}}],
            "children": [{"run_id": "b", "mode": "PROACTIVE"}],
        }
    }


def test_unions_of_text_and_enums_are_resolved_to_our_schema() -> None:
    enum = {"type": "enum", "name": "E", "symbols": ["a", "unknown"], "default": "unknown"}
    ours = {"type": "map", "values": ["null", enum]}
    assert resolve({"x": None, "y": "a", "z": "b"}, ours) == {"x": None, "y": "a", "z": "unknown"}


def test_a_value_of_another_type_in_another_version_is_refused_by_the_model() -> None:
    ours = load_schema(event_type_of(RunRequested), 1)
    other = {"run": {"children": 5, "characteristic": {"a": 1}, "mode": 7, "test_specification": "x"}}
    assert resolve(other, ours) == other


def test_a_message_built_without_validation_is_refused_with_the_field() -> None:
    broken = RunRequested.model_construct(run=a_document().model_copy(update={"order": 2**63}))
    with pytest.raises(UnencodableError, match=r"RunRequested cannot be written: run\.order should be less than"):
        CODEC.encode(broken)


@pytest.mark.parametrize("update", [{"name": None}, {"version": "two"}, {"mode": "never"}, {"children": 5}])
def test_whatever_is_wrong_with_a_message_its_error_is_the_same(update: dict[str, object]) -> None:
    with pytest.raises(UnencodableError, match="RunRequested cannot be written"):
        CODEC.encode(RunRequested.model_construct(run=a_document().model_copy(update=update)))


def test_a_number_that_does_not_fit_into_64_bits_is_refused_by_the_model() -> None:
    with pytest.raises(ValueError, match=r"64 bits with a sign \(-9223372036854775808 to 9223372036854775807\)"):
        Characteristic(name="serial", value=2**63)


def test_the_writer_itself_checks_numbers() -> None:
    write = writer_of(load_schema(event_type_of(RunRequested), 1), b"")
    with pytest.raises(OverflowError):
        write(RunRequested.model_construct(run=a_document().model_copy(update={"order": 2**63})))


def test_a_child_with_children_cannot_be_written() -> None:
    tree = a_tree(children=1)
    nested = RunRequested.model_construct(run=tree.model_copy(update={"children": (tree,)}))
    with pytest.raises(UnencodableError, match="children are a flat list with parent_run_id"):
        CODEC.encode(nested)
