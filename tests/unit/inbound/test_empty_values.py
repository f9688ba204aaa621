"""A measure without a readable value replaces none that has one, and is missing where it is mandatory."""

from __future__ import annotations

import pytest

from schemas.vocabulary import Result
from tests.builders.runs import a_document
from tests.harness.gateway import InMemoryGateway

TEST = "ext-TR0001"
LOW = [{"id": "R1", "name": "too low"}]
EMPTY: list[object] = [
    "",
    " ",
    {"value": ""},
    {"value": "", "alias": "x"},
    None,
    {"value": None},
    [],
    {},
    {"value": {}},
    [""],
    [None],
]


def measured(value: object, **more: object) -> dict[str, object]:
    return {"id": "M1", "metricName": "metric M1", "value": value, **more}


async def a_run_that_measures() -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(measures=("M1",)))
    return gateway


def results(gateway: InMemoryGateway) -> list[tuple[Result | None, list[object]]]:
    return [(told.result, [one.value for one in told.test_measure]) for told in gateway.results()]


@pytest.mark.parametrize("empty", [*EMPTY, {"value": "n/a", "valueType": "number"}])
async def test_fault_an_empty_value_at_the_end_wipes_no_value(empty: object) -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "1", state="inProgress", testMeasure=[measured(3)])
    await gateway.process_callback(TEST, "2", state="completed", testMeasure=[measured(empty)])
    assert results(gateway) == [(Result.PASS, [3])]


@pytest.mark.parametrize("empty", EMPTY)
async def test_fault_an_empty_value_after_the_end_wipes_no_result(empty: object) -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "1", state="completed", testMeasure=[measured(7)])
    await gateway.process_callback(TEST, "2", state="completed", testMeasure=[measured(empty)])
    assert results(gateway) == [(Result.PASS, [7])]


@pytest.mark.parametrize("empty", EMPTY)
async def test_fault_an_empty_object_is_no_value_of_a_mandatory_measure(empty: object) -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "1", state="completed", testMeasure=[measured(empty)])
    assert results(gateway) == []  # the run waits for its measure
    await gateway.advance(32)
    assert [result for result, _ in results(gateway)] == [Result.INCONCLUSIVE]


@pytest.mark.parametrize("order", [1, -1])
async def test_of_two_in_one_report_the_one_with_a_value_stays(order: int) -> None:
    gateway = await a_run_that_measures()
    both = [measured(7), measured("")][::order]
    await gateway.process_callback(TEST, "1", state="completed", testMeasure=both)
    assert results(gateway) == [(Result.PASS, [7])]


async def test_an_empty_value_that_was_captured_later_wipes_no_value() -> None:
    gateway = await a_run_that_measures()
    first, second = ({"captureDateTime": f"2026-01-01T12:00:0{second}Z"} for second in (1, 2))
    await gateway.process_callback(TEST, "1", state="inProgress", testMeasure=[measured("", **second)])
    await gateway.process_callback(TEST, "2", state="completed", testMeasure=[measured(7, **first)])
    assert results(gateway) == [(Result.PASS, [7])]


async def test_a_violation_without_a_value_counts_and_leaves_the_value() -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "1", state="inProgress", testMeasure=[measured(3)])
    await gateway.process_callback(TEST, "2", state="completed", testMeasure=[measured(None, ruleViolation=LOW)])
    assert results(gateway) == [(Result.FAIL, [3])]


@pytest.mark.parametrize("value", [0, False, "00", [0], {"loss": None}, "null"])
async def test_a_value_that_only_looks_empty_replaces_what_was_there(value: object) -> None:
    gateway = await a_run_that_measures()
    await gateway.process_callback(TEST, "1", state="inProgress", testMeasure=[measured(3)])
    await gateway.process_callback(TEST, "2", state="completed", testMeasure=[measured(value)])
    assert [result for result, _ in results(gateway)] == [Result.PASS]
    assert gateway.row().measures[0].value != 3
