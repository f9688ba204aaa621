"""The effect of a cancellation on a run in each phase."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, Purpose
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import LOCKED, CallFault, body_of, json_answer
from tests.harness.gateway import InMemoryGateway


async def a_run_that_is_out(**profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document())
    return gateway


async def test_a_sent_run_is_cancelled_by_patch_and_ends_when_the_system_reports_it() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_cancellation("TR0001")
    (patch,) = gateway.system.calls_made(Purpose.CANCEL)
    assert body_of(patch) == {"state": "cancelled"}
    assert gateway.updates()[-1] is UpdateKind.CANCEL_ACCEPTED
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


async def test_a_delete_that_is_answered_without_a_body_ends_the_run() -> None:
    gateway = await a_run_that_is_out(cancel="delete")
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.CANCELLED
    assert UpdateKind.CANCEL_ACCEPTED in gateway.updates()


async def test_an_accepted_cancellation_without_an_end_state_leaves_the_run_open() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=202))
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.ACCEPTED
    await gateway.process_callback("ext-TR0001", state="cancelled")
    assert [result.state for result in gateway.results()] == [RunState.CANCELLED]


@pytest.mark.parametrize("status", [409, 422, 501])
async def test_a_refused_cancellation_is_reported_and_the_run_goes_on(status: int) -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, json_answer(status, {"code": "no", "reason": "because"}))
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED
    assert gateway.row().phase is Phase.ACCEPTED


@pytest.mark.parametrize(("method", "status"), [("patch", 405), ("patch", 501), ("delete", 405), ("task", 404)])
async def test_a_system_without_such_a_method_says_what_to_write_in_its_profile(method: str, status: int) -> None:
    gateway = await a_run_that_is_out(cancel=method, version="5.0" if method == "task" else "4.1")
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=status))
    await gateway.process_cancellation("TR0001")
    *_, reason = gateway.last_update().reasons
    assert (gateway.last_update().kind, reason.code) == (UpdateKind.CANCEL_REFUSED, "CANCEL_METHOD_UNSUPPORTED")
    *others, last = (other for other in ("patch", "delete", "post", "task") if other != method)
    assert f"fibre-lab answers {status} to a cancellation by {method}" in reason.message
    assert f"write {', '.join(others)} or {last} as `cancel` in its profile" in reason.message


async def test_a_cancellation_is_sent_again_to_a_busy_system() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, HttpResponse(status=503), CallFault.REQUEST_LOST)
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.CANCELLED


async def test_a_cancellation_that_never_gets_through_is_refused_and_a_dead_letter() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.CANCEL, *[LOCKED] * 4)
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT"]


async def test_the_end_of_a_run_may_arrive_before_the_answer_to_its_cancellation() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.on_call = lambda call: gateway.end_during_call(call, Purpose.CANCEL, "cancelled")
    await gateway.process_cancellation("TR0001")
    assert UpdateKind.CANCEL_ACCEPTED in gateway.updates()
    assert UpdateKind.CANCEL_REFUSED not in gateway.updates()


async def test_nothing_is_left_to_cancel_of_a_run_that_has_completed() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[])
    await gateway.process_cancellation("TR0001")
    assert gateway.last_update().kind is UpdateKind.CANCEL_REFUSED
    assert gateway.system.calls_made(Purpose.CANCEL) == []


async def test_cancelling_twice_is_not_refused() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_cancellation("TR0001")
    await gateway.process_cancellation("TR0001", event_id="again")
    assert UpdateKind.CANCEL_REFUSED not in gateway.updates()
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1


async def test_a_run_in_fallout_that_was_never_sent_is_cancelled_without_a_call() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_document())
    await gateway.process_cancellation("TR0001")
    assert gateway.row().phase is Phase.CANCELLED


async def test_a_run_of_unknown_outcome_is_not_reported_as_cancelled() -> None:
    gateway = InMemoryGateway(profile={"look_up": "none"})
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    await gateway.process_request(a_document())
    await gateway.process_cancellation("TR0001")
    assert gateway.dead_letter_codes() == ["IN_DOUBT", "RUN_IN_FALLOUT"]
    assert gateway.row().phase is Phase.FALLOUT


async def test_cancelling_a_root_cancels_its_children() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(children=2))
    await gateway.process_cancellation("TR0001")
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 3
    assert {(result.state, result.counts["cancelled"]) for result in gateway.request_results()} == {
        (RunState.FAILED, 3)
    }


async def test_cancelling_a_child_does_not_cancel_the_others() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(children=2))
    await gateway.process_cancellation("TR0001-1", root="TR0001")
    assert len(gateway.system.calls_made(Purpose.CANCEL)) == 1
    assert gateway.row("TR0001-2").phase is Phase.ACCEPTED


async def test_a_hierarchy_that_still_waits_for_children_is_cancelled_as_a_whole() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=("C1", "C2")))
    await gateway.process_request(a_document("C1", parent="TR0001"))
    await gateway.process_cancellation("TR0001")
    assert gateway.row("C1").phase is gateway.row().phase is Phase.CANCELLED
    assert [result.root_run_id for result in gateway.request_results()] == ["TR0001"]
    await gateway.process_request(a_document("C2", parent="TR0001"))
    assert gateway.row("C2").phase is Phase.CANCELLED
    assert gateway.system.calls == []


async def test_a_cancellation_of_an_unknown_run_is_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    await gateway.process_cancellation("TR0404")
    assert gateway.dead_letter_codes() == ["UNKNOWN_RUN"]
