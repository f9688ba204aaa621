"""A change by another POST: the test is cancelled, and once it has ended the changed run is POSTed, never before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, Purpose
from router.runs.deadlines.deadline import DEFAULT_TIME_OUT
from schemas.lifecycle import RunCancelled, RunChanged
from schemas.results import RunUpdate
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Mode, Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import LOCKED, CallFault, FakeSystem, body_of, json_answer
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.spokes.port import Admit, BeforeCall, Call
    from router.responses import NoResponse

FIRST, SECOND = "ext-TR0001", "ext-TR0001-2"
REPOSTED = {"reposted": ["description", "relatedService", "testSpecification", "mode", "testMeasure", "name"]}
ACTIVE = {"acknowledged", "inProgress", "pending"}


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=REPOSTED | profile)
    await gateway.process_request(a_document(description="slow"))
    return gateway


def active_tests(gateway: InMemoryGateway) -> list[str]:
    return [name for name, test in gateway.system.tests.items() if test["state"] in ACTIVE]


def codes(gateway: InMemoryGateway) -> list[str]:
    return [reason.code for reason in gateway.last_update().reasons]


async def test_the_test_is_cancelled_first_and_the_changed_run_is_posted_under_another_key() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="fast"))
    calls = [call.purpose for call in gateway.system.calls_made(Purpose.SEND, Purpose.CANCEL, Purpose.CHANGE)]
    assert calls == [Purpose.SEND, Purpose.CANCEL, Purpose.SEND]
    first, second = gateway.system.calls_made(Purpose.SEND)
    assert body_of(second)["description"] == "fast"
    assert first.idempotency_key != second.idempotency_key
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS, UpdateKind.CHANGE_ACCEPTED]
    row = gateway.row()
    assert (row.external_id, row.accepted_version, row.phase) == (SECOND, 2, Phase.ACCEPTED)
    assert (row.replacement and row.replacement.ended) == (FIRST,)
    assert active_tests(gateway) == [SECOND]
    assert not gateway.results()


@pytest.mark.parametrize("method", ["patch", "delete"])
async def test_the_profile_says_how_the_test_is_cancelled(method: str) -> None:
    gateway = await a_run_that_is_out(cancel=method)
    await gateway.process_change(a_document(version=2, description="fast"))
    (cancel,) = gateway.system.calls_made(Purpose.CANCEL)
    assert cancel.method == method.upper()
    assert active_tests(gateway) == [SECOND]


async def test_another_service_specification_and_measures_reach_the_system() -> None:
    gateway = await a_run_that_is_out()
    measure = RequestedMeasure(id="TM1", metric_name="speed")
    changed = a_document(version=2, description="slow", service="PI0099", spec="copper-line")
    await gateway.process_change(changed.model_copy(update={"test_measure": (measure,)}))
    body = body_of(gateway.system.calls_made(Purpose.SEND)[-1])
    assert (body["relatedService"]["id"], body["testSpecification"]["id"]) == ("PI0099", "copper-line")
    assert [each["id"] for each in body["testMeasure"]] == ["TM1"]
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


async def test_a_target_that_the_profile_does_not_repost_is_refused_with_a_sentence() -> None:
    gateway = await a_run_that_is_out(reposted=["description"])
    await gateway.process_change(a_document(version=2, description="slow", service="PI0099"))
    (reason,) = gateway.last_update().reasons
    assert (reason.code, reason.property_path) == ("FIELD_NOT_CHANGEABLE", "/relatedService")
    assert reason.message == "The external system changes description of a run that it has, not relatedService."
    assert gateway.system.calls_made(Purpose.CANCEL) == []


async def test_a_patched_field_of_the_same_change_is_in_the_post() -> None:
    gateway = await a_run_that_is_out(reposted=["relatedService"], patchable=["description"])
    await gateway.process_change(a_document(version=2, description="fast", service="PI0099"))
    assert gateway.system.calls_made(Purpose.CHANGE) == []
    assert body_of(gateway.system.calls_made(Purpose.SEND)[-1])["description"] == "fast"
    await gateway.process_change(a_document(version=3, description="faster", service="PI0099"))
    assert [patch.path for patch in gateway.system.calls_made(Purpose.CHANGE)] == [f"/serviceTest/{SECOND}"]


async def test_what_is_refused_of_the_change_is_not_posted_and_is_named() -> None:
    gateway = await a_run_that_is_out(reposted=["description"])
    await gateway.process_change(a_document(version=2, description="fast", service="PI0099"))
    body = body_of(gateway.system.calls_made(Purpose.SEND)[-1])
    assert (body["description"], body["relatedService"]["id"]) == ("fast", "PI0001")
    assert gateway.updates()[-2:] == [UpdateKind.CHANGE_ACCEPTED, UpdateKind.CHANGE_REFUSED]
    assert [reason.property_path for reason in gateway.last_update().reasons] == ["/relatedService"]
    await gateway.process_change(a_document(version=3, description="faster", service="PI0099"))
    assert body_of(gateway.system.calls_made(Purpose.SEND)[-1])["description"] == "faster"


# The end of the test is not the end of the run


async def test_late_reports_about_the_replaced_test_do_not_end_the_run() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="fast"))
    for state in ("cancelled", "completed", "inProgress"):
        await gateway.process_callback(FIRST, state=state, testMeasure=[])
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, SECOND)
    assert not gateway.dead_lettered
    await gateway.process_callback(SECOND, state="completed", testMeasure=[])
    (result,) = gateway.results()
    assert (result.state, result.external_id) == (RunState.COMPLETED, SECOND)


async def test_a_report_by_name_about_the_replaced_test_is_not_taken_for_the_new_one() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    gateway.system.plan(Purpose.LOOK_UP, *[json_answer(200, [])] * 3)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.row().external_id is None
    await gateway.process_callback(FIRST, state="cancelled", name="Line test TR0001")
    assert gateway.row().phase is Phase.ACCEPTED
    await gateway.process_callback("E9", state="inProgress", name="Line test TR0001")
    assert (gateway.row().external_id, gateway.row().phase) == ("E9", Phase.IN_PROGRESS)


@pytest.mark.parametrize("answer", [HttpResponse(status=202), HttpResponse(status=204)])
async def test_a_cancellation_without_a_shown_end_is_followed_before_the_post(answer: HttpResponse) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, answer)
    gateway.system.plan(Purpose.READ, *[json_answer(200, {"id": FIRST, "state": "inProgress"})] * 2)
    gateway.system.plan(Purpose.READ, json_answer(200, {"id": FIRST, "state": "cancelled"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    purposes = [call.purpose for call in gateway.system.calls_made(Purpose.SEND, Purpose.READ)]
    assert purposes == [Purpose.SEND, *[Purpose.READ] * 3, Purpose.SEND]
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED
    assert gateway.row().external_id == SECOND


async def test_the_end_that_a_callback_reports_leads_to_the_post() -> None:
    gateway = await a_run_that_is_out(change_deadline=1)
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert (gateway.last_update().kind, codes(gateway)) == (UpdateKind.PROGRESS, ["CANCEL_AWAITED"])
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    gateway.system.tests[FIRST]["state"] = "cancelled"
    await gateway.process_callback(FIRST, state="cancelled")
    assert (gateway.last_update().kind, gateway.row().external_id) == (UpdateKind.CHANGE_ACCEPTED, SECOND)
    assert active_tests(gateway) == [SECOND]


async def test_a_callback_during_the_cancellation_leads_to_one_post() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.on_call = lambda call: gateway.end_during_call(call, Purpose.CANCEL, "cancelled")
    await gateway.process_change(a_document(version=2, description="fast"))
    assert len(gateway.system.calls_made(Purpose.SEND)) == 2
    assert (gateway.row().external_id, gateway.last_update().kind) == (SECOND, UpdateKind.CHANGE_ACCEPTED)


async def test_a_test_that_is_gone_has_ended() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[FIRST]["state"] = "completed"
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=404))
    gateway.system.plan(Purpose.READ, HttpResponse(status=404))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED
    assert active_tests(gateway) == [SECOND]


@pytest.mark.parametrize("method", ["delete", "patch"])
async def test_fault_a_wrong_address_of_the_cancellation_leads_to_a_second_active_test(method: str) -> None:
    gateway = await a_run_that_is_out(cancel=method, paths={"cancel": "/serviceTest/{id}/cancle"})
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=404))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert active_tests(gateway) == [FIRST]
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert "CANCEL_METHOD_UNSUPPORTED" in codes(gateway)
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, FIRST)


async def test_a_cancellation_that_was_lost_is_repeated_before_the_post() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, CallFault.REQUEST_LOST)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 2
    assert active_tests(gateway) == [SECOND]


async def test_fault_a_change_was_refused_while_its_system_was_cancelling_the_test() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[FIRST]["state"] = "cancelling"
    being_cancelled = json_answer(200, {"id": FIRST, "state": "cancelling"})
    gateway.system.plan(Purpose.CANCEL, being_cancelled)
    gateway.system.plan(Purpose.READ, *[being_cancelled] * 5, json_answer(200, {"id": FIRST, "state": "cancelled"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS, UpdateKind.CHANGE_ACCEPTED]
    assert gateway.row().external_id == SECOND


async def test_a_run_that_completes_before_its_cancellation_ends_and_the_change_is_refused() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, json_answer(200, {"id": FIRST, "state": "completed"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]
    assert (gateway.last_update().kind, codes(gateway)) == (UpdateKind.CHANGE_REFUSED, ["RUN_ENDED"])
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_refused_cancellation_refuses_the_change_and_the_run_goes_on(status: int) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, json_answer(status, {"code": "tooLate", "reason": "it runs"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert [(each.code, each.property_path) for each in gateway.last_update().reasons] == [
        ("tooLate", None),
        ("TEST_NOT_CANCELLED", "/description"),
    ]
    assert (gateway.row().replacement, gateway.row().phase) == (None, Phase.ACCEPTED)
    await gateway.process_callback(FIRST, state="cancelled")  # by somebody else: that ends the run
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


async def test_a_cancellation_that_was_refused_and_made_leads_to_the_post() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[FIRST]["state"] = "cancelled"
    gateway.system.plan(Purpose.CANCEL, json_answer(409, {"code": "state", "reason": "cancelled already"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


async def test_a_cancellation_that_the_system_ignores_is_no_acceptance_of_the_change() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, *[json_answer(200, {"id": FIRST, "state": "inProgress"})] * 3)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert codes(gateway) == ["CANCEL_NOT_SHOWN", "TEST_NOT_CANCELLED"]
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_cancellation_that_never_gets_through_refuses_the_change() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, *[LOCKED] * 4)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT"]
    assert active_tests(gateway) == [FIRST]


async def test_a_run_that_times_out_before_its_test_has_ended_is_not_posted_again() -> None:
    gateway = await a_run_that_is_out(change_deadline=1)
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_change(a_document(version=2, description="fast"))
    await gateway.advance(DEFAULT_TIME_OUT + 60, step=DEFAULT_TIME_OUT / 4)
    assert gateway.row().phase is Phase.FAILED
    await gateway.process_callback(FIRST, state="cancelled")
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


# The POST


async def test_a_lost_answer_to_the_post_is_looked_up_without_taking_the_old_test_for_the_new_one() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_change(a_document(version=2, description="fast"))
    assert len(gateway.system.calls_made(Purpose.SEND)) == 2
    assert (gateway.row().external_id, gateway.row().accepted_version) == (SECOND, 2)
    assert gateway.last_update().kind is UpdateKind.CHANGE_ACCEPTED


async def test_a_lost_post_is_repeated_under_the_same_key_once_it_is_settled() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_change(a_document(version=2, description="fast"))
    _, second, third = gateway.system.calls_made(Purpose.SEND)
    assert (second.idempotency_key, second.body) == (third.idempotency_key, third.body)
    assert active_tests(gateway) == [SECOND]


async def test_a_change_back_has_another_key_than_the_first_post() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_change(a_document(version=2, description="fast"))
    await gateway.process_change(a_document(version=3, description="slow"))
    first, _, third = gateway.system.calls_made(Purpose.SEND)
    assert (first.body == third.body, first.idempotency_key == third.idempotency_key) == (True, False)
    assert active_tests(gateway) == ["ext-TR0001-3"]
    assert gateway.last_update().version == 3


async def test_a_system_that_answers_with_the_old_test_makes_a_dead_letter() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.SEND, json_answer(201, {"id": FIRST, "state": "cancelled"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.dead_letter_codes() == ["TEST_REPEATED"]
    assert (gateway.row().phase, gateway.last_update().kind) == (Phase.FALLOUT, UpdateKind.FALLOUT)


async def test_a_refused_post_ends_the_run_because_its_test_is_cancelled() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.refused.add("TR0001")
    await gateway.process_change(a_document(version=2, description="fast"))
    (result,) = gateway.results()
    assert result.state is RunState.REJECTED
    assert [reason.code for reason in result.reasons] == ["referenceNotFound"]


async def test_a_post_whose_answer_shows_the_old_content_is_no_acceptance_of_the_change() -> None:
    gateway = await a_run_that_is_out()
    shown = {"id": SECOND, "state": "acknowledged", "description": "slow", "mode": "PROACTIVE"}
    gateway.system.plan(Purpose.SEND, json_answer(201, shown))
    changed = a_document(version=2, description="fast", mode=Mode.PROACTIVE)
    await gateway.process_change(changed)
    assert gateway.updates()[-2:] == [UpdateKind.CHANGE_ACCEPTED, UpdateKind.CHANGE_REFUSED]
    assert [(each.code, each.property_path) for each in gateway.last_update().reasons] == [
        ("CHANGE_NOT_SHOWN", "/description")
    ]
    assert gateway.row().sent == changed.model_copy(update={"description": "slow"})


async def test_a_post_whose_answer_shows_nothing_of_the_change_is_told_as_refused_only() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.SEND, json_answer(201, {"id": SECOND, "description": "slow"}))
    await gateway.process_change(a_document(version=2, description="fast"))
    assert UpdateKind.CHANGE_ACCEPTED not in gateway.updates()
    assert gateway.updates()[-2:] == [UpdateKind.ACCEPTED, UpdateKind.CHANGE_REFUSED]
    assert (gateway.row().external_id, gateway.row().accepted_version) == (SECOND, 1)


# More changes, and cancellations


async def test_of_several_changes_one_post_carries_the_newest() -> None:
    gateway = await a_run_that_is_out()
    for version in (2, 3, 4):
        changed = RunChanged(run=a_document(version=version, description=f"number {version}"))
        gateway.produce(gateway.names.lifecycle, changed, f"c{version}")
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1
    assert body_of(gateway.system.calls_made(Purpose.SEND)[-1])["description"] == "number 4"
    assert (gateway.last_update().kind, gateway.last_update().version) == (UpdateKind.CHANGE_ACCEPTED, 4)


async def test_a_cancellation_that_waits_behind_the_change_ends_the_run_without_another_post() -> None:
    gateway = await a_run_that_is_out()
    gateway.produce(gateway.names.lifecycle, RunChanged(run=a_document(version=2, description="fast")), "c")
    gateway.produce(gateway.names.lifecycle, RunCancelled(run_id="TR0001", root_run_id="TR0001"), "x")
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]
    assert active_tests(gateway) == []


async def test_a_cancellation_while_the_end_is_awaited_ends_the_run() -> None:
    gateway = await a_run_that_is_out(change_deadline=1)
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_change(a_document(version=2, description="fast"))
    await gateway.process_cancellation("TR0001")
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1


async def test_a_run_with_children_is_not_posted_again() -> None:
    gateway = InMemoryGateway(profile=REPOSTED)
    await gateway.process_request(a_tree())
    await gateway.process_change(a_tree(version=2, description="fast"))
    assert gateway.last_update().kind is UpdateKind.CHANGE_REFUSED
    (reason,) = gateway.last_update().reasons
    assert (reason.code, reason.property_path) == ("REPOST_NOT_POSSIBLE", "/description")
    assert gateway.system.calls_made(Purpose.CANCEL) == []


async def test_a_child_is_posted_again_below_its_parent() -> None:
    gateway = InMemoryGateway(profile=REPOSTED)
    tree = a_tree()
    await gateway.process_request(tree)
    children = [tree.children[0].model_copy(update={"description": "fast", "version": 2}), *tree.children[1:]]
    await gateway.process_change(tree.model_copy(update={"version": 2, "children": tuple(children)}))
    last = body_of(gateway.system.calls_made(Purpose.SEND)[-1])
    assert last["serviceTestRelationship"][0]["id"] == FIRST
    assert gateway.row("TR0001-1").external_id == "ext-TR0001-1-2"


async def test_the_time_of_the_run_begins_again_with_the_new_test() -> None:
    gateway = await a_run_that_is_out()
    gateway.clock.at += timedelta(hours=20)
    await gateway.process_change(a_document(version=2, description="fast"))
    deadline = gateway.row().deadline
    assert deadline is not None
    assert deadline.expires > gateway.clock.at + timedelta(seconds=DEFAULT_TIME_OUT - 60)


async def test_measures_of_the_replaced_test_are_not_those_of_the_run() -> None:
    gateway = await a_run_that_is_out()
    measure = {"metricName": "speed", "value": {"value": 3}}
    await gateway.process_callback(FIRST, state="inProgress", testMeasure=[measure])
    assert gateway.row().measures
    await gateway.process_change(a_document(version=2, description="fast"))
    assert gateway.row().measures == ()


@dataclass(slots=True)
class ChangedInDoubt(FakeSystem):
    """A system that loses a POST; while the run is looked up, another change of it is requested."""

    gateway: InMemoryGateway | None = None

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        """Answer one call."""
        if call.purpose is Purpose.LOOK_UP and self.gateway is not None:
            gateway, self.gateway = self.gateway, None
            newer = RunChanged(run=a_document(version=3, description="fastest"))
            gateway.produce(gateway.names.lifecycle, newer, "change 3")
            await gateway.process_next(gateway.names.lifecycle)
        return await FakeSystem.call(self, spoke, call, before, admit)


async def test_a_post_that_is_repeated_with_its_bytes_is_compared_with_what_it_sends() -> None:
    system = ChangedInDoubt()
    gateway = InMemoryGateway(profile=REPOSTED, system=system)
    await gateway.process_request(a_document(description="slow"))
    system.gateway = gateway
    system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_change(a_document(version=2, description="fast"))
    told = [
        (update.kind, update.version)
        for each in gateway.published_events()
        if isinstance(update := each.data, RunUpdate)
    ]
    assert UpdateKind.CHANGE_REFUSED not in [kind for kind, _ in told]
    assert (UpdateKind.CHANGE_ACCEPTED, 2) in told
    assert (UpdateKind.CHANGE_ACCEPTED, 3) in told
    assert [body_of(call)["description"] for call in system.calls_made(Purpose.SEND)] == [
        "slow",
        "fast",
        "fast",
        "fastest",
    ]
    (active,) = active_tests(gateway)
    assert system.tests[active]["description"] == "fastest"
