"""A run whose system has accepted its cancellation is followed to its end, or is handed to a person."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import json_answer
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
LATER = HttpResponse(status=202)


async def a_run_that_is_being_cancelled(answer: HttpResponse = LATER, **profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.CANCEL, answer)
    await gateway.process_cancellation("TR0001")
    assert gateway.updates()[-1] is UpdateKind.CANCEL_ACCEPTED
    assert gateway.row().phase is Phase.ACCEPTED
    return gateway


@pytest.mark.parametrize("method", ["patch", "delete", "task"])
async def test_an_end_that_no_notification_reports_is_found(method: str) -> None:
    version = "5.0" if method == "task" else "4.1"
    gateway = await a_run_that_is_being_cancelled(cancel=method, version=version)
    gateway.system.tests[TEST]["state"] = "cancelled"
    await gateway.advance(12)
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]
    assert gateway.row().cancellation is None


async def test_a_test_that_its_system_has_removed_is_cancelled() -> None:
    gateway = await a_run_that_is_being_cancelled()
    gateway.system.tests.clear()
    await gateway.advance(12)
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


@pytest.mark.parametrize("state", ["acknowledged", "inProgress", "pending"])
async def test_a_cancellation_that_is_never_shown_is_refused_and_a_dead_letter(state: str) -> None:
    gateway = await a_run_that_is_being_cancelled(cancel_deadline=100)
    gateway.system.tests[TEST]["state"] = state
    await gateway.advance(99)
    assert gateway.dead_letter_codes() == []
    await gateway.advance(3)
    assert gateway.dead_letter_codes() == ["CANCEL_NOT_SHOWN"]
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED
    assert gateway.row().state == state
    reads = len(gateway.system.calls_made(Purpose.READ))
    await gateway.advance(1_000, step=10)
    assert len(gateway.system.calls_made(Purpose.READ)) == reads <= 6
    await gateway.process_callback(TEST, state="cancelled")
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


async def test_a_run_that_is_never_cancelled_ends_at_its_deadline() -> None:
    gateway = await a_run_that_is_being_cancelled(time_out=7_200)
    await gateway.advance(7_300, step=60)
    (result,) = gateway.results()
    assert (result.state, result.result) == (RunState.FAILED, "timedOut")


async def test_a_task_that_never_ends_is_for_a_person_too() -> None:
    task = {"id": "C1", "serviceTest": {"id": TEST}, "@type": "CancelServiceTest", "state": "inProgress"}
    gateway = await a_run_that_is_being_cancelled(json_answer(201, task), version="5.0", cancel_deadline=100)

    gateway.system.plan(Purpose.READ, *[json_answer(200, task)] * 20)
    await gateway.advance(102)
    assert gateway.dead_letter_codes() == ["CANCEL_NOT_SHOWN"]


async def test_a_system_that_is_down_uses_up_no_time() -> None:
    gateway = await a_run_that_is_being_cancelled(cancel_deadline=100)
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=503)] * 40)
    await gateway.advance(200)
    assert gateway.dead_letter_codes() == []
    gateway.system.forget_plans()
    gateway.system.tests[TEST]["state"] = "cancelled"
    await gateway.advance(300)
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


async def test_a_word_for_the_end_that_no_spelling_knows_is_named() -> None:
    gateway = await a_run_that_is_being_cancelled()
    gateway.system.tests[TEST]["state"] = "annulled"
    await gateway.advance(12)
    (reason,) = gateway.row().reasons
    assert (reason.code, "annulled" in reason.message) == ("UNKNOWN_STATE", True)


async def test_the_redriven_dead_letter_asks_again() -> None:
    gateway = await a_run_that_is_being_cancelled(cancel_deadline=100)
    await gateway.advance(102)
    ((record, _),) = gateway.dead_lettered
    gateway.system.tests[TEST]["state"] = "cancelled"
    gateway.produce_bytes(gateway.names.inbound, record.value, record.headers, key=record.key)
    await gateway.run_until_idle()
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


async def test_a_system_that_answers_at_once_is_not_asked() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.CANCELLED
    await gateway.advance(100)
    assert gateway.system.calls_made(Purpose.READ) == []


async def test_the_end_of_a_test_that_a_change_replaces_is_found_after_its_deadline_too() -> None:
    profile = {"patchable": [], "reposted": ["description"], "change_deadline": 5}
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.CANCEL, LATER)
    await gateway.process_change(a_document(version=2, description="another"))
    assert [reason.code for reason in gateway.last_update().reasons] == ["CANCEL_AWAITED"]
    gateway.system.tests[TEST]["state"] = "cancelled"
    await gateway.advance(15)
    assert gateway.updates()[-1] is UpdateKind.CHANGE_ACCEPTED
    assert len(gateway.system.posted_names()) == 2
