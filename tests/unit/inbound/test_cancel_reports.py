"""Reports about the task that cancels a run (TMF653 v5.0) reach the run, once, and only if somebody waits for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from consumers.inbound.cancel_reports import CancelReports
from consumers.inbound.checks.due_checks import DueCheckPublisher
from consumers.runtime.handler import Attempt
from router.responses import HttpResponse, Purpose
from router.runs.reports.cancel_task import CancelTask, TaskState
from router.runs.reports.report import ExternalReport
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel, Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.dispatch.call import ObservedCall

REFUSED = {"state": "terminatedWithError", "errorMessage": [{"code": "tooLate", "message": "it runs already"}]}


def a_task(**fields: object) -> dict[str, Any]:
    return {"id": "C1", "serviceTest": {"id": "ext-TR0001"}, "@type": "CancelServiceTest", **fields}


async def an_accepted_run(*, cancelled: bool = True) -> InMemoryGateway:
    gateway = InMemoryGateway(profile={"version": "5.0"})
    await gateway.process_request(a_document())
    if cancelled:
        gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
        await gateway.process_cancellation("TR0001")
    return gateway


async def report(gateway: InMemoryGateway, task: object, event_id: str = "E1", times: int = 1) -> None:
    """Process an event about a task."""
    body = {"eventType": "CancelServiceTestStateChangeEvent", "event": {"cancelServiceTest": task}}
    received = InboundReceived(
        spoke="fibre-lab", channel=Channel.CALLBACK, received_at=gateway.clock(), body=orjson.dumps(body)
    )
    for _ in range(times):
        gateway.produce(gateway.names.inbound, received, event_id)
    await gateway.run_until_idle()


async def test_a_task_that_is_done_ends_the_run() -> None:
    gateway = await an_accepted_run()
    await report(gateway, a_task(state="done"))
    assert [each.state for each in gateway.results()] == [RunState.CANCELLED]


async def test_a_task_that_fails_is_told_once_as_a_refusal() -> None:
    gateway = await an_accepted_run()
    await report(gateway, a_task(**REFUSED), times=2)
    assert gateway.distinct_updates().count(UpdateKind.CANCEL_REFUSED) == 1
    assert [each.code for each in gateway.last_update().reasons] == ["tooLate"]
    assert gateway.row().phase is Phase.ACCEPTED


@pytest.mark.parametrize("fields", [{"state": "acknowledged"}, {"state": "inProgress"}, REFUSED])
async def test_a_cancellation_that_nobody_here_waits_for_is_not_told(fields: dict[str, object]) -> None:
    gateway = await an_accepted_run(cancelled=False)
    await report(gateway, a_task(**fields))
    assert gateway.updates() == [UpdateKind.ACCEPTED]


async def test_a_run_that_somebody_else_has_cancelled_ends() -> None:
    gateway = await an_accepted_run(cancelled=False)
    await report(gateway, a_task(state="done"))
    assert gateway.results()[0].state is RunState.CANCELLED


async def test_a_task_that_failed_after_the_end_changes_nothing() -> None:
    gateway = await an_accepted_run()
    await gateway.process_callback("ext-TR0001", state="completed")
    await report(gateway, a_task(**REFUSED))
    assert UpdateKind.CANCEL_REFUSED not in gateway.updates()
    assert gateway.row().state is RunState.COMPLETED


async def test_a_bare_task_is_read_and_leads_to_its_run() -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(Purpose.READ, HttpResponse(status=503), json_answer(200, a_task(state="done")))
    await report(gateway, {"id": "C1"})
    assert gateway.system.calls_made(Purpose.READ)[-1].path == "/cancelServiceTest/C1"
    assert gateway.results()[0].state is RunState.CANCELLED


@pytest.mark.parametrize(
    "answer",
    [json_answer(404, {"code": "notFound"}), json_answer(200, {"id": "C1"}), HttpResponse(status=200, body=b"<")],
)
async def test_a_task_that_cannot_be_read_is_a_dead_letter(answer: HttpResponse) -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(Purpose.READ, answer)
    await report(gateway, {"id": "C1"})
    assert len(gateway.dead_lettered) == 1
    assert gateway.results() == []


async def test_a_check_that_two_processes_publish_asks_for_the_task_once() -> None:
    gateway = await a_followed_cancellation()
    gateway.clock.at += timedelta(seconds=10)
    gateway.system.plan(Purpose.READ, json_answer(200, a_task(state="inProgress")))
    for _ in range(2):
        checker = DueCheckPublisher(
            store=gateway.store, events=gateway.events, now=gateway.clock, warn=gateway.problems.append
        )
        await checker.publish_due()
    await gateway.run_until_idle()
    assert reads(gateway) == ["/cancelServiceTest/C1"]


async def test_the_calls_about_a_task_are_part_of_the_timeline_of_its_run() -> None:
    gateway = await a_followed_cancellation()
    observed: list[ObservedCall] = []
    handler = CancelReports(updater=gateway.updater, caller=replace(gateway.caller, on_call=observed.append))
    thin = ExternalReport(external_id=None, cancel_task=CancelTask(id="C1", state=TaskState.UNKNOWN, reasons=()))
    gateway.system.plan(Purpose.READ, json_answer(200, a_task(state="inProgress")))
    event = Event(headers=EventHeaders(id="E1"), data=gateway.a_callback(None))
    await handler.read_task(event, "fibre-lab", thin, Attempt(1))
    assert [(each.call.path, each.run_ids) for each in observed] == [("/cancelServiceTest/C1", ["TR0001"])]


async def a_followed_cancellation(answer: HttpResponse | None = None) -> InMemoryGateway:
    """Return a gateway whose system has accepted a cancellation as the task C1."""
    gateway = InMemoryGateway(profile={"version": "5.0"})
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.CANCEL, answer or json_answer(201, a_task(state="acknowledged")))
    await gateway.process_cancellation("TR0001")
    return gateway


def reads(gateway: InMemoryGateway) -> list[str]:
    return [call.path for call in gateway.system.calls_made(Purpose.READ)]


@pytest.mark.parametrize(
    "accepted",
    [
        json_answer(201, a_task(state="acknowledged")),
        json_answer(202, a_task(state="inProgress")),
        json_answer(200, a_task()),
        HttpResponse(status=202, headers={"location": "/tmf-api/serviceTestManagement/v5/cancelServiceTest/C1"}),
    ],
)
async def test_a_task_without_events_is_followed_to_its_refusal(accepted: HttpResponse) -> None:
    gateway = await a_followed_cancellation(accepted)
    assert gateway.updates()[-1] is UpdateKind.CANCEL_ACCEPTED
    running = json_answer(200, a_task(state="inProgress"))
    gateway.system.plan(Purpose.READ, running, HttpResponse(status=503), json_answer(200, a_task(**REFUSED)))
    await gateway.advance(60, step=1)
    assert reads(gateway) == ["/cancelServiceTest/C1"] * 3
    assert gateway.distinct_updates().count(UpdateKind.CANCEL_REFUSED) == 1
    assert [each.code for each in gateway.last_update().reasons] == ["tooLate"]
    row = gateway.row()
    assert (row.phase, row.cancellation) == (Phase.ACCEPTED, None)
    await gateway.advance(3600, step=60)
    assert len(reads(gateway)) == 3


async def test_a_task_without_events_that_is_done_ends_the_run() -> None:
    gateway = await a_followed_cancellation()
    gateway.system.plan(Purpose.READ, json_answer(200, a_task(state="done")))
    await gateway.advance(20, step=1)
    assert [each.state for each in gateway.results()] == [RunState.CANCELLED]
    assert gateway.row().cancellation is None


async def test_an_event_about_the_task_ends_the_questions() -> None:
    gateway = await a_followed_cancellation()
    await report(gateway, a_task(**REFUSED))
    await gateway.advance(3600, step=60)
    assert reads(gateway) == []


async def test_a_task_is_not_followed_after_the_end_of_its_run() -> None:
    gateway = await a_followed_cancellation()
    await gateway.process_callback("ext-TR0001", state="completed")
    assert gateway.row().phase is Phase.FULFILLED
    await gateway.advance(3600, step=60)
    assert "/cancelServiceTest/C1" not in reads(gateway)


async def test_of_a_task_that_the_system_forgot_the_run_is_read() -> None:
    gateway = await a_followed_cancellation()
    gone = json_answer(404, {"code": "notFound"})
    gateway.system.plan(Purpose.READ, gone, json_answer(200, {"id": "ext-TR0001", "state": "cancelled"}))
    await gateway.advance(20, step=1)
    assert reads(gateway) == ["/cancelServiceTest/C1", "/serviceTest/ext-TR0001"]
    assert [each.state for each in gateway.results()] == [RunState.CANCELLED]


async def test_a_cancellation_that_neither_task_nor_run_show_is_refused_after_three_answers() -> None:
    gateway = await a_followed_cancellation()
    gone, goes_on = json_answer(404, {"code": "x"}), json_answer(200, {"id": "ext-TR0001", "state": "inProgress"})
    gateway.system.plan(Purpose.READ, gone, goes_on, gone, goes_on, gone, goes_on)
    await gateway.advance(120, step=1)
    assert [each.code for each in gateway.last_update().reasons] == ["CANCEL_NOT_SHOWN"]
    assert UpdateKind.CANCEL_REFUSED in gateway.updates()
    assert len(reads(gateway)) == 6


async def test_the_calls_about_a_task_carry_the_headers_of_their_run() -> None:
    gateway = await a_followed_cancellation()
    request = gateway.row().request_id
    gateway.system.plan(Purpose.READ, *[json_answer(200, a_task(state="inProgress"))] * 3)
    await report(gateway, {"id": "C1"}, "thin")  # which run it is about is known from the cancellation
    await report(gateway, {"id": "C1", "serviceTest": {"id": "ext-TR0001"}}, "without a state")
    await gateway.advance(20, step=1)
    calls = gateway.system.calls_made(Purpose.READ)
    assert len(calls) == 3
    assert {call.headers.get("X-Conversation-ID") for call in calls} == {request}
    assert all("traceparent" in call.headers for call in calls)


async def a_run_that_is_replaced() -> InMemoryGateway:
    """Return a run whose test is cancelled by a task for a change, and whose system shows no end of it."""
    gateway = InMemoryGateway(profile={"version": "5.0", "reposted": ["description"], "change_deadline": 1})
    await gateway.process_request(a_document(description="slow"))
    gateway.system.plan(Purpose.CANCEL, json_answer(201, a_task(state="acknowledged")))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.row().phase is Phase.ACCEPTED
    return gateway


async def test_a_task_that_is_done_for_a_change_leads_to_the_changed_run() -> None:
    gateway = await a_run_that_is_replaced()
    await report(gateway, a_task(state="done"), times=2)
    assert gateway.results() == []
    assert len(gateway.system.calls_made(Purpose.SEND)) == 2
    assert (gateway.row().external_id, gateway.last_update().kind) == ("ext-TR0001-2", UpdateKind.CHANGE_ACCEPTED)


async def test_a_task_for_a_change_that_fails_is_told_once_as_a_refusal_of_the_change() -> None:
    gateway = await a_run_that_is_replaced()
    await report(gateway, a_task(**REFUSED), times=2)
    assert gateway.distinct_updates().count(UpdateKind.CHANGE_REFUSED) == 1
    assert [each.code for each in gateway.last_update().reasons] == ["tooLate"]
    await report(gateway, a_task(state="done"), "E2")  # of somebody else's, later
    assert gateway.results()[0].state is RunState.CANCELLED


async def test_an_event_that_the_replaced_test_was_deleted_leads_to_the_changed_run() -> None:
    gateway = await a_run_that_is_replaced()
    deleted = {"eventType": "ServiceTestDeleteEvent", "event": {"serviceTest": {"id": "ext-TR0001"}}}
    gateway.system.plan(Purpose.READ, HttpResponse(status=404))
    callback = gateway.a_callback("ext-TR0001").model_copy(update={"body": orjson.dumps(deleted)})
    gateway.produce(gateway.names.inbound, callback, "deleted")
    await gateway.run_until_idle()
    assert gateway.results() == []
    assert gateway.row().external_id == "ext-TR0001-2"
