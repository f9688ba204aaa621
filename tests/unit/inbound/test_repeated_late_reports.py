"""A system that repeats itself after the end of a run is told once, and its corrections have a bound."""

from __future__ import annotations

import pytest

from router.runs.measures.bounds import MAX_BYTES, MAX_MEASURES, size_of
from router.runs.reports.late_reports import MAX_CORRECTIONS, MAX_STALE_STATES
from schemas.results import RunUpdate
from schemas.vocabulary import Result, UpdateKind
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"


def measured(value: object, name: str = "M1") -> dict[str, object]:
    return {"id": name, "metricName": f"metric {name}", "value": value}


async def a_completed_run() -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(measures=("M1",)))
    await gateway.process_callback(TEST, "end", state="completed", testMeasure=[measured(7)])
    return gateway


def stale_updates(gateway: InMemoryGateway) -> list[list[str]]:
    updates = [event.data for event in gateway.published_events() if isinstance(event.data, RunUpdate)]
    return [[reason.code for reason in update.reasons] for update in updates if update.kind is UpdateKind.STALE]


async def test_fault_equal_late_reports_under_new_event_ids_are_told_once() -> None:
    gateway = await a_completed_run()
    for _ in range(2):  # of 40 ids a run does not remember all
        for number in range(40):
            await gateway.process_callback(TEST, f"late {number}", state="failed", testMeasure=[measured(7)])
    assert stale_updates(gateway) == [["STALE_REPORT"]]
    assert len(gateway.results()) == 1


async def test_fault_late_reports_of_a_state_in_ever_new_spellings_have_a_bound() -> None:
    gateway = await a_completed_run()
    for number in range(2 * MAX_STALE_STATES):
        await gateway.process_callback(TEST, f"late {number}", state=f"failed{'-' * number}", testMeasure=[])
    assert stale_updates(gateway) == [["STALE_REPORT"]] * MAX_STALE_STATES


async def test_another_state_after_the_end_is_told_although_one_was_told_before() -> None:
    gateway = await a_completed_run()
    for state in ("failed", "cancelled", "failed"):
        await gateway.process_callback(TEST, f"late {state}", state=state, testMeasure=[])
    assert stale_updates(gateway) == [["STALE_REPORT"]] * 2


async def test_fault_a_state_that_was_told_before_is_not_told_again_with_late_measures() -> None:
    gateway = await a_completed_run()
    for value in (8, 9):
        await gateway.process_callback(TEST, f"late {value}", state="failed", testMeasure=[measured(value)])
    assert stale_updates(gateway) == [["LATE_MEASURES", "STALE_REPORT"], ["LATE_MEASURES"]]


async def test_fault_corrections_after_the_end_have_a_bound() -> None:
    gateway = await a_completed_run()
    for number in range(MAX_CORRECTIONS + 10):
        await gateway.process_callback(TEST, f"late {number}", state="completed", testMeasure=[measured(number % 2)])
    told = stale_updates(gateway)
    assert told == [["LATE_MEASURES"]] * MAX_CORRECTIONS + [["CORRECTIONS_LEFT_OUT"]]
    assert len(gateway.results()) == MAX_CORRECTIONS + 1
    assert gateway.results()[-1].test_measure[0].value == (MAX_CORRECTIONS - 1) % 2
    codes = [reason.code for reason in gateway.row().reasons]
    assert codes == ["LATE_MEASURES", "CORRECTIONS_LEFT_OUT"]
    await gateway.process_callback(TEST, "new", state="completed", testMeasure=[measured(1), measured(2, "M2")])
    assert {measure.metric_name: measure.value for measure in gateway.row().measures}["metric M2"] == 2


@pytest.mark.parametrize("value", [8, 9])
async def test_a_correction_is_counted_in_its_reason(value: int) -> None:
    gateway = await a_completed_run()
    for corrected in range(8, value + 1):
        await gateway.process_callback(TEST, f"late {corrected}", state="completed", testMeasure=[measured(corrected)])
    (reason,) = gateway.row().reasons
    count = {8: "1 correction", 9: "2 corrections"}[value]
    assert reason.message == f"The external system reported measures after the run was completed ({count})."
    assert gateway.results()[-1].result is Result.PASS


async def test_fault_late_measures_of_a_run_that_has_no_room_left_are_told_a_bounded_number_of_times() -> None:
    gateway = await a_completed_run()
    for part in range(4):
        many = [measured(1, f"X{part}-{number}") for number in range(600)]
        await gateway.process_callback(TEST, f"part {part}", state="completed", testMeasure=many)
    before = len(gateway.results())
    for number in range(MAX_CORRECTIONS + 20):
        await gateway.process_callback(
            TEST, f"late {number}", state="completed", testMeasure=[measured(1, f"Y{number}")]
        )
    assert len(gateway.row().measures) == MAX_MEASURES
    assert len(gateway.results()) - before <= MAX_CORRECTIONS
    assert "CORRECTIONS_LEFT_OUT" in [reason.code for reason in gateway.row().reasons]
    assert gateway.row().measures[0].id == "M1"


async def test_fault_late_measures_stay_within_their_bytes_after_the_last_correction() -> None:
    gateway = await a_completed_run()
    for number in range(MAX_CORRECTIONS + 1):
        await gateway.process_callback(TEST, f"late {number}", state="completed", testMeasure=[measured(number)])
    for number in range(12):
        large = [measured("x" * 90_000, f"Z{number}")]
        await gateway.process_callback(TEST, f"large {number}", state="completed", testMeasure=large)
    assert sum(map(size_of, gateway.row().measures)) <= MAX_BYTES


async def test_a_verdict_after_the_end_changes_the_result_once() -> None:
    gateway = await a_completed_run()
    for number in range(3):
        await gateway.process_callback(TEST, f"verdict {number}", state="completed", result="fail", testMeasure=[])
    assert [result.result for result in gateway.results()] == [Result.PASS, Result.FAIL]
    assert stale_updates(gateway) == [["VERDICT_FAIL"]]
