"""Every value decodes to an event, or raises an error that names the problem and the remedy."""

from __future__ import annotations

import json
from base64 import b64encode
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import pytest
from hypothesis import example as try_also
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.catalogue import CATALOGUE, EventData, event_type_of, find_event_type
from schemas.codec.avro import AvroReader
from schemas.codec.avro_schemas import load_schema
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.codec.errors import (
    InvalidEventError,
    TombstoneError,
    UndecodableError,
    UnknownEventTypeError,
    UnknownSchemaError,
    UnreadableBytesError,
)
from schemas.codec.schema_registry import RegistryIds
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Channel
from tests.builders.example_events import NEWEST, example
from tests.builders.runs import NOON, a_document
from tests.generators.messages import messages

IDS = RegistryIds(
    write_ids={entry.subject: number for number, entry in enumerate(CATALOGUE, start=100)},
    read_schemas={
        number: (entry, load_schema(entry, entry.versions)) for number, entry in enumerate(CATALOGUE, start=100)
    },
)
EVERY_MODEL = frozenset(entry.model for entry in CATALOGUE)
SINGLE_OBJECT, REGISTERED, JSON = Codec(), Codec(registry=IDS), Codec(json_models=EVERY_MODEL, registry=IDS)
TYPE = "southbound.RunRequested"
RUN = {"run_id": "a", "name": "a", "test_specification": {"id": "s"}, "related_service": {"id": "s"}}
SMALL = SINGLE_OBJECT.encode(RunRequested(run=a_document()))

codecs = pytest.mark.parametrize("codec", [SINGLE_OBJECT, REGISTERED, JSON], ids=["single-object", "registry", "json"])


def decode(value: bytes | None, ce_type: str | None = TYPE) -> EventData:
    return SINGLE_OBJECT.decode(value, ce_type=ce_type)


@codecs
@pytest.mark.parametrize(("name", "version"), NEWEST)
def test_every_example_is_decoded_as_it_was_encoded(codec: Codec, name: str, version: int) -> None:
    event = example(name, version)
    value, headers = Envelope(codec, source="/test").encode(event)
    decoded = Envelope(codec).decode(value, headers, fallback_id="none")
    assert decoded.data == event.data
    assert (decoded.id, decoded.type, decoded.headers.time) == (event.id, event.type, event.headers.time)


@codecs
@settings(max_examples=60, deadline=None)
@given(message=messages())
def test_every_message_is_decoded_as_it_was_encoded(codec: Codec, message: EventData) -> None:
    assert codec.decode(codec.encode(message), ce_type=event_type_of(type(message)).ce_type) == message


@settings(max_examples=60, deadline=None)
@given(message=messages())
def test_every_format_is_decoded_whatever_the_writing_format(message: EventData) -> None:
    for writer in (SINGLE_OBJECT, REGISTERED, JSON):
        assert JSON.decode(writer.encode(message), ce_type=event_type_of(type(message)).ce_type) == message


def test_the_registry_format_is_a_zero_byte_and_the_id() -> None:
    value = REGISTERED.encode(RunRequested(run=a_document()))
    assert value[:5] == b"\x00" + (100).to_bytes(4, "big")
    assert value[5:] == SMALL[10:]


def test_avro_needs_no_type_header() -> None:
    assert decode(SMALL, None) == RunRequested(run=a_document())


def test_a_foreign_type_header_is_ignored_for_avro() -> None:
    assert decode(SMALL, "com.acme.whatever") == RunRequested(run=a_document())


def test_json_may_be_typed_by_the_short_name_and_have_blanks_around() -> None:
    message = decode(b" \n" + json.dumps({"run": RUN}).encode(), "RunRequested")
    assert isinstance(message, RunRequested)
    assert message.run.root_run_id == "a"


