"""A dead letter of a target names the run and the target."""

from __future__ import annotations

import pytest

from consumers.dead_letter_subject import DeadLetterClass
from consumers.runtime.dead_letters import DeadLetterSubject
from consumers.runtime.handler import Partition, Record
from router.runs.notifications.build import build_result
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.problem import Problem
from schemas.topics import TopicNames
from southbound.service.composition.writeback import WritebackSubjects
from tests.builders.runs import NOON, a_run
from tests.harness.gateway import ENVELOPE

SUBJECTS = WritebackSubjects(target="desk", envelope=ENVELOPE, names=TopicNames())
REFUSED = Problem(code="CALL_REFUSED", sentence="It was refused.")


def a_record(value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] = ()) -> Record:
    partition = Partition(topic=TopicNames().results, number=0, epoch=1)
    return Record(partition=partition, offset=7, key=b"TR1", value=value, headers=headers, timestamp_ms=0)


async def test_a_result_names_its_run_its_decision_and_the_target() -> None:
    headers = EventHeaders(id="E1", time=NOON, decision="outbound-policy@1#R1")
    record = a_record(*ENVELOPE.encode(Event(headers=headers, data=build_result(a_run("TR1")))))
    assert await SUBJECTS.find(record, REFUSED) == DeadLetterSubject(
        error_class=DeadLetterClass.DISPATCH, spoke="desk", run="TR1", decision="outbound-policy@1#R1"
    )


@pytest.mark.parametrize("value", [b"no event", None])
async def test_what_is_no_event_names_the_target_only(value: bytes | None) -> None:
    subject = await SUBJECTS.find(a_record(value), Problem(code="UNDECODABLE", sentence="It is no event."))
    assert subject == DeadLetterSubject(error_class=DeadLetterClass.UNDECODABLE, spoke="desk")
