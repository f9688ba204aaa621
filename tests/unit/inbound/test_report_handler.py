"""A report of an external system reaches the run that it is about, once, in the terms of the published events."""

from __future__ import annotations

from datetime import timedelta

import orjson

from consumers.runtime.handler import RetryLater
from router.responses import HttpResponse, Purpose
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Channel, MeasureIdOrigin, Phase, Result, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import LOCKED, json_answer
from tests.harness.gateway import InMemoryGateway

SPEED = {"metricName": "metric TM1", "value": {"value": 93.5}}


async def a_run_that_is_out(*measures: str, **profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document(measures=measures))
    return gateway


async def test_progress_is_an_update_and_the_end_is_a_result() -> None:
    gateway = await a_run_that_is_out("TM1")
    await gateway.process_callback("ext-TR0001", state="inProgress")
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[{"id": "TM1", **SPEED}])
    assert gateway.updates() == [UpdateKind.ACCEPTED, UpdateKind.PROGRESS]
    (result,) = gateway.results()
    assert (result.state, result.result) == (RunState.COMPLETED, Result.PASS)
    assert [closing.state for closing in gateway.request_results()] == [RunState.COMPLETED]


async def test_a_repeated_report_publishes_nothing_new() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback("ext-TR0001", "E1", state="inProgress")
    ids = {event.id for event in gateway.published_events()}
    row = gateway.row()
    await gateway.process_callback("ext-TR0001", "E1", state="inProgress")
    assert {event.id for event in gateway.published_events()} == ids
    assert gateway.row() == row


async def test_a_report_that_comes_too_late_is_kept_and_flagged() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[])
    await gateway.process_callback("ext-TR0001", state="failed", testMeasure=[])
    assert gateway.last_update().kind is UpdateKind.STALE
    assert gateway.row().state is RunState.COMPLETED
    assert len(gateway.results()) == 1


async def test_a_lower_state_after_a_higher_one_does_not_move_the_run_back() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback("ext-TR0001", state="inProgress")
    await gateway.process_callback("ext-TR0001", state="acknowledged")
    assert gateway.row().state is RunState.IN_PROGRESS
    assert gateway.updates().count(UpdateKind.PROGRESS) == 1


async def test_a_thin_event_is_read_whole() -> None:
    gateway = await a_run_that_is_out("TM1")
    gateway.system.tests["ext-TR0001"] |= {"state": "completed", "testMeasure": [{"id": "TM1", **SPEED}]}
    await gateway.process_callback("ext-TR0001")
    assert [measure.value for result in gateway.results() for measure in result.test_measure] == [93.5]


async def test_a_thin_event_waits_until_the_run_can_be_read() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, HttpResponse(status=503))
    gateway.system.tests["ext-TR0001"]["state"] = "inProgress"
    await gateway.process_callback("ext-TR0001")
    assert gateway.row().state is RunState.IN_PROGRESS


async def test_a_run_that_can_never_be_read_is_a_dead_letter() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[LOCKED] * 4)
    await gateway.process_callback("ext-TR0001")
    assert gateway.dead_letter_codes() == ["CALL_TRANSIENT"]


async def test_a_run_that_its_system_does_not_know_any_more_has_failed() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests.clear()
    await gateway.process_callback("ext-TR0001")
    assert gateway.results() == []
    await gateway.advance(700, step=10)
    (result,) = gateway.results()
    assert result.state is RunState.FAILED
    assert len(gateway.system.calls_made(Purpose.READ)) >= 3


async def test_a_body_that_cannot_be_read_after_a_thin_event_is_a_dead_letter() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.plan(Purpose.READ, *[HttpResponse(status=200, body=b"<html>")] * 4)
    await gateway.process_callback("ext-TR0001")
    assert gateway.dead_letter_codes() == ["REPORT_UNREADABLE"]


async def test_a_report_that_arrives_before_the_answer_to_the_post_waits_for_it() -> None:
    gateway = InMemoryGateway()
    record = gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "early")
    outcome = await gateway.attempt(record)
    assert type(outcome).__name__ == "RetryLater"
    gateway.produce(gateway.names.lifecycle, RunRequested(run=a_document()), "r")
    await gateway.process_next(gateway.names.lifecycle)
    await gateway.process_next(gateway.names.dispatch("fibre-lab"))
    await gateway.run_until_idle()
    assert gateway.row().state is RunState.IN_PROGRESS
    assert not gateway.dead_lettered


