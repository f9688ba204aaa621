"""Whatever one callback or answer contains, its run keeps a bounded row, and its result arrives."""

from __future__ import annotations

import time

import orjson
import pytest

from consumers.dispatch.bundle import reports_by_run
from router.responses import HttpResponse, Purpose
from router.runs.measures.bounds import MAX_MEASURES, MEASURES_LEFT_OUT
from router.runs.reports.reasons import LEFT_OUT, MAX_REASONS, MAX_REASONS_OF_REPORT
from router.runs.reports.report import ExternalReport
from router.runs.reports.shorten_notification import SHORTENED
from router.runs.run import replace
from schemas.vocabulary import MeasureIdOrigin, Result, RunState
from tests.builders.runs import a_document, a_run, a_tree
from tests.harness.gateway import InMemoryGateway

UNREADABLE = [1] * 400_000  # 800 KB
MEASURED = [{"id": "TM1", "value": {"value": 1}}]


async def a_run_that_is_out(*measures: str) -> InMemoryGateway:
    gateway = InMemoryGateway()
    await gateway.process_request(a_document(measures=measures))
    return gateway


async def test_many_unreadable_measures_are_few_reasons_with_a_count() -> None:
    gateway = await a_run_that_is_out("TM1")
    await gateway.process_callback("ext-TR0001", "E1", state="inProgress", testMeasure=UNREADABLE)
    reasons = gateway.row().reasons
    assert len(reasons) == MAX_REASONS_OF_REPORT
    assert {reason.code for reason in reasons} == {"MEASURE_UNREADABLE", MEASURES_LEFT_OUT, LEFT_OUT}
    paths = [reason.property_path for reason in reasons]
    assert paths[0] == "/testMeasure/0"
    assert "/testMeasure/399999" in paths
    await gateway.process_callback("ext-TR0001", "E2", state="completed", testMeasure=MEASURED)
    assert [result.result for result in gateway.results()] == [Result.PASS]


async def test_many_measures_in_the_answer_to_a_post_make_a_small_row() -> None:
    gateway = InMemoryGateway()
    body = orjson.dumps({"id": "ext-TR0001", "state": "inProgress", "testMeasure": [1] * 400_000})
    gateway.system.plan(Purpose.SEND, HttpResponse(status=201, body=body))
    await gateway.process_request(a_document(measures=("TM1",)))
    assert len(gateway.row().reasons) == MAX_REASONS_OF_REPORT
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=MEASURED)
    assert [result.result for result in gateway.results()] == [Result.PASS]


async def test_reports_with_ever_new_problems_and_measures_make_no_row_grow() -> None:
    gateway = await a_run_that_is_out("TM1")
    for number in range(12):
        measures = [{"metricName": f"m{number}-{each}", "valueType": "number", "value": "x"} for each in range(300)]
        await gateway.process_callback("ext-TR0001", f"E{number}", state="inProgress", testMeasure=measures)
    assert len(gateway.row().reasons) == MAX_REASONS
    assert len(gateway.row().measures) == MAX_MEASURES
    await gateway.process_callback("ext-TR0001", "END", state="completed", testMeasure=MEASURED)
    (result,) = gateway.results()
    assert (result.state, result.result) == (RunState.COMPLETED, Result.INCONCLUSIVE)  # one came without an id
    assert "TM1" in [measure.id for measure in result.test_measure]


async def test_a_report_that_is_repeated_adds_no_reason() -> None:
    gateway = await a_run_that_is_out("TM1")
    for number in range(5):
        await gateway.process_callback("ext-TR0001", f"E{number}", state="inProgress", testMeasure=[1] * 500)
    assert len(gateway.row().reasons) == MAX_REASONS_OF_REPORT
    await gateway.process_callback("ext-TR0001", "E9", state="inProgress", testMeasure=[1, 2])
    assert len(gateway.row().reasons) == MAX_REASONS_OF_REPORT


async def test_late_reports_make_no_row_grow() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback("ext-TR0001", "END", state="completed", testMeasure=[])
    for number in range(40):
        measures = [{"metricName": f"m{number}-{each}", "valueType": "number", "value": "x"} for each in range(100)]
        await gateway.process_callback("ext-TR0001", f"E{number}", state="completed", testMeasure=measures)
    assert len(gateway.row().reasons) == MAX_REASONS
    assert len(gateway.row().measures) == MAX_MEASURES


