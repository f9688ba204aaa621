"""A profile decides whether measures that nobody requested are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from router.runs.measures.measures import match_measures
from router.runs.reports.news import has_news
from router.runs.reports.report import ExternalMeasure, ExternalReport
from schemas.results import RuleViolation
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Phase, Result, RunState
from tests.builders.runs import NOON, a_document, a_run
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

DELAY = RequestedMeasure(id="TM2", metric_name="delay")
SPEED = RequestedMeasure(id="TM1", metric_name="speed", mandatory=True)
KNOWN = ExternalMeasure(id="TM1", value=90, has_value=True)
VIOLATION = RuleViolation(name="too much jitter")
UNKNOWN = ExternalMeasure(id="77", metric_name="jitter", value=3, has_value=True, rule_violation=(VIOLATION,))
REQUESTED = a_document("TR0001").model_copy(update={"test_measure": (SPEED,)})


def test_an_unknown_measure_is_left_out_with_a_reason_that_names_it() -> None:
    result = match_measures([SPEED], [UNKNOWN, KNOWN], "fibre-lab", "ext-1", keep_unknown=False)
    assert [measure.id for measure in result.measures] == ["TM1"]
    (reason,) = result.reasons
    assert (reason.code, reason.property_path) == ("MEASURE_REJECTED", "/testMeasure/0")
    assert "'jitter'" in reason.message


def test_without_requested_measures_nothing_is_unknown() -> None:
    kept = match_measures([], [UNKNOWN], "fibre-lab", "ext-1")
    assert match_measures([], [UNKNOWN], "fibre-lab", "ext-1", keep_unknown=False) == kept


def test_an_unknown_measure_that_is_left_out_is_news_once() -> None:
    # Of two measures that are open, neither can be guessed.
    asked = REQUESTED.model_copy(update={"test_measure": (SPEED, DELAY)})
    row = a_run(document=asked, phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS)
    report = ExternalReport(external_id=row.external_id, state=RunState.IN_PROGRESS, measures=(UNKNOWN,))
    assert has_news(row, report, NOON, 0, keeps_unknown_measures=False)
    (reason,) = match_measures([SPEED, DELAY], [UNKNOWN], "fibre-lab", "ext-1", keep_unknown=False).reasons
    assert reason.code == "MEASURE_REJECTED"
    told = replace(row, reasons=(reason,))
    assert not has_news(told, report, NOON, 0, keeps_unknown_measures=False)
    assert has_news(told, report, NOON, 0, keeps_unknown_measures=True)


@pytest.mark.parametrize(
    ("unknown_measures", "measures", "result"), [("keep", 2, Result.FAIL), ("reject", 1, Result.PASS)]
)
async def test_the_profile_decides_whether_the_violation_of_an_unknown_measure_counts(
    unknown_measures: str, measures: int, result: Result
) -> None:
    row = a_run(document=REQUESTED, phase=Phase.ACCEPTED, state=RunState.IN_PROGRESS)
    gateway = InMemoryGateway(store=InMemoryRunStore(row), profile={"unknown_measures": unknown_measures})
    await gateway.process_callback(
        row.external_id,
        "e-1",
        state="completed",
        testMeasure=[
            {"id": "TM1", "value": 90},
            {"id": "77", "metricName": "jitter", "value": 3, "ruleViolation": [{"name": "too much jitter"}]},
        ],
    )
    (ended,) = gateway.results()
    assert (len(ended.test_measure), ended.result) == (measures, result)
