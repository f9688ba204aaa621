"""What a system reported last is what is told of the run, although its answers lag or fail for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest

from consumers.inbound.report_handler import MAX_READS_UNTIL_CHANGE, MAX_READS_UNTIL_STATE
from consumers.runtime.handler import RetryLater
from producers.publisher import PublishError
from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from tests.builders.runs import NOON, a_document, a_run
from tests.fakes.external_system import LOCKED, json_answer
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway
from tests.unit.inbound.test_poller import a_poller, poll_once

if TYPE_CHECKING:
    from consumers.spokes.port import Call

SPEED = {"id": "TM1", "metricName": "metric TM1", "value": {"value": 93.5}}
COMPLETED = {"id": "ext-TR0001", "state": "completed", "testMeasure": [SPEED]}
HTML = HttpResponse(status=200, headers={"content-type": "text/html"}, body=b"<html>maintenance</html>")


def one_state_behind(state: str = "inProgress") -> HttpResponse:
    return json_answer(200, {"id": "ext-TR0001", "state": state})


async def a_run_that_is_out() -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(measures=("TM1",)))
    gateway.system.tests["ext-TR0001"] |= COMPLETED
    return gateway


@pytest.mark.parametrize("behind", [1, 3])
async def test_fault_stale_a_get_that_is_one_state_behind_is_repeated(behind: int) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[one_state_behind()] * behind)
    await gateway.process_callback("ext-TR0001", state="completed")
    (result,) = gateway.results()
    assert (result.state, result.result) == (RunState.COMPLETED, Result.PASS)
    assert [measure.value for measure in result.test_measure] == [93.5]
    assert {retry.problem.code for retry in gateway.retries} == {"ANSWER_BEHIND"}


@pytest.mark.parametrize("state", ["completed", "failed"])
async def test_a_get_that_never_catches_up_does_not_undo_what_the_event_said(state: str) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[one_state_behind()] * MAX_READS_UNTIL_STATE)
    await gateway.process_callback("ext-TR0001", state=state)
    assert len(gateway.system.calls_made(Purpose.READ)) == MAX_READS_UNTIL_STATE
    await gateway.advance(31)  # a completed run waits for its measures
    assert gateway.row().state == state
    assert not gateway.dead_lettered


@pytest.mark.parametrize("state", [None, "somethingNew"])
async def test_a_get_without_a_known_state_does_not_undo_what_the_event_said(state: str | None) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests["ext-TR0001"]["state"] = state
    await gateway.process_callback("ext-TR0001", state="completed")
    (result,) = gateway.results()
    assert (result.state, result.result) == (RunState.COMPLETED, Result.PASS)


async def test_an_event_that_only_says_that_the_state_has_changed_is_read_until_it_has() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[one_state_behind("acknowledged")] * 2)
    await gateway.process_callback("ext-TR0001")
    assert [result.result for result in gateway.results()] == [Result.PASS]


async def test_an_event_without_a_change_is_read_up_to_a_bound() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests["ext-TR0001"]["state"] = "acknowledged"
    await gateway.process_callback("ext-TR0001")
    assert len(gateway.system.calls_made(Purpose.READ)) == MAX_READS_UNTIL_CHANGE
    assert (gateway.row().phase, gateway.dead_lettered) == (Phase.ACCEPTED, [])


async def test_a_deleted_run_that_the_answer_still_shows_is_read_until_it_is_gone() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests.clear()
    gateway.system.plan(Purpose.READ, one_state_behind(), one_state_behind())
    test = b'{"id": "ext-TR0001", "state": "inProgress"}'
    body = b'{"eventType": "ServiceTestDeleteEvent", "event": {"serviceTest": %s}}' % test
    callback = gateway.a_callback("ext-TR0001").model_copy(update={"body": body})
    gateway.produce(gateway.names.inbound, callback, "deleted")
    await gateway.run_until_idle()
    assert [retry.problem.code for retry in gateway.retries[:2]] == ["ANSWER_BEHIND"] * 2
    await gateway.advance(700, step=10)
    assert len(gateway.results()) == 1


async def test_an_answer_to_a_patch_that_is_older_than_a_callback_moves_no_run_back() -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"]})
    await gateway.process_request(a_document())
    await gateway.process_callback("ext-TR0001", state="pending")
    gateway.system.tests["ext-TR0001"]["state"] = "pending"

    async def during(call: Call) -> None:
        await gateway.end_during_call(call, Purpose.CHANGE, "inProgress")

    gateway.system.on_call = during
    await gateway.process_change(a_document(version=2, description="another"))
    assert (gateway.row().state, gateway.row().accepted_version) == (RunState.IN_PROGRESS, 2)


async def test_a_polled_answer_that_is_older_than_a_callback_moves_no_run_back() -> None:
    gateway = a_silent_run(RunState.PENDING)
    poller = a_poller(gateway)
    gateway.system.tests["ext-TR0001"]["state"] = "pending"
    gateway.store.runs["TR0001"] = a_run(phase=Phase.ACCEPTED, updated_at=NOON - timedelta(hours=1))
    assert await poller.poll_silent_runs(poller.caller.spoke("fibre-lab").profile) == 1
    record = gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "callback")
    await gateway.attempt(record)
    await gateway.run_until_idle()
    assert gateway.row().state is RunState.IN_PROGRESS


async def test_a_state_that_comes_back_is_news_to_the_poller() -> None:
    gateway = a_silent_run(RunState.IN_PROGRESS)
    poller = a_poller(gateway)
    for state in ("pending", "inProgress", "pending"):
        gateway.system.tests["ext-TR0001"]["state"] = state
        gateway.clock.at += timedelta(hours=1)
        assert await poll_once(gateway, poller) == 1
        assert gateway.row().state == state


async def test_the_poller_does_not_publish_an_answer_again_while_inbound_has_not_caught_up() -> None:
    gateway = a_silent_run(RunState.ACKNOWLEDGED)
    gateway.system.tests["ext-TR0001"]["state"] = "inProgress"
    poller = a_poller(gateway)
    profile = poller.caller.spoke("fibre-lab").profile
    for published in (1, 0, 0):
        assert await poller.poll_silent_runs(profile) == published
        gateway.clock.at += timedelta(minutes=2)
    gateway.clock.at += timedelta(hours=1)
    assert await poller.poll_silent_runs(profile) == 1
    assert len({event.id for event in gateway.published_events()}) == 1


async def test_the_poller_publishes_an_answer_again_that_kafka_did_not_acknowledge() -> None:
    gateway = a_silent_run(RunState.ACKNOWLEDGED)
    gateway.system.tests["ext-TR0001"]["state"] = "inProgress"
    poller = a_poller(gateway)
    profile = poller.caller.spoke("fibre-lab").profile
    gateway.publisher.fail_topic(gateway.names.inbound)
    with pytest.raises(PublishError):
        await poller.poll_silent_runs(profile)
    gateway.publisher.restore_topic(gateway.names.inbound)
    gateway.clock.at += timedelta(seconds=profile.poll_interval)
    assert await poller.poll_silent_runs(profile) == 1


async def test_an_answer_that_the_poller_cannot_read_is_no_dead_letter() -> None:
    gateway = a_silent_run(RunState.ACKNOWLEDGED)
    gateway.system.plan(Purpose.READ, HTML)
    poller = a_poller(gateway)
    assert await poll_once(gateway, poller) == 0
    assert "RESPONSE_UNREADABLE" in gateway.problems[0]
    gateway.system.tests["ext-TR0001"]["state"] = "completed"
    assert await poll_once(gateway, poller) == 1
    assert (gateway.dead_lettered, gateway.row().state) == ([], RunState.COMPLETED)


@pytest.mark.parametrize(
    "fault",
    [HTML, HttpResponse(status=200, body=b"null"), HttpResponse(status=200, body=b'{"id": '), LOCKED]
    + [HttpResponse(status=status) for status in (302, 400, 401, 403, 418, 429, 500, 502, 503, 504)],
)
async def test_news_survives_a_fault_that_passes(fault: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, fault, fault)
    await gateway.process_callback("ext-TR0001", state="completed")
    assert [result.result for result in gateway.results()] == [Result.PASS]
    assert not gateway.dead_lettered


async def test_waiting_for_the_answer_to_the_post_uses_up_no_retries() -> None:
    gateway = InMemoryGateway()
    record = gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="completed"), "early")
    for number in range(1, 9):
        assert isinstance(await gateway.attempt(record, number), RetryLater)
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document(measures=("TM1",))), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.process_next(gateway.names.dispatch("fibre-lab"))
    gateway.system.plan(Purpose.READ, LOCKED)
    outcome = await gateway.attempt(record, 9)
    assert isinstance(outcome, RetryLater)


NEWER, OLDER = "2026-11-23T11:59:58.000Z", "2026-11-23T12:59:57.999+01:00"  # one millisecond apart


@pytest.mark.parametrize("name", ["timeOccurred", "timeOcurred"])
async def test_an_event_without_a_time_of_its_notification_has_that_of_what_happened(name: str) -> None:
    gateway = a_silent_run(RunState.ACKNOWLEDGED)
    await process_event(gateway, "inProgress", NEWER, name)
    await process_event(gateway, "pending", OLDER, name)
    assert gateway.row().state is RunState.IN_PROGRESS


@pytest.mark.parametrize(("newer", "older"), [("inProgress", "pending"), ("pending", "inProgress")])
async def test_of_two_events_out_of_order_the_one_that_happened_later_counts(newer: str, older: str) -> None:
    gateway = a_silent_run(RunState.ACKNOWLEDGED)
    await process_event(gateway, newer, NEWER)
    await process_event(gateway, older, OLDER)
    assert (gateway.row().state, gateway.row().reasons) == (newer, ())
    assert gateway.updates() == [UpdateKind.PROGRESS]
    await process_event(gateway, older, "2026-11-23T12:00:01Z")
    assert gateway.row().state == older


@pytest.mark.parametrize("written", [None, 7, "", "yesterday", "2026-11-23T11:59:57", "2031-01-01T00:00:00Z"])
async def test_an_event_without_a_time_that_orders_it_counts_when_it_arrives(written: object) -> None:
    gateway = a_silent_run(RunState.ACKNOWLEDGED)
    await process_event(gateway, "inProgress", NEWER)
    await process_event(gateway, "pending", written)
    assert gateway.row().state is RunState.PENDING


async def test_a_thin_event_is_read_although_a_newer_one_was_processed() -> None:
    gateway = a_silent_run(RunState.ACKNOWLEDGED)
    await process_event(gateway, "pending", NEWER)
    gateway.system.tests["ext-TR0001"]["state"] = "inProgress"
    await process_event(gateway, None, OLDER)
    assert gateway.row().state is RunState.IN_PROGRESS


async def process_event(gateway: InMemoryGateway, state: str | None, at: object, time_field: str = "eventTime") -> None:
    test = {"id": "ext-TR0001", "state": state} if state else {"id": "ext-TR0001"}
    body = {"eventType": "ServiceTestAttributeValueChangeEvent", time_field: at, "event": {"serviceTest": test}}
    callback = gateway.a_callback("ext-TR0001").model_copy(update={"body": orjson.dumps(body)})
    gateway.clock.at += timedelta(seconds=1)
    gateway.produce(gateway.names.inbound, callback, f"{state} {at}")
    await gateway.run_until_idle()


def a_silent_run(state: RunState) -> InMemoryGateway:
    row = a_run(phase=Phase.ACCEPTED, state=state, updated_at=NOON - timedelta(hours=1))
    gateway = InMemoryGateway(store=InMemoryRunStore(row))
    gateway.system.tests["ext-TR0001"] = {"id": "ext-TR0001", "name": row.requested.name, "state": state}
    return gateway