@pytest.mark.parametrize(
    ("value", "ce_type", "error", "expected"),
    [
        (None, TYPE, TombstoneError, "no value (a tombstone); send RunCancelled"),
        (b"", TYPE, TombstoneError, "The value is empty"),
        (b"\xff\xfe rubbish", TYPE, UnreadableBytesError, "neither Avro nor a JSON object; it begins with"),
        (b"[1]", TYPE, UnreadableBytesError, "neither Avro nor a JSON object"),
        (b'{"run": ', TYPE, UnreadableBytesError, "not JSON: EOF while parsing"),
        (b'{"run": "\xff"}', TYPE, UnreadableBytesError, "not JSON"),
        (b"\xc3\x01abc", TYPE, UnreadableBytesError, "before its fingerprint"),
        (b"\x00\x01", TYPE, UnreadableBytesError, "before its schema id"),
        (SMALL[:-4], TYPE, UnreadableBytesError, "says it is an Avro RunRequested, but it is damaged"),
        (b"\xc3\x0112345678", TYPE, UnknownSchemaError, "fingerprint 3132333435363738"),
        (
            b"\x00\x00\x00\x00\x07...",
            TYPE,
            UnknownSchemaError,
            "registry schema 7; configure the schema registry",
        ),
        (
            b"{}",
            None,
            UnknownEventTypeError,
            "without the header ce_type; set it to 'southbound.' and one of RunR",
        ),
        (b"{}", "RunWished", UnknownEventTypeError, "Unknown event type 'RunWished'"),
        (b"{}", TYPE, InvalidEventError, "RunRequested is not valid: run is missing. Correct the producer"),
        (
            SMALL,
            "southbound.RunChanged",
            InvalidEventError,
            "ce_type says RunChanged and the Avro value is a RunReq",
        ),
    ],
)
def test_each_kind_of_bad_value_has_its_own_sentence(
    value: bytes | None, ce_type: str | None, error: type[UndecodableError], expected: str
) -> None:
    with pytest.raises(error) as caught:
        decode(value, ce_type)
    assert expected in caught.value.sentence
    assert caught.value.sentence == str(caught.value)
    assert caught.value.sentence.endswith(".") or ".." in caught.value.sentence


def test_the_error_of_an_unknown_registry_id_depends_on_the_configured_registry() -> None:
    with pytest.raises(UnknownSchemaError, match="register it there and restart"):
        REGISTERED.decode(b"\x00\x00\x00\x00\x07abc")


def test_the_codes_are_stable() -> None:
    assert {error.code for error in UndecodableError.__subclasses__()} == {
        "UNDECODABLE",
        "TOMBSTONE",
        "UNKNOWN_EVENT_TYPE",
        "UNKNOWN_SCHEMA",
        "INVALID_EVENT",
    }


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"related_service": {}}, "run.related_service.id is missing"),
        ({"name": "  "}, "run.name is empty"),
        ({"run_id": "TR\0"}, "run.run_id holds a NUL character (U+0000)"),
        ({"priorty": 1}, "run.priorty is not a known field"),
        ({"mode": "sometimes"}, "run.mode should be 'ONDEMAND', 'PROACTIVE' or 'unknown'"),
        ({"order": 2**63}, "run.order should be less than or equal to"),
        (
            {"characteristic": [{"name": "x", "value": 2**63}]},
            "run.characteristic[0].value is a number that does not fit into 64 bits with a sign",
        ),
        (
            {"characteristic": [{"name": "x", "value": [2**64]}]},
            "run.characteristic[0].value cannot be kept as JSON",
        ),
        (
            {"characteristic": [{"name": "x", "value": {"json_text": "no"}}]},
            "run.characteristic[0].value is not JSON",
        ),
        (
            {"start_date_time": "0001-01-01T00:00:00+14:00"},
            "run.start_date_time 0001-01-01T00:00:00+14:00 is outside",
        ),
        ({"children": [{**RUN, "children": [RUN]}]}, "run children are a flat list"),
        ({"start_date_time": 20260101}, "run.start_date_time is a number or no date: write a date and time such as"),
        ({"start_date_time": "20260131093543"}, "run.start_date_time is a number or no date"),
        ({"start_date_time": 1.5}, "run.start_date_time is a number or no date"),
        ({"priority": True}, "run.priority should be a whole number, not true or false"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, object], expected: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        decode(json.dumps({"run": {**RUN, **change}}).encode())
    assert f"RunRequested is not valid: {expected}" in caught.value.sentence
    assert expected in caught.value.detail


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-11-23T12:00:00.123456Z", "2026-11-23T12:00:00.123000+00:00"),
        ("2026-11-23T12:00:00.9999Z", "2026-11-23T12:00:00.999000+00:00"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999000+00:00"),
        ("2026-11-23T13:00:00.5+01:00", "2026-11-23T12:00:00.500000+00:00"),
        ("2026-11-23T12:00:00", "2026-11-23T12:00:00+00:00"),
        ("2026-11-23", "2026-11-23T00:00:00+00:00"),
    ],
)
def test_fault_a_time_is_kept_in_milliseconds_and_utc_as_the_pages_say(written: str, read: str) -> None:
    event = decode(json.dumps({"run": {**RUN, "start_date_time": written}}).encode())
    assert isinstance(event, RunRequested)
    assert event.run.start_date_time == datetime.fromisoformat(read)
    assert decode(SINGLE_OBJECT.encode(event)) == event
    page = (Path(__file__).parents[4] / "docs/producing.md").read_text()
    assert (
        "Further digits are cut off, not rounded: `12:00:00.9999Z` is read, sent and shown as\n  `12:00:00.999Z`"
        in page
    )


