"""CloudEvents attributes survive the way over Kafka, and unknown or invalid headers are ignored."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from schemas.codec.cloudevents import EventHeaders, parse_time, read_headers, write_headers

FULL = EventHeaders(
    id="7d1f6a52",
    type="southbound.SendRun",
    source="/southbound",
    time=datetime(2026, 3, 9, 7, 58, 12, 345_000, tzinfo=UTC),
    subject="TRUN0004711",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    content_type="application/avro",
    decision="spokes@12#fibre-lab",
    request_id="2f3d8c0e",
    replay="redrive-3",
)


def write(headers: EventHeaders) -> tuple[tuple[str, bytes | None], ...]:
    return write_headers(headers, type_="southbound.SendRun", content_type="application/avro", source="/southbound")


def test_headers_are_those_of_the_cloudevents_kafka_binding_and_ours() -> None:
    assert write(FULL) == (
        ("ce_specversion", b"1.0"),
        ("ce_id", b"7d1f6a52"),
        ("ce_type", b"southbound.SendRun"),
        ("ce_source", b"/southbound"),
        ("content-type", b"application/avro"),
        ("ce_time", b"2026-03-09T07:58:12.345Z"),
        ("ce_subject", b"TRUN0004711"),
        ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("southbound-decision", b"spokes@12#fibre-lab"),
        ("southbound-request-id", b"2f3d8c0e"),
        ("southbound-replay", b"redrive-3"),
    )


def test_written_headers_are_read_back() -> None:
    assert read_headers(write(FULL), fallback_id="none") == FULL


def test_missing_attributes_are_not_written() -> None:
    assert [name for name, _ in write(EventHeaders(id="1"))] == [
        "ce_specversion",
        "ce_id",
        "ce_type",
        "ce_source",
        "content-type",
    ]


def test_an_event_keeps_its_own_source() -> None:
    assert ("ce_source", b"/crm") in write(EventHeaders(id="1", source="/crm"))


def test_without_an_id_the_event_gets_that_of_its_record() -> None:
    assert read_headers(None, fallback_id="testrun.lifecycle-3-17").id == "testrun.lifecycle-3-17"
    assert read_headers([("ce_id", b"")], fallback_id="here").id == "here"


def test_names_of_headers_are_read_in_any_case() -> None:
    read = read_headers([("Ce_Id", b"1"), ("Content-Type", b"application/json")], fallback_id="none")
    assert (read.id, read.content_type) == ("1", "application/json")


def test_headers_that_are_not_text_are_ignored() -> None:
    read = read_headers([("ce_id", b"\xff"), ("ce_subject", None), ("ce_time", b"soon")], fallback_id="here")
    assert read == EventHeaders(id="here")


def test_times_without_a_zone_are_utc_and_impossible_ones_are_none() -> None:
    assert parse_time("2026-03-09T08:00:00") == datetime(2026, 3, 9, 8, tzinfo=UTC)
    assert parse_time("2026-03-09T08:00:00+01:00") == datetime(2026, 3, 9, 7, tzinfo=UTC)
    assert parse_time("0001-01-01T00:00:00+14:00") is None


@given(st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_any_headers_can_be_read(headers: list[tuple[str, bytes | None]]) -> None:
    assert read_headers(headers, fallback_id="here").id
