"""A value against a threshold rule of its measure is a violation, if the profile says what comparators state."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.events import Reported
from router.runs.measures.thresholds import ComparatorMeaning, with_violations
from router.runs.reports.report import ExternalMeasure, ExternalReport
from schemas.results import ReportedMeasure, RuleViolation
from schemas.run_document import RequestedMeasure, ThresholdRule
from schemas.vocabulary import MeasureIdOrigin, Phase, Result, RunState
from tests.builders.runs import NOON, a_document, a_run

CONFORMANCE, VIOLATION = ComparatorMeaning.CONFORMANCE, ComparatorMeaning.VIOLATION
BETWEEN = {"conformance_target_lower": "10", "conformance_target_upper": "20"}


def violations(value: object, meaning: ComparatorMeaning, **rule: Any) -> tuple[RuleViolation, ...]:  # noqa: ANN401 - any field of a rule
    requested = RequestedMeasure(id="TM1", metric_name="rate", threshold_rule=(ThresholdRule(name="r", **rule),))
    reported = ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=value)
    (measure,) = with_violations([reported], [requested], meaning)
    return measure.rule_violation


@pytest.mark.parametrize("value", [9, "9.99", 20.01, "21", -1])
@pytest.mark.parametrize("meaning", [CONFORMANCE, VIOLATION])
def test_a_value_outside_of_the_targets_is_a_violation(value: object, meaning: ComparatorMeaning) -> None:
    (violation,) = violations(value, meaning, **BETWEEN)
    assert (violation.name, violation.conformance_target_upper) == ("r", "20")
    assert violations(value, meaning, **BETWEEN) == (violation,)


@given(st.integers(10, 20) | st.floats(10, 20) | st.integers(10, 20).map(str))
def test_a_value_between_the_targets_is_none(value: object) -> None:
    assert violations(value, CONFORMANCE, **BETWEEN) == violations(value, VIOLATION, **BETWEEN) == ()


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["greater than", "GREATER_THAN", ">"]))
def test_a_comparator_states_the_opposite_in_the_other_meaning(value: float, comparator: str) -> None:
    """The sample of TMF653 names the bad values (more than 2500), ServiceNow's form the good ones."""
    rule = {"conformance_target_upper": "2500", "conformance_comparator_upper": comparator}
    assert bool(violations(value, VIOLATION, **rule)) == (value > 2500)
    assert bool(violations(value, CONFORMANCE, **rule)) == (value <= 2500)


@pytest.mark.parametrize("meaning", [CONFORMANCE, VIOLATION])
@pytest.mark.parametrize(("comparator", "violated"), [(None, [4, 6]), (True, [4, 6]), (False, [5])])
def test_an_exact_target_has_to_be_the_value_or_must_not_be(
    *, meaning: ComparatorMeaning, comparator: bool | None, violated: list[int]
) -> None:
    rule = {"conformance_target_exact": "5", "conformance_comparator_exact": comparator}
    assert [value for value in (4, 5, 6) if violations(value, meaning, **rule)] == violated


@pytest.mark.parametrize(
    "rule",
    [
        {"conformance_target_upper": "fast"},
        {"conformance_target_upper": "1", "conformance_comparator_upper": "around"},
        {"conformance_target_upper": "1", "number_of_allowed_crossing": 3},
        {"conformance_target_upper": "1", "tolerance_seconds": 3},
        {},
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_never_violated(rule: dict[str, object]) -> None:
    assert violations(9, CONFORMANCE, **rule) == violations(9, VIOLATION, **rule) == ()


@given(st.text() | st.booleans() | st.none() | st.sampled_from(["NaN", "1e999999999", "9" * 5_000]))
def test_no_value_breaks_the_evaluation(value: object) -> None:
    assert len(violations(value, CONFORMANCE, **BETWEEN)) <= 1


@pytest.mark.parametrize(
    ("meaning", "result"), [(ComparatorMeaning.NOT_EVALUATED, Result.PASS), (CONFORMANCE, Result.FAIL)]
)
def test_a_run_fails_by_its_own_thresholds_only_if_its_profile_says_so(
    meaning: ComparatorMeaning, result: Result
) -> None:
    rule = ThresholdRule(conformance_target_upper="20")
    document = a_document().model_copy(
        update={"test_measure": (RequestedMeasure(id="TM1", metric_name="rate", threshold_rule=(rule,)),)}
    )
    measure = ExternalMeasure(id="TM1", value=21, has_value=True)
    report = ExternalReport(external_id="ext-TR0001", state=RunState.COMPLETED, measures=(measure,))
    row = a_run(phase=Phase.IN_PROGRESS, document=document, sent=document)
    step = advance(row, (Reported(report_id="e", report=report, comparators=meaning),), NOON)
    assert step.row.result is result


def test_what_the_system_says_of_violations_is_kept() -> None:
    known = RuleViolation(id="V1", name="theirs")
    requested = RequestedMeasure(id="TM1", metric_name="rate", threshold_rule=(ThresholdRule(**BETWEEN),))
    reported = ReportedMeasure(id="TM1", id_origin=MeasureIdOrigin.REPORTED, value=99, rule_violation=(known,))
    (measure,) = with_violations([reported], [requested], CONFORMANCE)
    assert measure.rule_violation == (known,)
