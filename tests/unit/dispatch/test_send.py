"""A run is sent once and in order, and an unknown outcome is settled before a second POST."""

from __future__ import annotations

import pytest

from router.responses import HttpResponse, Purpose
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from tests.builders.runs import a_document, a_tree
from tests.fakes.external_system import LOCKED, REFUSED_CONNECTION, CallFault, json_answer
from tests.harness.gateway import InMemoryGateway


async def test_an_accepted_run_has_the_external_id_of_the_answer() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, "ext-TR0001")
    assert gateway.updates() == [UpdateKind.ACCEPTED]
    assert gateway.last_update().external_id == "ext-TR0001"
    assert not gateway.results()
    assert not gateway.dead_lettered


async def test_a_final_answer_is_a_result_at_once() -> None:
    gateway = InMemoryGateway()
    gateway.system.states["TR0001"] = "completed"
    gateway.system.measures["TR0001"] = [{"id": "TM1", "metricName": "speed", "value": {"value": 93.5}}]
    await gateway.process_request(a_document(measures=("TM1",)))
    (result,) = gateway.results()
    assert (result.state, result.result) == (RunState.COMPLETED, Result.PASS)
    assert [measure.id for measure in result.test_measure] == ["TM1"]
    assert [closing.state for closing in gateway.request_results()] == [RunState.COMPLETED]


async def test_a_202_without_an_id_is_looked_up_before_it_is_announced() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    await gateway.process_request(a_document())
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, None)
    assert [call.purpose for call in gateway.system.calls_made(*Purpose)] == [Purpose.SEND, Purpose.LOOK_UP]


async def test_a_run_without_an_id_takes_the_one_of_the_callback_that_names_it() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    await gateway.process_request(a_document())
    await gateway.process_callback("77", name="Line test TR0001", state="completed", testMeasure=[])
    assert gateway.row().external_id == "77"
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]


async def test_a_refusal_is_a_result_with_their_reasons_and_no_dead_letter() -> None:
    gateway = InMemoryGateway()
    gateway.system.refused.add("TR0001")
    await gateway.process_request(a_document())
    (result,) = gateway.results()
    assert (result.state, result.reasons[0].code) == (RunState.REJECTED, "referenceNotFound")
    assert gateway.dead_lettered == []


async def test_a_busy_system_gets_the_same_post_again_under_the_same_key() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=503), HttpResponse(status=429, headers={"retry-after": "7"}))
    await gateway.process_request(a_document())
    posts = gateway.system.calls_made(Purpose.SEND)
    assert len({post.idempotency_key for post in posts}) == 1
    assert len(posts) == 3
    assert gateway.retries[1].delay >= 7
    assert gateway.updates() == [UpdateKind.ACCEPTED]
    assert gateway.system.calls_made(Purpose.LOOK_UP) == []


@pytest.mark.parametrize(("fault", "posts"), [(CallFault.RESPONSE_LOST, 1), (CallFault.REQUEST_LOST, 2)])
async def test_after_an_unknown_outcome_a_look_up_decides(fault: CallFault, posts: int) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, fault)
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == posts
    assert gateway.row().external_id == "ext-TR0001"
    assert [*dict.fromkeys(gateway.updates())] == [UpdateKind.IN_DOUBT, UpdateKind.ACCEPTED]


async def test_a_look_up_that_fails_is_tried_again_and_never_ends_in_a_post() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    gateway.system.plan(Purpose.LOOK_UP, HttpResponse(status=503), HttpResponse(status=200, body=b"<html>"))
    await gateway.process_request(a_document())
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().phase is Phase.ACCEPTED


@pytest.mark.parametrize("answer", [json_answer(201, {"name": "Line test TR0001"}), HttpResponse(status=200)])
async def test_a_run_that_was_accepted_without_an_id_is_not_sent_again(answer: HttpResponse) -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, answer)
    await gateway.process_request(a_document())
    assert [call.purpose for call in gateway.system.calls_made(*Purpose)] == [Purpose.SEND, Purpose.LOOK_UP]
    assert (gateway.row().phase, gateway.row().external_id) == (Phase.ACCEPTED, None)


async def test_a_conflict_means_that_the_run_exists_and_its_id_is_adopted() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, CallFault.RESPONSE_LOST)
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, []))
    gateway.system.plan(Purpose.SEND, HttpResponse(status=409))
    await gateway.process_request(a_document())
    assert gateway.row().external_id == "ext-TR0001"


