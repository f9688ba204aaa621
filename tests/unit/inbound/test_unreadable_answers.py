"""A run ends as its system says, although the answer to the GET after the event is odd, or is never readable."""

from __future__ import annotations

import pytest

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.replies import require_run
from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, Result, RunState
from tests.builders.runs import NOON, a_document, a_run
from tests.fakes.external_system import json_answer
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway
from tests.unit.inbound.test_poller import a_poller, poll_once

TEST = "ext-TR0001"
SPEED = {"id": "TM1", "metricName": "metric TM1", "value": {"value": 93.5}}
COMPLETED = {"id": TEST, "state": "completed", "testMeasure": [SPEED]}
UNREADABLE = [
    HttpResponse(status=200, headers={"content-type": "text/html"}, body=b"<html>maintenance</html>"),
    json_answer(200, "completed"),
    json_answer(200, [1, 2]),
    json_answer(200, {"code": "60", "reason": "No record found"}),
    HttpResponse(status=200, body=b'{"id": '),
]


async def a_run_that_is_out() -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(measures=("TM1",)))
    return gateway


async def test_fault_a_list_of_one_run_after_a_thin_event_is_that_run() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, json_answer(200, [COMPLETED]))
    await gateway.process_callback(TEST, state="completed")
    (result,) = gateway.results()
    assert (result.result, [one.value for one in result.test_measure]) == (Result.PASS, [93.5])
    assert not gateway.dead_lettered


async def test_fault_a_list_of_one_run_that_the_poller_reads_is_that_run() -> None:
    row = a_run(phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED, document=a_document(measures=("TM1",)))
    gateway = InMemoryGateway(store=InMemoryRunStore(row))
    gateway.system.plan(Purpose.READ, json_answer(200, [COMPLETED]))
    gateway.clock.at = NOON.replace(hour=NOON.hour + 1)
    assert await poll_once(gateway, a_poller(gateway)) == 1
    assert [result.result for result in gateway.results()] == [Result.PASS]


async def test_fault_a_list_of_one_run_after_a_post_is_that_run() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, json_answer(201, [{"id": "77", "state": "acknowledged"}]))
    await gateway.process_request(a_document())
    assert gateway.row().external_id == "77"
    assert not gateway.dead_lettered


@pytest.mark.parametrize("answer", UNREADABLE)
@pytest.mark.parametrize(("state", "result"), [("completed", Result.INCONCLUSIVE), ("failed", None)])
async def test_fault_the_end_that_an_event_reports_counts_although_no_answer_is_readable(
    answer: HttpResponse, state: str, result: Result | None
) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[answer] * 60)
    await gateway.process_callback(TEST, state=state)
    await gateway.advance(32)
    (told,) = gateway.results()
    assert (told.state, told.result) == (state, result)
    assert "ANSWER_UNREADABLE" in {reason.code for reason in told.reasons}
    assert not gateway.dead_lettered


async def test_measures_that_become_readable_within_the_grace_are_part_of_the_result() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[UNREADABLE[0]] * 4)
    gateway.system.tests[TEST] |= COMPLETED
    await gateway.process_callback(TEST, state="completed")
    await gateway.advance(32)
    assert [result.result for result in gateway.results()] == [Result.PASS]


@pytest.mark.parametrize("state", ["inProgress", None])
async def test_an_event_without_an_end_still_becomes_a_dead_letter(state: str | None) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[UNREADABLE[0]] * 60)
    callback = gateway.a_callback(TEST, **({"state": state} if state else {}))
    deleted = callback.model_copy(update={"body": callback.body.replace(b"StateChange", b"Delete")})
    gateway.produce(gateway.names.inbound, deleted, "deleted")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["REPORT_UNREADABLE"]


@pytest.mark.parametrize("body", [[], [None], [{}], [1], [[COMPLETED]], [COMPLETED, COMPLETED]])
def test_a_list_that_is_not_one_run_is_none(body: list[object]) -> None:
    with pytest.raises(NotUnderstoodError, match="a list instead of an object"):
        require_run(body)
