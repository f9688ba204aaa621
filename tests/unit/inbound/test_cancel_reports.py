"""Reports about the task that cancels a run (TMF653 v5.0) reach the run, once, and only if somebody waits for them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from router.responses import HttpResponse, Purpose
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel, Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import json_answer
from tests.harness.gateway import InMemoryGateway

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
