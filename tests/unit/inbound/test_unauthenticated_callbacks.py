"""A callback that anyone may send reports on a run, but never chooses the external id of one."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, Purpose
from schemas.vocabulary import RunState
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import json_answer
from tests.harness.gateway import InMemoryGateway

ANYONE = {"callback_auth": {"kind": "none"}}
RUN_NAME = "Line test TR0001"


async def a_run_without_an_id() -> InMemoryGateway:
    gateway = InMemoryGateway(profile=ANYONE)
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    await gateway.process_request(a_document())
    return gateway


async def test_an_anonymous_callback_that_names_a_run_does_not_choose_its_external_id() -> None:
    gateway = await a_run_without_an_id()
    await gateway.process_callback("evil", name=RUN_NAME, state="completed", testMeasure=[])
    assert gateway.row().external_id is None
    assert gateway.results() == []
    assert gateway.dead_letter_codes() == ["REPORT_WITHOUT_RUN"]
    assert "callback_auth" in gateway.dead_lettered[0][1].problem.sentence


async def test_an_anonymous_callback_without_any_id_does_not_end_a_run_whose_id_is_unknown() -> None:
    gateway = await a_run_without_an_id()
    await gateway.process_callback(None, name=RUN_NAME, state="failed")
    assert gateway.results() == []
    assert gateway.row().state is RunState.ACKNOWLEDGED


async def test_an_anonymous_callback_is_believed_when_the_system_confirms_its_id() -> None:
    gateway = await a_run_without_an_id()
    stored = {"id": "77", "name": RUN_NAME, "state": "inProgress"}
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [stored]))
    await gateway.process_callback("77", name=RUN_NAME, state="completed", testMeasure=[])
    assert gateway.row().external_id == "77"
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]


@pytest.mark.parametrize("answers_without", [0, 3])
async def test_an_anonymous_callback_without_any_id_waits_until_the_system_names_the_id(answers_without: int) -> None:
    gateway = await a_run_without_an_id()
    stored = {"id": "77", "name": RUN_NAME, "state": "inProgress"}
    gateway.system.plan(Purpose.LOOK_UP, *[json_answer(200, [])] * answers_without, json_answer(200, [stored]))
    await gateway.process_callback(None, name=RUN_NAME, state="completed", testMeasure=[])
    assert gateway.row().external_id == "77"
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]
    assert gateway.dead_letter_codes() == []


async def test_an_anonymous_callback_that_waits_is_not_looked_up_at_every_attempt() -> None:
    gateway = await a_run_without_an_id()
    before = len(gateway.system.calls_made(Purpose.LOOK_UP))
    await gateway.process_callback("evil", name=RUN_NAME, state="completed", testMeasure=[])
    assert len(gateway.retries) >= 9
    assert len(gateway.system.calls_made(Purpose.LOOK_UP)) - before <= 8


async def test_a_run_that_is_embedded_in_an_anonymous_callback_gets_no_external_id_from_it() -> None:
    gateway = InMemoryGateway(profile=ANYONE)
    gateway.system.nests_children = False
    await gateway.process_request(a_tree(spec="fibre-bundle", children=2))
    inside = [{"id": "evil", "name": "Line test TR0001-1", "state": "completed"}]
    await gateway.process_callback("ext-TR0001", state="inProgress", testMeasure=[], childServiceTest=inside)
    assert gateway.row("TR0001-1").external_id != "evil"
