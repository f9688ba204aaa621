"""A run is cancelled by a task of its system (TMF653 v5.0): what the answer to the task means for the run."""

from __future__ import annotations

from typing import Any

import pytest

from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import REFUSED_CONNECTION, json_answer
from tests.harness.gateway import InMemoryGateway

TASK: dict[str, Any] = {"id": "C1", "serviceTest": {"id": "ext-TR0001"}, "@type": "CancelServiceTest"}


async def an_accepted_run() -> InMemoryGateway:
    gateway = InMemoryGateway(profile={"version": "5.0"})
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
    return gateway


@pytest.mark.parametrize(
    "answer",
    [
        json_answer(201, TASK | {"state": "acknowledged"}),
        json_answer(200, TASK | {"state": "inProgress"}),
        json_answer(201, TASK),
        HttpResponse(status=202),
        HttpResponse(status=202, headers={"location": "/cancelServiceTest/C1"}),
        HttpResponse(status=204),
    ],
)
async def test_a_task_that_was_taken_does_not_end_the_run(answer: HttpResponse) -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(Purpose.CANCEL, answer)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates()[-1] is UpdateKind.CANCEL_ACCEPTED
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")


async def test_a_task_that_is_done_ends_the_run() -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(Purpose.CANCEL, json_answer(200, TASK | {"state": "done"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.results()[0].state is RunState.CANCELLED


async def test_a_task_that_was_rejected_is_a_refusal_with_its_reasons() -> None:
    gateway = await an_accepted_run()
    errors = [{"code": "tooLate", "message": "it runs already"}]
    gateway.system.plan(Purpose.CANCEL, json_answer(201, TASK | {"state": "rejected", "errorMessage": errors}))
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED
    assert [each.code for each in gateway.last_update().reasons] == ["tooLate"]


async def test_a_system_without_tasks_has_not_lost_the_run() -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(Purpose.CANCEL, json_answer(404, {"code": "notFound", "reason": "no such path"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED
    assert gateway.results() == []


async def test_a_run_that_its_system_does_not_have_is_cancelled() -> None:
    gateway = await an_accepted_run()
    gateway.system.tests.clear()
    gateway.system.plan(Purpose.CANCEL, json_answer(404, {"code": "notFound", "reason": "no such test"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.results()[0].state is RunState.CANCELLED


async def test_a_conflict_at_the_first_task_is_a_refusal() -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(Purpose.CANCEL, json_answer(409, {"code": "illegalState", "reason": "it has ended"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED


async def test_a_conflict_after_a_lost_response_shows_that_the_first_task_arrived() -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=504), json_answer(409, {"code": "exists", "reason": "x"}))
    gateway.system.tests["ext-TR0001"]["state"] = "cancelled"
    await gateway.process_cancellation("TR0001")
    assert UpdateKind.CANCEL_REFUSED not in gateway.updates()
    assert gateway.results()[0].state is RunState.CANCELLED


async def test_a_task_waits_for_a_system_that_is_down() -> None:
    gateway = await an_accepted_run()
    gateway.system.plan(
        Purpose.CANCEL, REFUSED_CONNECTION, REFUSED_CONNECTION, json_answer(200, TASK | {"state": "done"})
    )
    await gateway.process_cancellation("TR0001")
    assert gateway.results()[0].state is RunState.CANCELLED