def test_nan_and_infinity_are_refused_and_not_read_as_null() -> None:
    with pytest.raises(InvalidEventError, match="nan is not a finite number"):
        decode(json.dumps({"run": {**RUN, "characteristic": [{"name": "x", "value": float("nan")}]}}).encode())


def test_of_many_wrong_fields_the_sentence_names_three_and_the_detail_twenty() -> None:
    children = [{"run_id": f"c{number}"} for number in range(10_000)]
    with pytest.raises(InvalidEventError) as caught:
        decode(json.dumps({"run": {**RUN, "children": children}}).encode())
    assert len(caught.value.sentence) < 400
    assert len(caught.value.detail.splitlines()) == 21
    assert caught.value.detail.endswith("more")


def test_no_error_repeats_more_of_a_value_than_a_short_excerpt() -> None:
    long = "secret" * 1_000
    for value in (
        long.encode(),
        b"{" + long.encode(),
        json.dumps({"run": {long: long, "mode": long}}).encode(),
    ):
        with pytest.raises(UndecodableError) as caught:
            decode(value)
        assert (caught.value.sentence + caught.value.detail).count("secret") < 20


def test_control_characters_do_not_reach_a_terminal() -> None:
    with pytest.raises(UndecodableError) as caught:
        decode(b"\x1b[2J\x07 rubbish")
    assert caught.value.sentence.isprintable()


@pytest.mark.parametrize(
    ("field", "items", "expected"),
    [
        ("children", ["{}"] * 330_000, "run.children[0].run_id is missing; "),
        ("test_measure", ["1"] * 500_000, "run.test_measure[0] should be an object; "),
        ("child_run_ids", ['"a"'] * 200 + ["1"] * 480_000, "480000 fields are wrong"),
    ],
)
def test_fault_a_record_of_a_million_mistakes_does_not_stop_the_event_loop_for_many_seconds(
    field: str, items: list[str], expected: str
) -> None:
    run = json.dumps(RUN)[:-1]
    value = f'{{"run": {run}, "{field}": [{",".join(items)}]}}}}'.encode()
    before = process_time()
    with pytest.raises(InvalidEventError) as error:
        Codec().decode(value, ce_type="southbound.RunRequested")
    assert process_time() - before < 6
    assert error.value.sentence.startswith(f"RunRequested is not valid: {expected}")
    assert len(error.value.sentence) + len(error.value.detail) < 2_000


@pytest.mark.parametrize("codec", [SINGLE_OBJECT, JSON], ids=["avro", "json"])
@pytest.mark.parametrize("value", [" x ", "\n", "", "\u00a0x", "true", "0x1F", "1e3"])
def test_fault_the_text_of_a_characteristic_is_not_changed_by_reading_it(value: str, codec: Codec) -> None:
    run = {**RUN, "characteristic": [{"name": "n", "value": value}]}
    read = Codec().decode(json.dumps({"run": run}).encode(), ce_type="southbound.RunRequested")
    written = codec.decode(codec.encode(read), ce_type="southbound.RunRequested")
    assert isinstance(read, RunRequested)
    assert isinstance(written, RunRequested)
    assert [message.run.characteristic[0].value for message in (read, written)] == [value, value]


def test_very_deep_json_is_an_error_like_any_other() -> None:
    with pytest.raises(UnreadableBytesError, match="recursion limit"):
        decode(b'{"run":' * 100_000)


