"""No run waits without a bound: each wait backs off, is told, and ends where a person can act."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import REFUSED_CONNECTION, json_answer
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
NOTHING_FOUND = json_answer(200, [])


async def a_run_without_id(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    await gateway.process_request(a_document())
    return gateway


async def test_the_id_of_a_202_is_looked_up_until_it_is_known() -> None:
    gateway = await a_run_without_id()
    await gateway.advance(200)
    gateway.system.tests["9"] = {"id": "9", "name": "Line test TR0001", "state": "completed"}
    await gateway.advance(200)
    assert (gateway.row().external_id, gateway.row().watch) == ("9", None)
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]


@pytest.mark.parametrize("look_up", ["name", "none"])
async def test_a_run_whose_id_never_becomes_known_is_in_fallout_with_a_dead_letter(look_up: str) -> None:
    gateway = await a_run_without_id(look_up=look_up)
    await gateway.advance(590, step=5)
    assert gateway.row().phase is Phase.ACCEPTED
    await gateway.advance(30, step=5)
    assert gateway.row().phase is Phase.FALLOUT
    assert gateway.last_update().kind is UpdateKind.FALLOUT
    assert [reason.code for reason in gateway.last_update().reasons] == ["EXTERNAL_ID_MISSING"]
    assert gateway.dead_letter_codes() == ["EXTERNAL_ID_MISSING"]
    assert len(gateway.system.calls_made(Purpose.LOOK_UP)) < 20
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_system_that_is_down_does_not_use_up_the_time_for_the_id() -> None:
    gateway = await a_run_without_id()
    gateway.system.plan(Purpose.LOOK_UP, *[REFUSED_CONNECTION] * 500)
    await gateway.advance(3600, step=10)
    assert gateway.row().phase is Phase.ACCEPTED


async def test_the_redriven_dead_letter_adopts_the_run_once_it_is_found() -> None:
    gateway = await a_run_without_id()
    await gateway.advance(620, step=5)
    gateway.system.tests["9"] = {"id": "9", "name": "Line test TR0001", "state": "inProgress"}
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert (gateway.row().external_id, gateway.row().phase) == ("9", Phase.IN_PROGRESS)


async def test_a_redriven_dead_letter_that_finds_nothing_is_a_dead_letter_again() -> None:
    gateway = await a_run_without_id()
    await gateway.advance(620, step=5)
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["EXTERNAL_ID_MISSING"] * 2
    assert gateway.row().phase is Phase.FALLOUT


async def test_a_callback_that_names_a_run_in_fallout_takes_it_back() -> None:
    gateway = await a_run_without_id()
    await gateway.advance(620, step=5)
    await gateway.process_callback("9", name="Line test TR0001", state="completed", testMeasure=[])
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]
    assert gateway.row().external_id == "9"


async def test_a_run_that_comes_back_from_fallout_without_an_id_is_looked_up_again_and_ends() -> None:
    gateway = await a_run_without_id()
    await gateway.advance(620, step=5)
    await gateway.process_callback(None, name="Line test TR0001", state="inProgress")
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.IN_PROGRESS, None)
    await gateway.advance(620, step=5)
    assert gateway.row().phase is Phase.FALLOUT
    assert gateway.dead_letter_codes() == ["EXTERNAL_ID_MISSING"] * 2


async def test_the_send_command_read_again_never_posts_such_a_run_again() -> None:
    gateway = await a_run_without_id(settle_time=1)
    command = next(each for each in gateway.finished if each.partition.topic == gateway.names.dispatch("fibre-lab"))
    await gateway.advance(620, step=5)
    gateway.redeliver(command)
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize("event", ["change", "cancel"])
async def test_a_follow_up_of_a_run_in_fallout_without_id_is_answered(event: str) -> None:
    gateway = await a_run_without_id(patchable=["description"])
    await gateway.advance(620, step=5)
    if event == "change":
        await gateway.process_change(a_document(version=2, description="fast"))
    else:
        await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind in {UpdateKind.CHANGE_REFUSED, UpdateKind.CANCEL_REFUSED}
    assert gateway.dead_letter_codes() == ["EXTERNAL_ID_MISSING"] * 2


async def test_children_of_a_bundle_that_the_system_never_confirmed_are_looked_up_and_then_in_fallout() -> None:
    gateway = InMemoryGateway()
    gateway.system.nests_children = False
    await gateway.process_request(a_tree(children=2, spec="fibre-bundle"))
    assert gateway.row("TR0001-1").external_id is None
    del gateway.system.tests["ext-TR0001-2"]
    await gateway.advance(620, step=5)
    assert gateway.row("TR0001-1").external_id == "ext-TR0001-1"
    assert gateway.row("TR0001-2").phase is Phase.FALLOUT
    assert gateway.dead_letter_codes() == ["EXTERNAL_ID_MISSING"]


async def test_a_state_that_no_spelling_knows_is_told_once_and_counted() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    for number in range(3):
        await gateway.process_callback(TEST, f"E{number}", state="finished", testMeasure=[])
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS]
    (reason,) = gateway.last_update().reasons
    assert reason.code == "UNKNOWN_STATE"
    assert "'finished'" in reason.message
    assert "state_spellings" in reason.message
    assert gateway.unknown_states == ["fibre-lab"] * 3


async def test_a_run_in_an_unknown_state_is_read_again_with_growing_pauses_and_then_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    gateway.system.tests[TEST]["state"] = "finished"
    await gateway.process_callback(TEST, state="finished", testMeasure=[])
    await gateway.advance(50_000, step=300)
    assert gateway.dead_letter_codes() == ["UNKNOWN_STATE"]
    assert len(gateway.system.calls_made(Purpose.READ)) < 40
    assert (gateway.row().phase, gateway.row().watch) == (Phase.ACCEPTED, None)


async def test_the_dead_letter_of_an_unknown_state_is_redriven_once_the_profile_knows_it() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    gateway.system.tests[TEST]["state"] = "finished"
    await gateway.process_callback(TEST, state="finished", testMeasure=[])
    await gateway.advance(50_000, step=300)
    gateway.profile = {"state_spellings": {"finished": "completed"}}
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]


async def test_the_number_of_unknown_states_that_one_run_reports_is_bounded() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    for number in range(30):
        await gateway.process_callback(TEST, f"E{number}", state="x" * number * 100 + f"{number}", testMeasure=[])
    assert len(gateway.row().reasons) <= 5
    assert max(len(reason.message) for reason in gateway.row().reasons) < 400
