"""A dead letter names its class, its run, the system and the decision as far as they are known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from consumers.dead_letter_subject import DeadLetterClass, SubjectFinder, class_of
from consumers.runtime.dead_letters import DeadLetterSubject
from consumers.runtime.handler import Partition, Record
from consumers.store.port import StoreUnavailableError
from schemas.problem import Problem
from schemas.topics import TopicNames
from tests.builders.runs import a_document
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import ENVELOPE, InMemoryGateway

if TYPE_CHECKING:
    from router.runs.run import RunRow

NAMES = TopicNames()
PROBLEM = Problem(code="X", sentence="It did not work.")


def a_finder(gateway: InMemoryGateway) -> SubjectFinder:
    return SubjectFinder(store=gateway.store, envelope=ENVELOPE, names=NAMES)


@pytest.mark.parametrize(
    ("code", "topic", "expected"),
    [
        ("TOMBSTONE", "testrun.lifecycle", DeadLetterClass.UNDECODABLE),
        ("UNDECODABLE", "testrun.inbound", DeadLetterClass.UNDECODABLE),
        ("RUN_EXISTS", "testrun.lifecycle", DeadLetterClass.REJECTED),
        ("HIERARCHY_CYCLE", "testrun.lifecycle", DeadLetterClass.REJECTED),
        ("NO_ROW_MATCHES", "testrun.lifecycle", DeadLetterClass.ROUTING),
        ("CALL_BUSY", "testrun.dispatch.fibre-lab", DeadLetterClass.DISPATCH),
        ("IN_DOUBT", "testrun.dispatch.fibre-lab", DeadLetterClass.DISPATCH),
        ("REPORT_UNREADABLE", "testrun.inbound", DeadLetterClass.REPORT),
        ("UNEXPECTED", "testrun.inbound", DeadLetterClass.INTERNAL),
    ],
)
def test_the_class_follows_from_the_code_and_else_from_the_topic(
    code: str, topic: str, expected: DeadLetterClass
) -> None:
    assert class_of(code, topic, NAMES) is expected


async def test_a_command_names_its_run_its_system_and_the_decision() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    record = next(one for one in gateway.finished if NAMES.spoke_of(one.partition.topic))
    subject = await a_finder(gateway).find(record, PROBLEM)
    row = await gateway.store.run("TR0001")
    assert row is not None
    assert row.decision is not None
    assert subject == DeadLetterSubject(
        error_class="dispatch",
        run="TR0001",
        spoke="fibre-lab",
        decision=f"{row.decision.policy} {row.decision.selector}",
    )


async def test_a_report_names_the_run_of_its_external_id() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    row = await gateway.store.run("TR0001")
    assert row is not None
    record = gateway.produce(NAMES.inbound, gateway.a_callback(row.external_id, state="unheard of"), "E9")
    subject = await a_finder(gateway).find(record, PROBLEM)
    assert (subject.error_class, subject.run, subject.spoke) == ("report", "TR0001", "fibre-lab")


async def test_a_value_that_is_no_event_is_read_as_far_as_possible() -> None:
    value = json.dumps({"run": {"run_id": "TR0007", "version": "one"}}).encode()
    record = Record(Partition(topic=NAMES.lifecycle, number=0, epoch=1), 5, b"k", value, (), 0)
    subject = await a_finder(InMemoryGateway()).find(record, Problem(code="INVALID_EVENT", sentence="x"))
    assert subject == DeadLetterSubject(error_class="undecodable", run="TR0007")


async def test_a_report_that_is_no_event_names_the_system_of_its_key() -> None:
    record = Record(Partition(topic=NAMES.inbound, number=0, epoch=1), 5, b"fibre-lab:1", b"\xff", (), 0)
    subject = await a_finder(InMemoryGateway()).find(record, Problem(code="UNDECODABLE", sentence="x"))
    assert subject == DeadLetterSubject(error_class="undecodable", spoke="fibre-lab")


class UnavailableStore(InMemoryRunStore):
    """A store that does not answer."""

    async def run(self, run_id: str) -> RunRow | None:
        """Raise."""
        raise StoreUnavailableError(run_id)


async def test_a_store_that_does_not_answer_leaves_what_the_record_says() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    record = next(one for one in gateway.finished if NAMES.spoke_of(one.partition.topic))
    subject = await SubjectFinder(store=UnavailableStore(), envelope=ENVELOPE, names=NAMES).find(record, PROBLEM)
    assert (subject.run, subject.spoke) == ("TR0001", "fibre-lab")
    assert "@" in subject.decision
