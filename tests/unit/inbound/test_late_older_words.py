"""A report of a state that its run has left is older than what is known: it adds measures and replaces none."""

from __future__ import annotations

import pytest

from schemas.vocabulary import Result, RunState
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
LOW = [{"id": "R1", "name": "too low"}]


def measured(value: object, name: str = "M1", **more: object) -> dict[str, object]:
    return {"id": name, "metricName": f"metric {name}", "value": value, **more}


async def a_run_that_measures(*measures: str, **profile: object) -> InMemoryGateway:
    gateway = InMemoryGateway(profile=profile)
    await gateway.process_request(a_document(measures=measures or ("M1",)))
    return gateway


def values(gateway: InMemoryGateway) -> dict[str, object]:
    return {measure.id: measure.value for measure in gateway.row().measures}


@pytest.mark.parametrize("state", ["inProgress", "pending", "acknowledged"])
@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
async def test_fault_an_older_word_after_the_end_overwrites_no_result(end: str, state: str) -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "end", state=end, testMeasure=[measured(7)])
    (result,) = gateway.results()
    await gateway.process_callback(TEST, "old", state=state, testMeasure=[measured(3, ruleViolation=LOW)])
    assert gateway.results() == [result]
    assert values(gateway) == {"M1": 7}


async def test_fault_an_older_word_before_the_end_overwrites_no_measure() -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "new", state="inProgress", testMeasure=[measured(7)])
    await gateway.process_callback(TEST, "old", state="acknowledged", testMeasure=[measured(3)])
    assert (values(gateway), gateway.row().state) == ({"M1": 7}, RunState.IN_PROGRESS)


async def test_fault_an_older_word_while_a_completed_run_waits_for_measures_overwrites_none() -> None:
    gateway = await a_run_that_measures("M1", "M2")
    await gateway.process_callback(TEST, "end", state="completed", testMeasure=[measured(7)])
    assert gateway.results() == []
    await gateway.process_callback(TEST, "old", state="inProgress", testMeasure=[measured(3), measured(5, "M2")])
    assert [result.result for result in gateway.results()] == [Result.PASS]
    assert values(gateway) == {"M1": 7, "M2": 5}


async def test_an_older_word_after_the_end_adds_the_measure_that_is_missing() -> None:
    gateway = await a_run_that_measures("M1", "M2")
    await gateway.process_callback(TEST, "end", state="completed", testMeasure=[measured(7)])
    await gateway.advance(32)
    await gateway.process_callback(TEST, "old", state="inProgress", testMeasure=[measured(3), measured(5, "M2")])
    assert [result.result for result in gateway.results()] == [Result.INCONCLUSIVE, Result.PASS]
    assert values(gateway) == {"M1": 7, "M2": 5}


@pytest.mark.parametrize("report", [{"state": "completed"}, {"state": "failed"}, {}])
async def test_a_report_after_the_end_that_names_no_earlier_state_corrects_the_value(report: dict[str, object]) -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "end", state="completed", testMeasure=[measured(7)])
    await gateway.process_callback(TEST, "late", **report, testMeasure=[measured(3)])
    assert [[one.value for one in result.test_measure] for result in gateway.results()] == [[7], [3]]


async def test_a_measure_that_was_captured_later_counts_in_whatever_state_it_comes() -> None:
    gateway = await a_run_that_measures()
    first, second = ({"captureDateTime": f"2026-01-01T12:00:0{second}Z"} for second in (1, 2))
    await gateway.process_callback(TEST, "end", state="completed", testMeasure=[measured(7, **first)])
    await gateway.process_callback(TEST, "late", state="inProgress", testMeasure=[measured(3, **second)])
    assert values(gateway) == {"M1": 3}


async def test_a_system_without_states_corrects_a_value_after_its_run_has_ended_with_its_measures() -> None:
    gateway = await a_run_that_measures(end_of_run="measures")
    await gateway.process_callback(TEST, "first", state="inProgress", testMeasure=[measured(7)])
    assert [result.result for result in gateway.results()] == [Result.PASS]
    await gateway.process_callback(TEST, "second", state="inProgress", testMeasure=[measured(3)])
    assert values(gateway) == {"M1": 3}


async def test_a_system_that_still_measures_a_run_that_has_timed_out_corrects_its_values() -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "first", state="inProgress", testMeasure=[measured(7)])
    await gateway.advance(86_500, step=3_600)
    (result,) = gateway.results()
    assert result.result is Result.TIMED_OUT
    await gateway.process_callback(TEST, "second", state="inProgress", testMeasure=[measured(3)])
    assert values(gateway) == {"M1": 3}
