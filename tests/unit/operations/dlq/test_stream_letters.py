"""A dead letter of a stream is redriven inside: its topic is on another cluster, and others read it there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consumers.northbound.streams.handler import RedrivenRecordHandler
from consumers.northbound.streams.profile import StreamSource
from consumers.northbound.streams.read_record import SourceRecord
from consumers.northbound.streams.subject import SourceSubjects, source_named
from consumers.runtime.handler import Attempt, DeadLetter, Partition, Record
from schemas.problem import Problem
from southbound.operations.dlq.redriven_message import redrive_topic, redriven_message
from tests.unit.operations.dlq.test_letters import MARK, NAMES, NOON, a_letter

if TYPE_CHECKING:
    from producers.publisher import Message

OUTSIDE = "snc.acme.default.sn_streamconnect.runs"
PRODUCED = int(NOON.timestamp() * 1000)
SOURCE = StreamSource(name="desk", topic=OUTSIDE, bootstrap=("a:1", "b:1"))


def a_record(message: Message, at_ms: int) -> Record:
    """Return a redriven message as it is read from its topic."""
    partition = Partition(topic=message.topic, number=0, epoch=1)
    return Record(partition, 0, message.key, message.value, message.headers, at_ms)


@pytest.mark.parametrize("role", ["ingress.desk", "ingress.desk.2"])
def test_it_goes_to_the_topic_of_redriven_records_with_its_source_and_its_time(role: str) -> None:
    letter = a_letter((("ce_id", b"E1"),), topic=OUTSIDE, role=role, timestamp=str(PRODUCED))
    assert redrive_topic(letter, NAMES) == NAMES.ingress
    message = redriven_message(letter, MARK, topic=NAMES.ingress)
    record = a_record(message, at_ms=PRODUCED + 60_000)
    assert (message.topic, message.value, source_named(record)) == (NAMES.ingress, b"v", "desk")
    read = SourceRecord(source=SOURCE, record=record)
    assert (read.produced_ms, read.moment({})) == (PRODUCED, NOON)


def test_one_that_fails_again_keeps_its_source_and_goes_back_to_the_same_topic() -> None:
    first = a_letter(topic=OUTSIDE, role="ingress.desk", timestamp=str(PRODUCED))
    redriven = redriven_message(first, MARK, topic=NAMES.ingress)
    again = a_letter(redriven.headers, topic=NAMES.ingress, role="ingress")
    assert redrive_topic(again, NAMES) == NAMES.ingress
    assert source_named(a_record(redriven_message(again, MARK), at_ms=0)) == "desk"


def test_one_without_an_id_has_the_id_that_it_had_before() -> None:
    letter = a_letter(topic=OUTSIDE, role="ingress.desk", timestamp=str(PRODUCED))
    original = Record(Partition(topic=OUTSIDE, number=0, epoch=1), 0, letter.key, letter.value, (), PRODUCED)
    redriven = a_record(redriven_message(letter, MARK, topic=NAMES.ingress), at_ms=0)
    before, after = (SourceRecord(source=SOURCE, record=record).event_id for record in (original, redriven))
    assert before == after


def test_a_source_that_names_itself_in_its_records_is_not_believed() -> None:
    spoofed = (("southbound-stream-source", b"other"),)
    message = redriven_message(a_letter(spoofed, topic=OUTSIDE, role="ingress.desk"), MARK, topic=NAMES.ingress)
    assert source_named(a_record(message, at_ms=0)) == "desk"


def test_another_topic_of_others_is_still_not_redrivable() -> None:
    assert redrive_topic(a_letter(topic=OUTSIDE, role="routing"), NAMES) is None


async def test_a_redriven_record_of_a_source_without_a_profile_is_a_dead_letter() -> None:
    message = redriven_message(a_letter(topic=OUTSIDE, role="ingress.gone"), MARK, topic=NAMES.ingress)
    outcome = await RedrivenRecordHandler(sources={}).handle_record(a_record(message, at_ms=0), Attempt(1))
    assert isinstance(outcome, DeadLetter)
    assert (outcome.problem.code, "'gone'" in outcome.problem.sentence) == ("UNKNOWN_STREAM", True)


@pytest.mark.parametrize(
    ("value", "run", "code", "class_"),
    [
        (b'{"id": "TR1"}', "TR1", "ORDER_REFUSED", "rejected"),
        (b"\xff", "", "STREAM_RECORD_UNREADABLE", "undecodable"),
        (b'{"id": 7}', "", "TARGET_WITHOUT_RUN", "dispatch"),
    ],
)
async def test_a_dead_letter_names_its_source_and_its_run(value: bytes, run: str, code: str, class_: str) -> None:
    subjects = SourceSubjects(sources={"desk": SOURCE}, names=NAMES, name="desk")
    record = Record(Partition(topic=OUTSIDE, number=0, epoch=1), 0, b"k", value, (), 0)
    subject = await subjects.find(record, Problem(code=code, sentence="It failed."))
    assert (subject.spoke, subject.run, subject.error_class) == ("desk", run, class_)
