"""An error that a system answers under a status of success is no success."""

from __future__ import annotations

import pytest

from consumers.spokes.conventions.error_in_success import error_in
from router.responses import HttpResponse, Purpose
from schemas.run_document import Characteristic
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import json_answer
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
ERRORS: list[dict[str, object]] = [
    {"error": {"message": "No Record found", "detail": "Record doesn't exist"}, "status": "failure"},
    {"error": "no such test"},
    {"errors": [{"code": "17", "detail": "no such test"}]},
    {"fault": {"faultstring": "no route"}},
    {"success": False},
    {"success": "false", "data": None},
    {"status": "error", "message": "unknown id"},
    {"result": "failure"},
    {"type": "about:blank", "title": "Not Found", "status": 404},
    {"code": "60", "message": "not allowed"},
    {"code": "404", "reason": "no such test"},
    {"statusCode": 500, "message": "no such test"},
    {"httpStatus": "404"},
    {"errorMessage": "no such test"},
    {"errorCode": "E17", "errorDescription": "no such test"},
]
NO_ERRORS: list[dict[str, object]] = [
    {},
    {"error": None, "status": "ok"},
    {"errors": [], "success": True},
    {"error": {"code": 0, "message": ""}},
    {"code": "0", "message": "done"},
    {"code": 200, "message": "ok"},
    {"code": "X1", "message": "updated successfully"},
    {"message": "updated"},
    {"status": 200, "title": "done"},
    {"status": "accepted"},
    {"statusCode": 200, "message": "done"},
    {"errorCode": "0", "errorMessage": ""},
]


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile={"patchable": ["description", "characteristic"]} | profile)
    await gateway.process_request(a_document(characteristic=(Characteristic(name="sim", value="a"),)))
    return gateway


async def change(gateway: InMemoryGateway) -> None:
    document = a_document(version=2, characteristic=(Characteristic(name="sim", value="b"),))
    await gateway.process_change(document)


@pytest.mark.parametrize("body", ERRORS)
def test_an_error_is_recognised_in_many_forms(body: dict[str, object]) -> None:
    assert error_in(body)


@pytest.mark.parametrize("body", NO_ERRORS)
def test_an_acknowledgement_is_no_error(body: dict[str, object]) -> None:
    assert error_in(body) is None


@pytest.mark.parametrize("body", ERRORS)
async def test_a_change_that_is_answered_with_an_error_is_not_told_as_made(body: dict[str, object]) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, *[json_answer(200, body)] * 3)
    await change(gateway)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_REFUSED]


PAGE = HttpResponse(status=200, headers={"content-type": "text/html"}, body=b"<html>Request rejected</html>")


@pytest.mark.parametrize("answer", [*(json_answer(200, body) for body in ERRORS), PAGE])
async def test_fault_a_change_that_is_answered_with_an_error_and_is_not_shown_is_not_told_as_made(
    answer: HttpResponse,
) -> None:
    gateway = InMemoryGateway(profile={"patchable": ["description"]})
    await gateway.process_request(a_document())  # without a description, so that the run shows none
    gateway.system.plan(Purpose.CHANGE, *[answer] * 9)
    await gateway.process_change(a_document(version=2, description="another"))
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_REFUSED]


@pytest.mark.parametrize("answer", [PAGE, json_answer(200, "rejected by policy")])
async def test_fault_a_delete_that_something_else_answered_does_not_end_a_run_that_goes_on(
    answer: HttpResponse,
) -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.plan(Purpose.CANCEL, *[answer] * 9)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_REFUSED]
    assert gateway.row().phase is Phase.ACCEPTED


async def test_a_delete_that_is_answered_with_a_text_cancels_the_run_if_the_system_does_not_have_it_any_more() -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.plan(Purpose.CANCEL, json_answer(200, "deleted"))
    gateway.system.tests.clear()
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.CANCELLED


@pytest.mark.parametrize("body", NO_ERRORS)
async def test_a_change_that_is_acknowledged_is_made(body: dict[str, object]) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, json_answer(200, body))
    await change(gateway)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]


@pytest.mark.parametrize("envelope", ["serviceTest", "result"])
async def test_a_change_that_is_answered_with_the_old_run_in_an_envelope_is_not_told_as_made(envelope: str) -> None:
    gateway = await a_run_that_is_out()
    old = {"id": TEST, "characteristic": [{"name": "sim", "value": "a"}]}
    gateway.system.plan(Purpose.CHANGE, *[json_answer(200, {envelope: old})] * 3)
    await change(gateway)
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_REFUSED]


@pytest.mark.parametrize("method", ["patch", "delete", "task"])
@pytest.mark.parametrize("body", ERRORS)
async def test_a_cancellation_that_is_answered_with_an_error_is_refused(body: dict[str, object], method: str) -> None:
    gateway = await a_run_that_is_out(cancel=method)
    gateway.system.plan(Purpose.CANCEL, *[json_answer(200, body)] * 3)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_REFUSED]
    assert gateway.row().phase is Phase.ACCEPTED


@pytest.mark.parametrize("body", [*NO_ERRORS, {"result": None}, {"result": {}}])
async def test_a_deletion_that_is_acknowledged_is_made(body: dict[str, object]) -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    gateway.system.plan(Purpose.CANCEL, json_answer(200, body))
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.CANCELLED


@pytest.mark.parametrize("body", ERRORS)
async def test_a_post_that_is_answered_with_an_error_is_in_doubt_and_not_accepted(body: dict[str, object]) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, json_answer(201, body))
    await gateway.process_request(a_document())
    assert UpdateKind.ACCEPTED not in gateway.updates()
    assert UpdateKind.IN_DOUBT in gateway.updates()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize("body", [*ERRORS, {"result": []}, {"result": None}])
async def test_a_run_that_is_gone_and_answered_with_an_error_under_200_is_lost(body: dict[str, object]) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[json_answer(200, body)] * 300)
    await gateway.process_callback(TEST, event_id="a", state=None)
    await gateway.advance(900, step=20)
    assert "LOST" in [reason.code for reason in gateway.row().reasons]
    assert gateway.row().phase is Phase.FAILED


async def test_a_run_that_is_answered_with_an_error_for_a_while_goes_on() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[json_answer(200, ERRORS[0])] * 4)
    await gateway.process_callback(TEST, event_id="a", state=None)
    await gateway.advance(900, step=20)
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.row().watch is None


@pytest.mark.parametrize("envelope", ["serviceTest", "result"])
async def test_a_run_in_an_envelope_is_read(envelope: str) -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(measures=("M1",)))
    shown = {"id": TEST, "state": "completed", "testMeasure": [{"id": "M1", "value": 7}]}
    gateway.system.plan(Purpose.READ, json_answer(200, {envelope: shown}))
    await gateway.process_callback(TEST, state="completed")
    assert (gateway.row().phase, [each.value for each in gateway.row().measures]) == (Phase.FULFILLED, [7])


async def test_a_post_that_is_answered_with_the_run_in_an_envelope_is_accepted() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, json_answer(201, {"result": [{"id": "5", "state": "acknowledged"}]}))
    await gateway.process_request(a_document())
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "5")


async def test_an_error_page_without_a_body_still_counts_by_its_status() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, HttpResponse(status=204))
    await change(gateway)
    assert gateway.updates()[-1] is UpdateKind.CHANGE_ACCEPTED