async def test_a_conflict_about_a_run_that_is_not_found_is_a_refusal() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, json_answer(409, {"code": "duplicateName", "reason": "another test has it"}))
    await gateway.process_request(a_document())
    assert [result.reasons[0].code for result in gateway.results()] == ["duplicateName"]


async def test_a_run_whose_retries_are_used_up_is_fallout() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.FALLOUT
    assert gateway.updates() == [UpdateKind.FALLOUT]
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT"]


async def test_an_outage_is_retried_until_it_ends() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[REFUSED_CONNECTION] * 30)
    await gateway.process_request(a_document())
    assert gateway.dead_lettered == []
    assert gateway.updates() == [UpdateKind.PROGRESS, UpdateKind.ACCEPTED]  # SYSTEM_DOWN, once


async def test_a_redrive_takes_a_run_out_of_fallout() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_document())
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.ACCEPTED
    assert gateway.updates()[-1] is UpdateKind.ACCEPTED


async def test_without_a_look_up_an_unknown_outcome_is_fallout_until_it_is_redriven() -> None:
    gateway = InMemoryGateway(profile={"look_up": "none"})
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    await gateway.process_request(a_document())
    assert gateway.dead_letter_codes() == ["IN_DOUBT"]
    record = gateway.dead_lettered[0][0]
    gateway.redeliver(record)
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    gateway.produce_bytes(record.partition.topic, record.value, (*record.headers, ("southbound-replay", b"redrive-1")))
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 2
    assert gateway.row().phase is Phase.ACCEPTED


async def test_an_external_id_of_another_run_leads_to_fallout() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    gateway.system.plan(Purpose.SEND, json_answer(201, {"id": "ext-TR0001", "state": "acknowledged"}))
    await gateway.process_request(a_document("TR0002"))
    assert gateway.dead_letter_codes() == ["EXTERNAL_ID_TAKEN"]
    assert gateway.row("TR0002").phase is Phase.FALLOUT
    assert gateway.updates("TR0002") == [UpdateKind.FALLOUT]


async def test_children_follow_their_parent_in_order_and_name_it() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(children=2))
    assert [name.split()[-1] for name in gateway.system.posted_names()] == ["TR0001", "TR0001-1", "TR0001-2"]
    assert all(b"ext-TR0001" in (call.body or b"") for call in gateway.system.calls_made(Purpose.SEND)[1:])


async def test_a_refused_parent_blocks_its_children() -> None:
    gateway = InMemoryGateway()
    gateway.system.refused.add("TR0001")
    await gateway.process_request(a_tree(children=2))
    assert len(gateway.system.posted_names()) == 1
    assert gateway.updates("TR0001-2") == [UpdateKind.BLOCKED]
    (closing,) = {(result.state, *sorted(result.counts.items())) for result in gateway.request_results()}
    assert closing == (RunState.FAILED, ("cancelled", 2), ("rejected", 1))


async def test_a_refused_child_does_not_undo_the_others() -> None:
    gateway = InMemoryGateway()
    gateway.system.refused.add("TR0001-1")
    await gateway.process_request(a_tree(children=2))
    assert [gateway.row(run_id).phase for run_id in ("TR0001", "TR0001-1", "TR0001-2")] == [
        Phase.ACCEPTED,
        Phase.FAILED,
        Phase.ACCEPTED,
    ]


async def test_a_child_of_a_parent_in_fallout_is_a_dead_letter_that_can_be_redriven_after_it() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_tree(children=1))
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT", "PARENT_IN_FALLOUT"]
    for record, _ in tuple(gateway.dead_lettered):
        gateway.redeliver(record)
    await gateway.run_until_idle()
    assert gateway.row("TR0001-1").phase is Phase.ACCEPTED


async def test_a_tree_whose_root_is_in_fallout_is_one_trouble_for_the_limit_of_dead_letters() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, *[LOCKED] * 4)
    await gateway.process_request(a_tree(children=20))
    assert len(gateway.dead_lettered) == 21
    assert [verdict.is_consequence for _, verdict in gateway.dead_lettered] == [False] + [True] * 20


async def test_a_child_waits_until_the_id_of_its_parent_is_known() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, []), json_answer(200, []))
    gateway.system.plan(Purpose.LOOK_UP, json_answer(200, [{"id": "9", "name": "Line test TR0001"}]))
    await gateway.process_request(a_tree(children=1))
    assert [later.problem.code for later in gateway.retries] == ["EXTERNAL_ID_PENDING"]
    assert b'"id":"9"' in (gateway.system.calls_made(Purpose.SEND)[1].body or b"")