async def test_late_measures_are_compared_in_linear_time() -> None:
    gateway = await a_run_that_is_out()
    await gateway.process_callback("ext-TR0001", "END", state="completed", testMeasure=[])
    measures = [{"metricName": f"m{number}", "value": number} for number in range(5_000)]
    began = time.process_time()
    await gateway.process_callback("ext-TR0001", "LATE", state="completed", testMeasure=measures)
    assert time.process_time() - began < 5, "5,000 late measures took seconds"
    assert len(gateway.row().measures) == MAX_MEASURES


async def test_one_huge_value_is_published_as_its_beginning() -> None:
    gateway = await a_run_that_is_out("TM1")
    body = [{"id": "TM1", "value": {"value": "v" * 3_000_000}}]
    gateway.system.tests["ext-TR0001"] |= {"state": "completed", "testMeasure": body}
    await gateway.process_callback("ext-TR0001")
    (result,) = gateway.results()
    assert result.result is Result.PASS
    assert 100_000 < len(str(result.test_measure[0].value)) < 800_000
    assert "MEASURES_SHORTENED" in [reason.code for reason in result.reasons]


async def test_an_id_and_an_address_that_are_too_long_are_none() -> None:
    gateway = InMemoryGateway()
    body = orjson.dumps({"id": "x" * 100_000, "href": "http://lab/" + "y" * 100_000, "state": "s" * 100_000})
    gateway.system.plan(Purpose.SEND, HttpResponse(status=201, body=body))
    await gateway.process_request(a_document())
    row = gateway.row()
    assert row.external_id is None or len(row.external_id) < 600
    assert len(row.external_href or "") < 3_000


async def test_many_nested_ids_cost_one_read_and_our_runs_are_found_among_them() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(spec="fibre-bundle", children=2))
    nested = [{"id": str(number)} for number in range(9_000)]
    inside = [{"id": "ext-TR0001-1", "state": "completed"}, *nested, {"id": "ext-TR0001-2", "state": "failed"}]
    began = time.process_time()
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=[], childServiceTest=inside)
    assert time.process_time() - began < 3
    assert [gateway.row(run).state for run in ("TR0001-1", "TR0001-2")] == [RunState.COMPLETED, RunState.FAILED]


async def test_no_more_than_ten_thousand_nested_runs_are_read() -> None:
    gateway = InMemoryGateway()
    await gateway.process_request(a_tree(spec="fibre-bundle", children=1))
    inside = [*({"id": str(number)} for number in range(55_000)), {"id": "ext-TR0001-1", "state": "completed"}]
    await gateway.process_callback("ext-TR0001", state="inProgress", childServiceTest=inside)
    assert gateway.row().state is RunState.IN_PROGRESS
    assert gateway.row("TR0001-1").state is RunState.ACKNOWLEDGED


def test_a_bundle_is_matched_in_linear_time() -> None:
    rows = [replace(a_run(), run_id=f"R{number}") for number in range(2_000)]
    children = [ExternalReport(external_id=f"o{number}", name=f"other {number}") for number in range(9_000)]
    ours = ExternalReport(external_id="1", name=f"{rows[0].requested.name} R1999")
    again = ExternalReport(external_id="1", external_identifier="R5")
    began = time.process_time()
    found = reports_by_run(rows, ExternalReport(external_id="x", children=(*children, ours, again)))
    assert time.process_time() - began < 2
    assert {run_id: report.external_id for run_id, report in found.items()} == {"R0": "x", "R1999": "1"}


@pytest.mark.parametrize("limit", [3_000, 20_000])
async def test_a_result_that_its_topic_does_not_take_is_published_without_its_reasons(limit: int) -> None:
    gateway = await a_run_that_is_out("TM1")
    gateway.publisher.max_bytes[gateway.names.results] = limit
    many = [{"metricName": f"m{number} {'x' * 200}", "value": number} for number in range(400)]
    await gateway.process_callback("ext-TR0001", "E1", state="inProgress", testMeasure=[*many, *[1] * 500])
    await gateway.process_callback("ext-TR0001", "E2", state="completed", testMeasure=MEASURED)
    (result,) = gateway.results()
    assert result.state is RunState.COMPLETED
    assert result.reasons[-1].code == SHORTENED
    assert [one.value for one in result.test_measure if one.id_origin is not MeasureIdOrigin.DERIVED] == [1]
    assert [closing.state for closing in gateway.request_results()] == [RunState.COMPLETED]
    assert gateway.dead_letter_codes() == []
