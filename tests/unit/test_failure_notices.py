"""The ordering service hears of its run when the request became a dead letter."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.failed_request import MAX_ID_LENGTH, RequestKind, read_failed_request
from consumers.failure_notices import FailureNotices
from consumers.runtime.handler import DeadLetter, Partition, Record
from consumers.store.port import StoreUnavailableError
from router.responses import Purpose
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import SendRun
from schemas.lifecycle import RunChanged, RunRequested
from schemas.problem import Problem
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document, a_run
from tests.fakes.external_system import LOCKED
from tests.harness.gateway import ENVELOPE, InMemoryGateway

if TYPE_CHECKING:
    from router.runs.run import RunRow

PROBLEM = Problem(code="UNEXPECTED", sentence="The handler failed.")


def updates(gateway: InMemoryGateway, run_id: str = "TR0001") -> list[RunUpdate]:
    data = [event.data for event in gateway.published_events()]
    return [one for one in data if isinstance(one, RunUpdate) and one.run_id == run_id]


def the_update(gateway: InMemoryGateway, run_id: str = "TR0001") -> tuple[UpdateKind, Phase, list[str]]:
    (update,) = updates(gateway, run_id)
    return update.kind, update.phase, [reason.code for reason in update.reasons]


def an_invalid_record(value: bytes, *, type_: str = "southbound.RunRequested", **headers: str) -> Record:
    named = {"ce_type": type_, **headers}
    encoded = tuple((name, text.encode()) for name, text in named.items() if text)
    return Record(Partition(topic="testrun.lifecycle", number=0, epoch=1), 5, b"k", value, encoded, 0)


async def test_a_request_that_no_spoke_takes_is_told_as_fallout() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="nowhere"))
    (code,) = gateway.dead_letter_codes()
    assert the_update(gateway) == (UpdateKind.FALLOUT, Phase.FALLOUT, [code])
    assert updates(gateway)[0].revision == 0


async def test_every_run_of_a_hierarchy_that_is_not_routed_is_told() -> None:
    gateway = InMemoryGateway()
    children = (a_document("TR0002", parent="TR0001", root="TR0001"),)
    await gateway.process_request(a_document(spec="nowhere", children=children))
    assert the_update(gateway, "TR0001")[0] is the_update(gateway, "TR0002")[0] is UpdateKind.FALLOUT


async def test_a_change_of_an_unknown_run_is_told_as_refused() -> None:
    gateway = InMemoryGateway()
    await gateway.process_change(a_document(version=2))
    assert the_update(gateway) == (UpdateKind.CHANGE_REFUSED, Phase.UNKNOWN, ["UNKNOWN_RUN"])
    assert updates(gateway)[0].version == 2


async def test_a_cancellation_of_an_unknown_run_is_told_as_refused() -> None:
    gateway = InMemoryGateway()
    await gateway.process_cancellation("TR0001")
    assert the_update(gateway) == (UpdateKind.CANCEL_REFUSED, Phase.UNKNOWN, ["UNKNOWN_RUN"])


async def test_a_second_request_with_other_content_is_refused_and_the_run_goes_on() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    await gateway.process_request(a_document(description="another"), "second")
    last = gateway.last_update()
    assert (last.kind, last.phase, last.reasons[0].code) == (UpdateKind.CHANGE_REFUSED, Phase.ACCEPTED, "RUN_EXISTS")
    assert last.revision == gateway.row().revision


async def test_a_command_that_fails_unexpectedly_is_told_as_fallout_and_can_be_redriven() -> None:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "e1")
    await gateway.process_next(gateway.names.lifecycle)
    record = gateway.take_next("testrun.dispatch.fibre-lab")
    await gateway.publish_dead_letter(record, DeadLetter(PROBLEM))
    assert the_update(gateway) == (UpdateKind.FALLOUT, Phase.FALLOUT, ["UNEXPECTED"])
    gateway.redeliver(record)
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.ACCEPTED


async def test_a_request_that_was_stored_and_not_commanded_is_told_as_fallout_and_can_be_redriven() -> None:
    gateway = InMemoryGateway()
    record = gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "e1")
    gateway.publisher.fail_topic("testrun.dispatch.fibre-lab")
    await gateway.attempt(record)
    gateway.publisher.restore_topic("testrun.dispatch.fibre-lab")
    gateway.take_back(record)
    assert gateway.row().phase is Phase.ROUTED
    await gateway.publish_dead_letter(record, DeadLetter(PROBLEM))
    assert the_update(gateway) == (UpdateKind.FALLOUT, Phase.FALLOUT, ["UNEXPECTED"])
    gateway.redeliver(record)
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.ACCEPTED


async def test_a_run_that_was_accepted_is_not_given_up_with_its_command() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    (record,) = (record for record in gateway.finished if record.partition.topic == "testrun.dispatch.fibre-lab")
    before: RunRow = gateway.row()
    await gateway.publish_dead_letter(record, DeadLetter(PROBLEM))
    assert gateway.row() == before


async def test_what_the_handler_told_is_not_told_again() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_document())
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT"]
    assert gateway.updates().count(UpdateKind.FALLOUT) == 1


@pytest.mark.parametrize(
    ("value", "kind", "run_id", "root", "version"),
    [
        (b'{"run": {"run_id": "TR1", "root_run_id": "TR0", "version": 3, "color": 1}}', "send", "TR1", "TR0", 3),
        (b'\xef\xbb\xbf{"run": {"run_id": 17}}', "send", "17", "17", 1),
        (b'{"run": {"runId": "TR1", "version": "x"}}', "send", "TR1", "TR1", 1),
        ('{"run": {"run_id": "TR1"}}'.encode("utf-16"), "send", "TR1", "TR1", 1),
        ('{"run": {"run_id": "TR1", "name": "Prüfung"}}'.encode("latin-1"), "send", "TR1", "TR1", 1),
        (b'{"specversion": "1.0", "id": "e", "type": "southbound.RunChanged", "data": {"run": {"run_id": "TR1"}}}',
         "change", "TR1", "TR1", 1),
        (b'{"specversion": "1.0", "type": "southbound.RunCancelled", "subject": "TR1"}', "cancel", "TR1", "TR1", 1),
    ],
)  # fmt: skip
def test_an_invalid_record_whose_run_id_can_be_read_is_told_under_it(
    value: bytes, kind: str, run_id: str, root: str, version: int
) -> None:
    request = read_failed_request(an_invalid_record(value), ENVELOPE)
    assert request is not None
    assert (request.kind, request.run_ids[0], request.root_run_id, request.version) == (kind, run_id, root, version)


def test_bytes_that_cannot_be_read_are_told_under_their_subject() -> None:
    request = read_failed_request(
        an_invalid_record(b"\xc3\x01rubbish", type_="southbound.RunCancelled", ce_subject="TR1", ce_id="e1"), ENVELOPE
    )
    assert request is not None
    assert (request.kind, request.run_ids, request.cause.id) == (RequestKind.CANCEL, ("TR1",), "e1")


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"rubbish",
        b'{"run": {"run_id": "TR1"',
        b'{"run": {"run_id": ["TR1"]}}',
        b'{"run": {"run_id": true}}',
        b'{"run": {"run_id": "a\\u0000b"}}',
        '{"run": {"run_id": "TR-Ä"}}'.encode("latin-1"),
        b'{"run": {"run_id": "%s"}}' % (b"x" * (MAX_ID_LENGTH + 1)),
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_a_record_whose_run_id_cannot_be_read_is_not_told(value: bytes) -> None:
    assert read_failed_request(an_invalid_record(value), ENVELOPE) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)
       | st.dictionaries(st.sampled_from(["run", "run_id", "root_run_id", "children", "version", "data", "x"]), inner)),
       st.sampled_from(["southbound.RunRequested", "southbound.RunCancelled", "other", ""]))  # fmt: skip
def test_no_json_breaks_the_reader_and_what_it_reads_can_be_published(document: object, type_: str) -> None:
    record = an_invalid_record(json.dumps(document).encode(), type_=type_)
    request = read_failed_request(record, ENVELOPE)
    assert request is None or all(run_id and run_id.encode() for run_id in (*request.run_ids, request.root_run_id))


async def test_an_invalid_request_is_told_with_its_reason() -> None:
    gateway = InMemoryGateway()
    headers = (("ce_type", b"southbound.RunRequested"), ("ce_id", b"e1"))
    gateway.produce_bytes(gateway.names.lifecycle, b'{"run": {"run_id": "TR0001", "colour": "red"}}', headers)
    await gateway.run_until_idle()
    assert the_update(gateway) == (UpdateKind.FALLOUT, Phase.FALLOUT, gateway.dead_letter_codes())
    assert "run.name is missing" in updates(gateway)[0].reasons[0].message


async def test_an_event_that_requests_nothing_is_not_told() -> None:
    gateway = InMemoryGateway()
    value, headers = ENVELOPE.encode(Event(headers=EventHeaders(id="e"), data=gateway.a_callback("ext")))
    gateway.produce_bytes(gateway.names.lifecycle, value, headers)
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["WRONG_TOPIC"]
    assert gateway.published_events() == []


async def test_the_same_dead_letter_is_told_under_the_same_id() -> None:
    gateway = InMemoryGateway()
    await gateway.process_change(a_document(version=2))
    gateway.redeliver(gateway.finished[-1])
    await gateway.run_until_idle()
    assert len({event.id for event in gateway.published_events()}) == 1


async def test_the_dead_letter_waits_while_its_update_cannot_be_stored_and_no_longer() -> None:
    gateway = InMemoryGateway()
    warnings: list[Problem] = []
    notices = FailureNotices(updater=gateway.updater, envelope=ENVELOPE, warn=warnings.append)
    gateway.store.runs["TR0001"] = a_run()
    record = gateway.produce(gateway.names.lifecycle, RunChanged(run=a_document(version=2)), "e1")
    gateway.store.problems = [StoreUnavailableError("The database is down."), RuntimeError("a bug")]
    waits = await notices.notify(record, PROBLEM)
    assert waits is not None
    assert "The database is down" in waits.sentence
    assert await notices.notify(record, PROBLEM) is None
    assert [warning.code for warning in warnings] == ["NOTICE_NOT_PUBLISHED"]


def test_commands_carry_their_request_and_spoke() -> None:
    decision = {"policy": "p@1#R", "selector": "s@1#S", "hierarchical": False}
    command = SendRun.model_validate(
        {"run": a_document(), "request_id": "q", "spoke": "fibre-lab", "decision": decision}
    )
    value, headers = ENVELOPE.encode(Event(headers=EventHeaders(id="e"), data=command))
    record = Record(Partition(topic="testrun.dispatch.fibre-lab", number=0, epoch=1), 5, b"k", value, tuple(headers), 0)
    request = read_failed_request(record, ENVELOPE)
    assert request is not None
    assert (request.request_id, request.spoke) == ("q", "fibre-lab")
