"""What a change of a sent run does, and what it leaves as it was."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunChanged
from schemas.run_document import Characteristic
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import LOCKED, REFUSED_CONNECTION, body_of, json_answer
from tests.harness.gateway import InMemoryGateway

PATCHABLE = {"patchable": ["description", "characteristic"]}
FAST = (Characteristic(name="speed", value=1000),)


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=PATCHABLE | profile)
    await gateway.process_request(a_document(description="slow"))
    return gateway


async def test_differing_fields_are_patched_and_the_row_holds_what_was_sent() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="slow", characteristic=FAST))
    (patch,) = gateway.system.calls_made(Purpose.CHANGE)
    assert list(body_of(patch)) == ["characteristic"]
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED]
    assert (gateway.last_update().version, gateway.row().accepted_version) == (2, 2)


async def test_a_change_of_fields_that_are_never_sent_makes_no_call() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="slow", priority=1))
    assert gateway.system.calls_made(Purpose.CHANGE) == []
    assert gateway.row().requested.version == 2


async def test_of_several_changes_that_wait_only_the_newest_is_sent() -> None:
    gateway = await a_run_that_is_out()
    for version in (2, 3, 4):
        changed = RunChanged(run=a_document(version=version, description=f"number {version}"))
        gateway.produce(gateway.names.lifecycle, changed, f"c{version}")
    await gateway.run_until_idle()
    (patch,) = gateway.system.calls_made(Purpose.CHANGE)
    assert body_of(patch) == {"description": "number 4"}
    assert gateway.last_update().version == 4


async def test_a_field_that_the_profile_does_not_allow_to_change_is_refused_without_a_call() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="slow", service="PI0099"))
    assert gateway.system.calls_made(Purpose.CHANGE) == []
    assert [reason.code for reason in gateway.last_update().reasons] == ["FIELD_NOT_CHANGEABLE"]
    assert gateway.row().phase is Phase.ACCEPTED


async def test_past_the_point_of_no_return_a_change_is_refused() -> None:
    gateway = await a_run_that_is_out(changeable_states=["acknowledged"])
    await gateway.process_callback("ext-TR0001", state="inProgress")
    await gateway.process_change(a_document(version=2, description="fast"))
    assert [reason.code for reason in gateway.last_update().reasons] == ["PAST_POINT_OF_NO_RETURN"]


@pytest.mark.parametrize("status", [400, 404, 405, 409, 422])
async def test_a_refused_change_is_reported_with_the_systems_reasons_and_the_run_goes_on(status: int) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, json_answer(status, {"code": "no", "reason": "because"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert [reason.code for reason in gateway.last_update().reasons] == ["no"]
    assert gateway.row().phase is Phase.ACCEPTED
    assert not gateway.dead_lettered


async def test_a_change_is_sent_again_to_a_busy_system_under_the_same_key() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, HttpResponse(status=503), REFUSED_CONNECTION)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert len({patch.idempotency_key for patch in gateway.system.calls_made(Purpose.CHANGE)}) == 1
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


async def test_a_change_that_never_gets_through_is_refused_and_a_dead_letter() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CHANGE, *[LOCKED] * 4)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT"]


@pytest.mark.parametrize("version", [1, 2])
async def test_a_version_that_is_not_higher_is_refused(version: int) -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="fast"))
    await gateway.process_change(a_document(version=version, description="late"), f"late {version}")
    assert [reason.code for reason in gateway.last_update().reasons] == ["VERSION_NOT_HIGHER"]
    assert gateway.row().requested.description == "fast"


async def test_a_run_cannot_move_to_another_root() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, root="TR0009"))
    assert [reason.code for reason in gateway.last_update().reasons] == ["PARENT_NOT_CHANGEABLE"]


async def test_a_run_that_has_ended_is_not_changed() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    gateway.system.states["TR0001"] = "completed"
    await gateway.process_request(a_document())
    await gateway.process_change(a_document(version=2, description="fast"))
    assert [reason.code for reason in gateway.last_update().reasons] == ["RUN_ENDED"]


async def test_a_change_waits_for_the_id_of_a_run_that_was_accepted_without_one() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, []))
    gateway.system.plan(
        Purpose.LOOK_UP, json_answer(200, [{"id": "9", "name": "Line test TR0001", "state": "pending"}])
    )
    gateway.system.tests["9"] = {"id": "9", "name": "Line test TR0001"}
    await gateway.process_change(a_document(version=2, description="fast"))
    assert [later.problem.code for later in gateway.retries] == ["EXTERNAL_ID_PENDING"]
    assert [patch.path for patch in gateway.system.calls_made(Purpose.CHANGE)] == ["/serviceTest/9"]
    assert gateway.row().state is RunState.PENDING


async def test_an_accepted_change_is_reported_although_the_end_of_the_run_arrives_before_it() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.on_call = lambda call: gateway.end_during_call(call, Purpose.CHANGE, "completed")
    await gateway.process_change(a_document(version=2, description="fast"))
    assert UpdateKind.CHANGE_ACCEPTED in gateway.updates()
    assert UpdateKind.CHANGE_REFUSED not in gateway.updates()


async def test_a_change_of_an_unknown_run_is_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    await gateway.process_change(a_document())
    assert gateway.dead_letter_codes() == ["UNKNOWN_RUN"]
    assert "TR0001" in gateway.dead_lettered[0][1].problem.sentence


async def test_a_change_while_the_post_is_in_fallout_goes_out_with_the_redrive() -> None:
    gateway = InMemoryGateway(profile=PATCHABLE)
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_document())
    await gateway.process_change(a_document(version=2, description="fast"))
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert gateway.system.calls_made(Purpose.CHANGE) == []
    assert gateway.system.tests["ext-TR0001"]["description"] == "fast"