@settings(max_examples=300, deadline=None)
@given(
    value=st.none()
    | st.binary(max_size=60)
    | st.builds(lambda tail: SMALL[:10] + tail, st.binary(max_size=60))
    | st.builds(lambda at, byte: SMALL[:at] + bytes([byte]) + SMALL[at + 1 :], st.integers(0, 80), st.integers(0, 255))
    | st.builds(lambda tail: b'{"specversion":"1.0","type":"RunRequested",' + tail, st.binary(max_size=30))
    | st.text(max_size=40).map(lambda text: json.dumps({"run": {**RUN, "name": text}}).encode()),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_type", "ce_time", "content-type", "traceparent", "Ce_Type"]),
            st.none() | st.binary(max_size=12) | st.just(TYPE.encode()) | st.just(b"application/cloudevents+json"),
        ),
        max_size=4,
    ),
)
@try_also(value=b"\x00", headers=[("ce_time", b"0001-01-01T00:00:00+14:00")])
@try_also(value=b'{"specversion":"1.0","type":"x","data":' + b"[" * 3_000, headers=[])
@try_also(value=b'{"specversion":"1.0","type":"x","data":' + b"9" * 5_000 + b"}", headers=[])
def test_arbitrary_bytes_raise_only_undecodable_error(
    value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    with suppress(UndecodableError):
        event = Envelope(SINGLE_OBJECT).decode(value, headers, fallback_id="here")
        assert find_event_type(event.type)


def structured(**more: object) -> bytes:
    return json.dumps({"specversion": "1.0", "type": TYPE, "id": "7", "data": {"run": RUN}, **more}).encode()


def test_a_cloudevents_json_event_is_opened_even_without_a_content_type() -> None:
    event = Envelope(SINGLE_OBJECT).decode(
        structured(source="/crm", time="2026-03-09T08:00:00+01:00", subject="a"), [], fallback_id="none"
    )
    assert isinstance(event.data, RunRequested)
    assert event.headers == EventHeaders(
        id="7", type=TYPE, source="/crm", time=datetime(2026, 3, 9, 7, tzinfo=UTC), subject="a"
    )


def test_the_data_of_a_cloudevents_json_event_may_be_avro() -> None:
    value = structured(data=None, data_base64=b64encode(SMALL).decode())
    assert Envelope(SINGLE_OBJECT).decode(value, [], fallback_id="none").data == RunRequested(run=a_document())


def test_big_numbers_in_a_cloudevents_json_event_are_refused_and_not_rounded() -> None:
    run = {**RUN, "characteristic": [{"name": "x", "value": 2**64}]}
    with pytest.raises(InvalidEventError, match="does not fit into 64 bits"):
        Envelope(SINGLE_OBJECT).decode(structured(data={"run": run}), [], fallback_id="none")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (structured(data=None), "has neither data nor data_base64"),
        (structured(data=None, data_base64="?"), "data_base64 of the CloudEvents JSON event is not base64"),
        (b"[]", "but the value is not a JSON object"),
        (b"{", "looks like a CloudEvents JSON event, but it is not JSON"),
        (b'{"x": NaN}', "NaN is not a number in JSON"),
        (b'{"data":' + b"[" * 100_000, "is nested too deep. Correct the producer"),
    ],
)
def test_a_broken_cloudevents_json_event_says_what_is_broken(value: bytes, expected: str) -> None:
    headers = [("content-type", b"application/cloudevents+json; charset=utf-8")]
    with pytest.raises(UndecodableError) as caught:
        Envelope(SINGLE_OBJECT).decode(value, headers, fallback_id="none")
    assert expected in str(caught.value)


def test_an_event_that_only_contains_specversion_is_not_read_as_cloudevents() -> None:
    headers = [("ce_type", TYPE.encode())]
    mentions = json.dumps({"run": {**RUN, "characteristic": [{"name": "specversion", "value": "specversion"}]}})
    event = Envelope(SINGLE_OBJECT).decode(mentions.encode(), headers, fallback_id="none")
    assert isinstance(event.data, RunRequested)
    half = json.dumps({"run": RUN, "specversion": "1.0"})
    with pytest.raises(InvalidEventError, match="specversion is not a known field"):
        Envelope(SINGLE_OBJECT).decode(half.encode(), headers, fallback_id="none")


@pytest.mark.parametrize("codec", [SINGLE_OBJECT, REGISTERED])
def test_avro_that_contains_a_cloudevents_event_is_read_as_avro(codec: Codec) -> None:
    body = b'{"specversion": "1.0", "type": "ServiceTestStateChangeEvent", "data": {}}'
    callback = InboundReceived(
        spoke="fibre-lab", external_id="1", channel=Channel.CALLBACK, received_at=NOON, body=body
    )
    described = RunRequested(run=a_document(description=f"see {body!r}"))
    for message in (callback, described):
        sent = Envelope(codec).encode(Event(headers=EventHeaders(id="1"), data=message))
        assert Envelope(codec).decode(*sent, fallback_id="none").data == message


def test_a_byte_order_mark_before_json_is_skipped() -> None:
    assert decode(b"\xef\xbb\xbf" + json.dumps({"run": RUN}).encode(), TYPE) == decode(
        json.dumps({"run": RUN}).encode(), TYPE
    )
    marked = b"\xef\xbb\xbf" + structured()
    assert Envelope(SINGLE_OBJECT).decode(marked, [], fallback_id="none").headers.id == "7"


def test_a_foreign_version_is_read_with_its_own_schema() -> None:
    entry = event_type_of(RunRequested)
    foreign = load_schema(entry, entry.versions)
    foreign["fields"].append({"name": "colour", "type": "string", "default": "red", "doc": "New over there."})
    reader = AvroReader(RegistryIds(write_ids={}, read_schemas={9: (entry, foreign)}))
    known = reader.read(b"\x00\x00\x00\x00\x09" + SMALL[10:] + b"\x08blue")
    assert known is not None
    assert known[0] is entry
    assert RunRequested.model_validate(known[1]) == RunRequested(run=a_document())


def test_an_event_is_typed_by_its_data() -> None:
    assert Event(headers=EventHeaders(id="1", type="nonsense"), data=RunRequested(run=a_document())).type == TYPE