async def test_a_report_that_aged_while_no_worker_ran_still_waits_for_the_answer_to_the_post() -> None:
    gateway = InMemoryGateway()
    record = gateway.produce(gateway.names.inbound, gateway.a_callback("ext-TR0001", state="inProgress"), "old")
    gateway.clock.at += timedelta(hours=5)
    outcome = await gateway.attempt(record)
    assert isinstance(outcome, RetryLater)


async def test_a_report_about_an_unknown_run_is_parked_and_then_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    callback = gateway.a_callback("ext-404", state="inProgress")
    gateway.produce(gateway.names.inbound, callback, "x")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["REPORT_WITHOUT_RUN"]
    assert len(gateway.retries) in range(5, 15)
    assert "ext-404" in gateway.dead_lettered[0][1].problem.sentence


async def test_a_name_alone_does_not_make_a_run_ours() -> None:
    gateway = InMemoryGateway()
    gateway.system.plan(Purpose.SEND, HttpResponse(status=202))
    await gateway.process_request(a_document())
    callback = gateway.a_callback("77", state="completed", name="Somebody else's TR0001", testMeasure=[])
    gateway.produce(gateway.names.inbound, callback, "x")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["REPORT_WITHOUT_RUN"]


async def test_an_unreadable_report_is_a_dead_letter_with_the_remedy() -> None:
    gateway = InMemoryGateway()
    callback = gateway.a_callback("ext-1").model_copy(update={"body": b"\xff\xfe rubbish"})
    gateway.produce(gateway.names.inbound, callback, "x")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["REPORT_UNREADABLE"]
    assert "fibre-lab" in gateway.dead_lettered[0][1].problem.sentence
    assert "redrive" in gateway.dead_lettered[0][1].problem.sentence


async def test_measures_are_published_under_the_requested_ids() -> None:
    gateway = await a_run_that_is_out("TM1", "TM2")
    measures = [SPEED, {"id": "their-own", "metricName": "jitter", "value": {"value": 3}}]
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=measures)
    (result,) = gateway.results()
    origins = {measure.id: measure.id_origin for measure in result.test_measure}
    assert origins["TM1"] is MeasureIdOrigin.METRIC_NAME
    assert len(origins) == 2


async def test_a_measure_without_a_usable_id_makes_the_result_inconclusive_and_is_not_dropped() -> None:
    gateway = await a_run_that_is_out("TM1", "TM2")
    measures = [{"value": {"value": 1}}, {"value": {"value": 2}}, {"value": {"value": 3}}]
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=measures)
    await gateway.advance(31)
    (result,) = gateway.results()
    assert result.result is Result.INCONCLUSIVE
    assert "MEASURE_ID_MISSING" in {reason.code for reason in result.reasons}
    assert len(result.test_measure) == 3


async def test_a_polled_answer_is_processed_like_a_callback() -> None:
    gateway = await a_run_that_is_out()
    body = json_answer(200, {"id": "ext-TR0001", "state": "inProgress"}).body
    report = InboundReceived(
        spoke="fibre-lab", external_id="ext-TR0001", channel=Channel.POLL, received_at=gateway.clock(), body=body
    )
    gateway.produce(gateway.names.inbound, report, "poll 1")
    await gateway.run_until_idle()
    assert gateway.row().phase is Phase.IN_PROGRESS


async def test_an_event_that_does_not_belong_here_is_a_dead_letter() -> None:
    gateway = InMemoryGateway()
    gateway.produce(gateway.names.inbound, RunRequested(run=a_document()), "x")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["WRONG_TOPIC"]


async def test_a_hundred_events_about_no_run_are_ignored_and_are_no_dead_letters() -> None:
    gateway = InMemoryGateway()
    for n in range(120):
        event = {"eventType": "ServiceTestSpecificationDeleteEvent", "event": {"id": f"S{n}"}}
        received = replace_body(gateway.a_callback(""), event)
        gateway.produce(gateway.names.inbound, received, f"E{n}")
    await gateway.run_until_idle()
    assert gateway.dead_lettered == []
    assert gateway.published_events() == []


def replace_body(received: InboundReceived, body: object) -> InboundReceived:
    return received.model_copy(update={"body": orjson.dumps(body)})