async def test_a_run_that_is_cancelled_before_it_is_sent_never_is() -> None:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.lifecycle, _requested(), "r")
    gateway.produce(gateway.names.lifecycle, _cancelled(), "c")
    await gateway.run_until_idle()
    assert gateway.system.calls == []
    assert [result.reasons[0].code for result in gateway.results()][:1] == ["CANCELLED_BEFORE_SENDING"]


async def test_an_unknown_outcome_of_a_cancelled_run_is_looked_up_and_not_posted_again() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, CallFault.REQUEST_LOST)
    gateway.produce(gateway.names.lifecycle, _requested(), "r")
    topic = gateway.names.dispatch("fibre-lab")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.attempt_next(topic)
    gateway.produce(gateway.names.lifecycle, _cancelled(), "c")
    await gateway.run_until_idle()
    assert len(gateway.system.calls_made(Purpose.SEND)) == 1
    assert gateway.row().phase is Phase.CANCELLED


async def test_a_command_for_a_run_that_is_not_stored_is_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document())
    empty = InMemoryGateway()
    sent = next(m for m in gateway.publisher.published if m.topic == gateway.names.dispatch("fibre-lab"))
    empty.produce_bytes(sent.topic, sent.value, sent.headers)
    await empty.run_until_idle()
    assert empty.dead_letter_codes() == ["UNKNOWN_RUN"]


async def test_a_spoke_without_a_profile_is_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(spec="moon-line"))
    assert gateway.dead_letter_codes() == ["UNKNOWN_SPOKE"]
    assert "moon-lab" in gateway.dead_lettered[0][1].problem.sentence


async def test_a_worker_that_may_have_been_replaced_sends_nothing_and_leaves_the_run_unchanged() -> None:
    gateway = InMemoryGateway(profile={"look_up": "none"})
    answers = [False, True, False, True]
    gateway.may_send = lambda: answers.pop(0) if answers else True
    await gateway.process_request(a_document())
    assert [later.problem.code for later in gateway.retries] == ["MEMBERSHIP_UNCERTAIN", "MEMBERSHIP_UNCERTAIN"]
    assert gateway.row().phase is Phase.ACCEPTED
    assert len(gateway.system.calls) == 1


async def test_a_change_that_comes_before_the_post_goes_out_with_it() -> None:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.lifecycle, _requested(), "r")
    changed = RunChanged(run=a_document(version=2, description="slow since noon"))
    gateway.produce(gateway.names.lifecycle, changed, "c")
    await gateway.run_until_idle()
    (post,) = gateway.system.calls_made(Purpose.SEND, Purpose.CHANGE)
    assert b"slow since noon" in (post.body or b"")
    assert gateway.last_update().version == 2


def _requested() -> RunRequested:
    return RunRequested(run=a_document())


def _cancelled() -> RunCancelled:
    return RunCancelled(run_id="TR0001", root_run_id="TR0001")


async def test_an_error_means_what_the_profile_says_of_its_code_and_not_of_its_status() -> None:
    meanings = {"error_meanings": {"QUOTA": "busy", 60: "refused"}, "status_meanings": {400: "configuration"}}
    gateway = InMemoryGateway(profile=meanings)
    gateway.system.plan(Purpose.SEND, json_answer(400, {"code": "QUOTA", "reason": "come back later"}))
    await gateway.process_request(a_document())
    assert (gateway.row().phase, len(gateway.system.calls_made(Purpose.SEND))) == (Phase.ACCEPTED, 2)
    gateway.system.plan(Purpose.SEND, json_answer(503, {"code": "60", "reason": "no such line"}))
    await gateway.process_request(a_document("TR0002"))
    assert (gateway.row("TR0002").state, len(gateway.system.calls_made(Purpose.SEND))) == (RunState.REJECTED, 3)


async def test_a_code_in_a_success_means_nothing() -> None:
    gateway = InMemoryGateway(profile={"error_meanings": {"60": "refused"}, "success_codes_by_method": {"POST": [201]}})
    gateway.system.plan(Purpose.SEND, json_answer(201, {"id": "ext-1", "code": "60", "reason": "a note"}))
    await gateway.process_request(a_document())
    assert gateway.row().phase is Phase.ACCEPTED
