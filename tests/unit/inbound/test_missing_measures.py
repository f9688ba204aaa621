"""A completed run waits for its mandatory measures, and what arrives later is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from router.responses import HttpResponse, Purpose
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import REFUSED_CONNECTION, json_answer
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
TM1 = {"id": "TM1", "metricName": "metric TM1", "value": {"value": 93.5}}
TM2 = {"id": "TM2", "metricName": "metric TM2", "value": {"value": 3}}
GRACE = 30.0


async def a_run_that_is_out(*measures: str, **profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document(measures=measures or ("TM1",)))
    return gateway


def late_updates(gateway: InMemoryGateway) -> list[RunUpdate]:
    updates = [event.data for event in gateway.published_events() if isinstance(event.data, RunUpdate)]
    return [update for update in updates if update.kind is UpdateKind.STALE]


async def test_measures_that_come_two_seconds_after_completed_are_part_of_the_result() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    assert gateway.results() == []
    assert [reason.code for reason in gateway.last_update().reasons] == ["MEASURES_AWAITED"]
    assert "TM1" in gateway.last_update().reasons[0].message
    await gateway.advance(2)
    await gateway.process_callback(TEST, state="completed", testMeasure=[TM1])
    (result,) = gateway.results()
    assert (result.result, [measure.id for measure in result.test_measure]) == (Result.PASS, ["TM1"])
    assert gateway.row().watch is None


async def test_measures_that_the_system_has_are_read_at_once() -> None:
    gateway = await a_run_that_is_out()
    gateway.system.tests[TEST] |= {"state": "completed", "testMeasure": [TM1]}
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    assert [result.result for result in gateway.results()] == [Result.PASS]
    assert gateway.updates() == [UpdateKind.ACCEPTED]


async def test_measures_that_only_a_get_shows_are_found_within_the_grace() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    await gateway.advance(5)
    gateway.system.tests[TEST] |= {"state": "completed", "testMeasure": [TM1]}
    await gateway.advance(GRACE - 6)
    assert [result.result for result in gateway.results()] == [Result.PASS]


@pytest.mark.parametrize("answer", [None, REFUSED_CONNECTION, HttpResponse(status=500), HttpResponse(status=404)])
async def test_after_the_grace_the_result_names_the_measures_that_are_missing(answer: HttpResponse | None) -> None:
    gateway = await a_run_that_is_out("TM1", "TM2")
    gateway.system.plan(Purpose.READ, *[answer] * 50)
    await gateway.process_callback(TEST, state="completed", testMeasure=[TM1])
    await gateway.advance(GRACE - 1)
    assert gateway.results() == []
    await gateway.advance(3)
    (result,) = gateway.results()
    assert (result.state, result.result) == (RunState.COMPLETED, Result.INCONCLUSIVE)
    assert [reason.code for reason in result.reasons] == ["MEASURE_MISSING"]
    assert "TM2" in result.reasons[0].message
    assert len(gateway.system.calls_made(Purpose.READ)) < 10
    assert not gateway.dead_lettered


async def test_the_end_of_the_grace_survives_a_restart() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    restarted = InMemoryGateway(store=gateway.store, system=gateway.system, clock=gateway.clock)
    restarted.clock.at += timedelta(hours=1)
    await restarted.advance(1)
    assert [result.result for result in restarted.results()] == [Result.INCONCLUSIVE]


async def test_without_a_grace_the_result_is_told_at_once() -> None:
    gateway = await a_run_that_is_out(measures_grace=0)
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    assert [result.result for result in gateway.results()] == [Result.INCONCLUSIVE]


async def test_a_run_that_is_completed_in_the_answer_to_its_post_waits_too() -> None:
    gateway = InMemoryGateway()
    gateway.system.states["TR0001"] = "completed"
    await gateway.process_request(a_document(measures=("TM1",)))
    assert gateway.results() == []
    gateway.system.tests[TEST]["testMeasure"] = [TM1]
    await gateway.advance(GRACE)
    assert [result.result for result in gateway.results()] == [Result.PASS]


@pytest.mark.parametrize("state", ["inProgress", "completed"])
async def test_an_older_word_within_the_grace_does_not_end_the_wait(state: str) -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback(TEST, "E1", state="completed", testMeasure=[])
    await gateway.process_callback(TEST, "E2", state=state, testMeasure=[])
    assert gateway.results() == []
    await gateway.advance(GRACE + 2)
    assert [result.state for result in gateway.results()] == [RunState.COMPLETED]


async def test_a_failure_within_the_grace_ends_the_run() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback(TEST, state="completed", testMeasure=[])
    await gateway.process_callback(TEST, state="failed", testMeasure=[])
    assert [result.state for result in gateway.results()] == [RunState.FAILED]


async def test_late_measures_are_stored_told_and_change_the_result() -> None:
    gateway = await a_run_that_is_out("TM1", "TM2")
    await gateway.process_callback(TEST, state="completed", testMeasure=[TM1])
    await gateway.advance(GRACE + 2)
    await gateway.process_callback(TEST, "late", state="completed", testMeasure=[TM1, TM2])
    (update,) = late_updates(gateway)
    assert [reason.code for reason in update.reasons] == ["LATE_MEASURES"]
    assert [(measure.id, measure.value) for measure in update.test_measure] == [("TM2", 3)]
    first, second = gateway.results()
    assert (first.result, second.result) == (Result.INCONCLUSIVE, Result.PASS)
    assert second.revision > first.revision
    assert "MEASURE_MISSING" not in {reason.code for reason in second.reasons}
    assert {measure.id for measure in gateway.row().measures} == {"TM1", "TM2"}
    ids = [event.id for event in gateway.published_events() if event.data in (first, second)]
    assert len(set(ids)) == 2
    assert [result.runs[0].result for result in gateway.request_results()] == [Result.INCONCLUSIVE, Result.PASS]


@pytest.mark.parametrize(
    "report",
    [{"testMeasure": [TM1]}, {"state": "completed", "testMeasure": [TM1]}, {"state": "completed", "testMeasure": []}],
)
async def test_a_late_report_that_says_nothing_new_is_not_told(report: dict[str, object]) -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback(TEST, state="completed", testMeasure=[TM1])
    row = gateway.row()
    gateway.system.tests[TEST] |= {"state": "completed", "testMeasure": [TM1]}
    await gateway.process_callback(TEST, "again", **report)
    assert late_updates(gateway) == []
    assert (gateway.row().reasons, gateway.row().measures) == (row.reasons, row.measures)
    assert gateway.row().phase is Phase.FULFILLED


async def test_a_violation_that_arrives_late_turns_the_result() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback(TEST, state="completed", testMeasure=[TM1])
    worse = {**TM1, "value": {"value": 1}, "ruleViolation": [{"id": "R1", "name": "too slow"}]}
    await gateway.process_callback(TEST, "late", state="completed", testMeasure=[worse])
    assert [result.result for result in gateway.results()] == [Result.PASS, Result.FAIL]


async def test_a_polled_answer_without_measures_starts_the_grace() -> None:
    gateway = await a_run_that_is_out()
    body = json_answer(200, {"id": TEST, "state": "completed"}).body
    report = gateway.a_callback(TEST).model_copy(update={"body": body, "channel": "poll"})
    gateway.produce(gateway.names.inbound, report, "poll 1")
    await gateway.run_until_idle()
    assert gateway.results() == []
    await gateway.advance(GRACE + 2)
    assert [result.result for result in gateway.results()] == [Result.INCONCLUSIVE]
