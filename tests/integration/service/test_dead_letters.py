"""An unusable record becomes a dead letter with its original bytes and one sentence; later records are processed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import fastavro
import orjson
import pytest

from producers.publisher import RecordTooLargeError
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from tests.builders.runs import a_document, a_tree

if TYPE_CHECKING:
    from schemas.catalogue import EventData
    from tests.fixtures.service import ConsumedEvent, ServiceUnderTest

RUN = {
    "run_id": "BAD",
    "name": "Line test BAD",
    "test_specification": {"id": "fibre-quick"},
    "related_service": {"id": "PI0001"},
}
JSON_REQUEST = {"content_type": "application/json", "ce_type": "southbound.RunRequested"}


@dataclass(frozen=True)
class InvalidRecord:
    """A record that cannot be used, and what its dead letter must contain."""

    value: bytes | None
    code: str
    sentence_parts: tuple[str, ...]
    key: bytes | None = b"BAD"
    headers: tuple[tuple[str, str], ...] = ()


def json_request(**fields: object) -> bytes:
    run = {name: value for name, value in (RUN | fields).items() if value is not None}
    return orjson.dumps({"run": run})


def encode_event(event: EventData) -> bytes:
    return Envelope(Codec()).encode(Event(headers=EventHeaders(id="x"), data=event))[0]


def with_unknown_schema() -> bytes:
    schema = {"type": "record", "name": "org.example.Surprise", "fields": [{"name": "what", "type": "string"}]}
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    fingerprint = bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO"))
    return b"\xc3\x01" + fingerprint[::-1] + b"\x0aavros"


def a_cycle() -> RunRequested:
    a, b = a_document("BAD-A", root="BAD", parent="BAD-B"), a_document("BAD-B", root="BAD", parent="BAD-A")
    return RunRequested(run=a_document("BAD", spec="fibre-tree", children=(a, b)))


JSON = tuple(JSON_REQUEST.items())
INVALID_RECORDS = {
    "undecodable bytes": InvalidRecord(
        b"\xffrubbish\x00", "UNDECODABLE", (r"begins with '\xffrubbish·'", "Send JSON, Avro")
    ),
    "no content": InvalidRecord(b"", "TOMBSTONE", ("value is empty", "send the event's data")),
    "a tombstone": InvalidRecord(None, "TOMBSTONE", ("no value (a tombstone)", "send RunCancelled to cancel a run")),
    "an unknown event type": InvalidRecord(
        json_request(),
        "UNKNOWN_EVENT_TYPE",
        ("southbound.RunInvented",),
        headers=(("content_type", "application/json"), ("ce_type", "southbound.RunInvented")),
    ),
    "Avro of an unknown schema": InvalidRecord(
        with_unknown_schema(),
        "UNKNOWN_SCHEMA",
        (with_unknown_schema()[2:10].hex(), "deploy the release that does, then redrive"),
    ),
    "no name": InvalidRecord(json_request(name=None), "INVALID_EVENT", ("run.name",), headers=JSON),
    "no service": InvalidRecord(
        json_request(related_service={}), "INVALID_EVENT", ("run.related_service.id",), headers=JSON
    ),
    "no specification": InvalidRecord(
        json_request(test_specification={"id": ""}), "INVALID_EVENT", ("run.test_specification.id",), headers=JSON
    ),
    "a cycle": InvalidRecord(encode_event(a_cycle()), "HIERARCHY_CYCLE", ("BAD-A", "BAD-B")),
    "10,000 children": InvalidRecord(
        encode_event(RunRequested(run=a_tree("BAD", children=10_000))), "HIERARCHY_TOO_LARGE", ("10001", "500")
    ),
    "a change of an unknown run": InvalidRecord(
        encode_event(RunChanged(run=a_document("BAD", version=2))), "UNKNOWN_RUN", ("BAD", "RunRequested")
    ),
    "a cancellation of an unknown run": InvalidRecord(
        encode_event(RunCancelled(run_id="BAD", root_run_id="BAD")), "UNKNOWN_RUN", ("BAD", "RunRequested")
    ),
    "a run that no row wants": InvalidRecord(
        encode_event(RunRequested(run=a_document("BAD", spec="satellite-link"))), "NO_ROW_MATCHES", ("spoke-selector",)
    ),
    "bytes of a registry that is not configured": InvalidRecord(
        b"\x00\xffrubbish\x00", "UNKNOWN_SCHEMA", ("4285691234",)
    ),
    "2 MB": InvalidRecord(b"\x01" * 2_000_000, "UNDECODABLE", (f"begins with '{'·' * 40}'", "Send JSON, Avro")),
    "a null key": InvalidRecord(
        b"\xffno key", "UNDECODABLE", (r"begins with '\xffno key'", "Send JSON, Avro"), key=None
    ),
}


async def test_every_bad_record_is_a_dead_letter_with_its_bytes_and_one_sentence_and_the_next_one_flows(
    service: ServiceUnderTest,
) -> None:
    for number, bad in enumerate(INVALID_RECORDS.values()):
        await service.produce(service.topics.lifecycle, bad.key, bad.value, **dict(bad.headers))
        await service.produce(service.topics.lifecycle, bad.key, *a_valid_record(f"GOOD-{number}"))
    for number in range(len(INVALID_RECORDS)):
        await service.result_of(f"GOOD-{number}")
    letters = await service.wait_until(lambda: _wait_for_all(service, len(INVALID_RECORDS)), "all dead letters")
    for name, bad in INVALID_RECORDS.items():
        (letter,) = [
            candidate
            for candidate in letters
            if (candidate.value, candidate.key) == (bad.value, bad.key) and has_headers(candidate, bad.headers)
        ]
        sentence = letter.header("southbound-dlq-reason") or ""
        assert letter.header("southbound-dlq-code") == bad.code, name
        assert is_one_sentence(sentence), (name, sentence)
        assert all(part in sentence for part in bad.sentence_parts), (name, sentence)
        assert letter.header("southbound-dlq-topic") == service.topics.lifecycle
    assert await service.stop()


@pytest.mark.parametrize("topic", ["inbound", "dispatch"])
async def test_undecodable_bytes_on_our_own_topics_are_a_dead_letter_too(service: ServiceUnderTest, topic: str) -> None:
    name = service.topics.inbound if topic == "inbound" else service.topics.dispatch("fibre-lab")
    await service.produce(name, b"BAD", b"\xffrubbish")
    await service.produce(name, b"BAD", encode_event(RunRequested(run=a_document("BAD"))))
    await service.request(a_document("GOOD", spec="fibre-quick"))
    letters = await service.wait_until(lambda: _wait_for_all(service, 2), "both dead letters")
    assert [letter.header("southbound-dlq-code") for letter in letters] == ["UNDECODABLE", "WRONG_TOPIC"]
    await service.result_of("GOOD")


async def test_a_run_without_a_record_key_is_processed(service: ServiceUnderTest) -> None:
    await service.produce(
        service.topics.lifecycle, None, json_request(run_id="GOOD", name="Line test GOOD"), **JSON_REQUEST
    )
    await service.result_of("GOOD")


async def test_a_record_that_the_topic_refuses_is_an_error_for_its_producer(service: ServiceUnderTest) -> None:
    with pytest.raises(RecordTooLargeError, match=f"{service.topics.lifecycle}.*max.message.bytes"):
        await service.produce(service.topics.lifecycle, b"BAD", os.urandom(2_000_000))


def a_valid_record(run_id: str) -> tuple[Any, ...]:
    return (encode_event(RunRequested(run=a_document(run_id, spec="fibre-quick"))),)


def has_headers(letter: ConsumedEvent, headers: tuple[tuple[str, str], ...]) -> bool:
    return all(letter.header(name.replace("content_", "content-")) == text for name, text in headers)


def is_one_sentence(text: str) -> bool:
    return 20 < len(text) < 400 and "\n" not in text and text.isprintable()


def _wait_for_all(service: ServiceUnderTest, number: int) -> list[Any]:
    letters = service.dead_letters()
    return letters if len(letters) >= number else []
