"""Reported measures are matched with the requested ones, none is lost, and completed is not the same as passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.ids import measure_id
from router.runs.measures.measures import (
    MatchedMeasures,
    judge_result,
    match_measures,
    merge_measures,
    missing_measures,
)
from router.runs.measures.violations import with_ids
from router.runs.reports.report import ExternalMeasure
from schemas.results import Reason, ReportedMeasure, RuleViolation
from schemas.run_document import JsonText, JsonValue, RequestedMeasure
from schemas.vocabulary import MeasureIdOrigin, Result, RunState
from tests.builders.runs import NOON

SPEED = RequestedMeasure(
    id="TM1",
    definition_id="D1",
    metric_href="urn:metric:speed",
    metric_name="Flow speed",
    unit_of_measure="Mbit/s",
)
DELAY = RequestedMeasure(id="TM2", definition_id="D2", metric_href="urn:metric:delay", metric_name="Delay")
LOSS = RequestedMeasure(id="TM3", metric_name="Loss", mandatory=False)
VIOLATION = RuleViolation(name="too slow")
VERDICT_FAIL = Reason(code="VERDICT_FAIL", message="fail")
VERDICT_OPEN = Reason(code="VERDICT_INCONCLUSIVE", message="inconclusive")
ID_MISSING = Reason(code="MEASURE_ID_MISSING", message="came without an id")

IDS = st.none() | st.sampled_from(("TM1", "TM2", "TM3", "D1", "D2", "77", "78"))
NAMES = st.none() | st.sampled_from(("Flow speed", "FLOW SPEED", "Delay", "loss", "Jitter"))
HREFS = st.none() | st.sampled_from(("urn:metric:speed", "urn:metric:delay", "urn:metric:jitter"))
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
MOMENTS = st.none() | st.datetimes(timezones=st.sampled_from((UTC, timezone(timedelta(hours=14)), None)))
REPORTED = st.builds(
    ExternalMeasure,
    id=IDS,
    definition_id=IDS,
    metric_name=NAMES,
    metric_href=HREFS,
    value=VALUES,
    has_value=st.booleans(),
    value_type=st.sampled_from((None, "number", "string", "Number, decimal")),
    unit_of_measure=st.sampled_from((None, "Mbit/s", "ms")),
    accuracy=st.none() | st.floats(),
    capture_date_time=MOMENTS,
    rule_violation=st.sampled_from(((), (VIOLATION,))),
)
WANTED = st.lists(st.sampled_from((SPEED, DELAY, LOSS)), unique=True, max_size=3)


def measured(value: JsonValue = 90, **more: Any) -> ExternalMeasure:  # noqa: ANN401 - any further field
    return ExternalMeasure(value=value, has_value=True, **more)


def matched(*reported: ExternalMeasure, requested: tuple[RequestedMeasure, ...] = (SPEED, DELAY)) -> MatchedMeasures:
    return match_measures(requested, reported, "fibre-lab", "ext-1")


def codes(result: MatchedMeasures) -> list[str]:
    return [problem.code for problem in result.reasons]


def ids_and_origins(result: MatchedMeasures) -> list[tuple[str, MeasureIdOrigin]]:
    return [(measure.id, measure.id_origin) for measure in result.measures]


def a_measure(
    measure_id: str = "TM1",
    value: JsonValue = 90,
    *,
    minutes: int | None = None,
    violated: bool = False,
    value_type: str | None = None,
) -> ReportedMeasure:
    return ReportedMeasure(
        id=measure_id,
        id_origin=MeasureIdOrigin.REPORTED,
        value=value,
        value_type=value_type,
        capture_date_time=None if minutes is None else NOON + timedelta(minutes=minutes),
        rule_violation=(VIOLATION,) if violated else (),
    )


@pytest.mark.parametrize(
    ("reported", "origin"),
    [
        (measured(id="TM1", metric_name="Delay"), MeasureIdOrigin.REPORTED),
        (measured(definition_id="D1", metric_name="Delay"), MeasureIdOrigin.DEFINITION),
        (measured(id="D1"), MeasureIdOrigin.DEFINITION),
        (measured(definition_id="TM1"), MeasureIdOrigin.DEFINITION),
        (measured(metric_href="urn:metric:speed", metric_name="Delay"), MeasureIdOrigin.METRIC_HREF),
        (measured(id="77", metric_name="Flow speed"), MeasureIdOrigin.METRIC_NAME),
        (measured(metric_name=" FLOW SPEED "), MeasureIdOrigin.METRIC_NAME),
    ],
)
def test_a_measure_is_known_by_its_id_then_definition_then_href_then_name(
    reported: ExternalMeasure, origin: MeasureIdOrigin
) -> None:
    result = matched(reported)
    assert ids_and_origins(result) == [("TM1", origin)]
    assert result.reasons == ()


def test_an_unmatched_measure_is_matched_with_the_only_open_request() -> None:
    result = matched(measured(id="TM2"), measured(metric_name="Throughput"))
    assert ids_and_origins(result) == [("TM2", MeasureIdOrigin.REPORTED), ("TM1", MeasureIdOrigin.ONLY_OPEN)]
    assert codes(result) == ["MEASURE_NAME_DIFFERS"]
    assert "'Throughput'" in result.reasons[0].message
    assert "'Flow speed'" in result.reasons[0].message


@pytest.mark.parametrize(
    "reported",
    [measured(definition_id="D9"), measured(metric_href="urn:metric:jitter")],
    ids=["definition", "href"],
)
def test_the_only_open_request_is_not_matched_with_another_named_measure(reported: ExternalMeasure) -> None:
    assert ids_and_origins(matched(reported, requested=(SPEED,)))[0][1] is MeasureIdOrigin.DERIVED


def test_two_unmatched_measures_do_not_share_the_only_open_request() -> None:
    result = matched(measured(1), measured(2), requested=(SPEED,))
    assert [origin for _, origin in ids_and_origins(result)] == [MeasureIdOrigin.DERIVED] * 2
    assert len({name for name, _ in ids_and_origins(result)}) == 2
    assert codes(result) == ["MEASURE_ID_MISSING"] * 2


def test_a_measure_known_from_an_earlier_report_is_not_open() -> None:
    known = (a_measure("TM1"),)
    result = match_measures((SPEED, DELAY), (measured(),), "fibre-lab", "ext-1", known=known)
    assert ids_and_origins(result) == [("TM2", MeasureIdOrigin.ONLY_OPEN)]
    again = match_measures((SPEED, DELAY), (measured(),), "fibre-lab", "ext-1", known=known + result.measures)
    assert ids_and_origins(again) == ids_and_origins(result)


def test_a_name_shared_by_two_requested_measures_matches_neither() -> None:
    down = RequestedMeasure(id="TM8", metric_name="Speed")
    up = RequestedMeasure(id="TM9", metric_name="speed")
    assert ids_and_origins(matched(measured(metric_name="speed"), requested=(down, up)))[0][0] == "TM9"
    assert codes(matched(measured(metric_name="SPEED"), requested=(down, up))) == ["MEASURE_ID_MISSING"]


def test_a_measure_without_a_usable_id_gets_a_stable_one_and_a_reason() -> None:
    reported = measured(12, metric_name="Jitter")
    result = matched(reported)
    assert ids_and_origins(result) == [(measure_id("fibre-lab", "ext-1", "Jitter"), MeasureIdOrigin.DERIVED)]
    assert result.measures[0].value == 12
    assert codes(result) == ["MEASURE_ID_MISSING"]
    assert result.reasons[0].property_path == "/testMeasure/0"
    assert "'Jitter'" in result.reasons[0].message
    assert matched(reported) == result
    assert match_measures((), (reported,), "fibre-lab", "ext-2").measures[0].id != result.measures[0].id


def test_a_measure_with_an_id_that_nobody_requested_is_unknown() -> None:
    result = matched(measured(id="77"), measured(id="78"))
    assert codes(result) == ["MEASURE_UNKNOWN", "MEASURE_UNKNOWN"]
    assert len(result.measures) == 2


@pytest.mark.parametrize("flip", [1, -1])
def test_of_two_with_one_id_the_later_captured_stays(flip: int) -> None:
    early = measured(1, id="TM1", capture_date_time=NOON)
    late = measured(2, metric_name="Flow speed", capture_date_time=NOON + timedelta(minutes=1))
    result = matched(*(early, late)[::flip])
    assert [measure.value for measure in result.measures] == [2]
    assert codes(result) == ["DUPLICATE_MEASURE"]
    assert result.reasons[0].property_path == "/testMeasure/1"


def test_of_two_without_a_time_the_last_one_stays() -> None:
    result = matched(measured(1, id="TM1"), measured(2, id="TM1"))
    assert [measure.value for measure in result.measures] == [2]


def test_an_echo_of_the_request_is_no_measurement() -> None:
    echo = ExternalMeasure(id="TM1", metric_name="Flow speed")
    assert matched(echo) == MatchedMeasures()
    kept = matched(measured(id="TM1"), echo)
    assert [measure.value for measure in kept.measures] == [90]
    assert kept.reasons == ()


def test_a_measure_that_nobody_requested_is_kept_even_without_a_value() -> None:
    result = matched(ExternalMeasure(id="77", metric_name="Jitter"), measured(id="TM1"), requested=(SPEED,))
    assert [measure.metric_name for measure in result.measures] == ["Jitter", "Flow speed"]
    assert codes(result) == ["MEASURE_UNKNOWN", "MEASURE_VALUE_MISSING"]


def test_a_violation_without_a_value_is_a_measurement() -> None:
    result = matched(ExternalMeasure(id="TM1", rule_violation=(VIOLATION,)))
    assert result.measures[0].rule_violation == with_ids("TM1", (VIOLATION,))
    assert codes(result) == ["MEASURE_VALUE_MISSING"]


@pytest.mark.parametrize(
    ("value", "value_type", "code", "kept"),
    [
        (nan, None, "MEASURE_NOT_FINITE", None),
        (-inf, "number", "MEASURE_NOT_FINITE", None),
        ("NaN", None, "MEASURE_NOT_FINITE", "NaN"),
        ("Infinity", "Number, decimal", "MEASURE_NOT_FINITE", "Infinity"),
        ("fast", "integer", "MEASURE_UNPARSABLE", "fast"),
        (True, "number", "MEASURE_UNPARSABLE", True),
        (JsonText(json_text="[1]"), "float", "MEASURE_UNPARSABLE", JsonText(json_text="[1]")),
        (None, None, "MEASURE_VALUE_MISSING", None),
        (" ", "number", "MEASURE_VALUE_MISSING", " "),
    ],
)
def test_an_unreadable_value_has_a_reason_and_makes_the_run_inconclusive(
    value: JsonValue, value_type: str | None, code: str, kept: JsonValue
) -> None:
    result = matched(measured(value, id="TM1", value_type=value_type), requested=(SPEED,))
    assert codes(result) == [code]
    assert result.measures[0].value == kept
    assert judge_result(RunState.COMPLETED, (SPEED,), result.measures) is Result.INCONCLUSIVE


@pytest.mark.parametrize(
    ("value", "value_type"),
    [
        ("3000", "number"),
        ("nan", "string"),
        (0, "Number, integer"),
        (False, "yes/no"),
        (2.5, None),
        ("1e3", "float"),
    ],
)
def test_a_value_as_the_field_writes_it_is_read(value: JsonValue, value_type: str | None) -> None:
    result = matched(measured(value, id="TM1", value_type=value_type), requested=(SPEED,))
    assert result.reasons == ()
    assert judge_result(RunState.COMPLETED, (SPEED,), result.measures) is Result.PASS


def test_a_number_too_big_for_the_topics_is_kept_as_text() -> None:
    assert matched(measured(2**70, id="TM1")).measures[0].value == str(2**70)


def test_another_unit_has_a_reason_but_does_not_change_the_value() -> None:
    result = matched(measured(id="TM1", unit_of_measure="kbit/s"))
    assert codes(result) == ["MEASURE_UNIT_DIFFERS"]
    assert result.measures[0].unit_of_measure == "kbit/s"


def test_an_impossible_time_is_left_out_with_a_reason() -> None:
    first_day = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    result = matched(measured(id="TM1", capture_date_time=first_day))
    assert codes(result) == ["MEASURE_TIME_UNUSABLE"]
    assert result.measures[0].capture_date_time is None


def test_a_long_name_of_a_measure_does_not_make_a_long_sentence() -> None:
    assert len(matched(measured(metric_name="x" * 100_000)).reasons[0].message) < 250


@given(WANTED, st.lists(REPORTED, max_size=6))
def test_every_reported_measure_is_kept_or_has_a_reason(
    requested: list[RequestedMeasure], reported: list[ExternalMeasure]
) -> None:
    result = match_measures(requested, reported, "fibre-lab", "ext-1")
    ids = [measure.id for measure in result.measures]
    meaningful = [
        measure for measure in reported if measure.has_value or measure.value is not None or measure.rule_violation
    ]
    duplicates = codes(result).count("DUPLICATE_MEASURE")
    assert len(ids) == len(set(ids))
    assert len(meaningful) <= len(ids) + duplicates <= len(reported)


@given(WANTED, st.lists(REPORTED, max_size=6))
def test_an_id_is_a_requested_one_or_marked_as_derived(
    requested: list[RequestedMeasure], reported: list[ExternalMeasure]
) -> None:
    result = match_measures(requested, reported, "fibre-lab", "ext-1")
    requested_ids = {measure.id for measure in requested}
    for measure in result.measures:
        assert (measure.id in requested_ids) is (measure.id_origin is not MeasureIdOrigin.DERIVED)
    derived = any(measure.id_origin is MeasureIdOrigin.DERIVED for measure in result.measures)
    assert derived is bool({"MEASURE_UNKNOWN", "MEASURE_ID_MISSING"} & set(codes(result)))


@given(WANTED, st.lists(REPORTED, max_size=6))
def test_the_same_report_gives_the_same_ids_again(
    requested: list[RequestedMeasure], reported: list[ExternalMeasure]
) -> None:
    once = match_measures(requested, reported, "fibre-lab", "ext-1")
    assert match_measures(requested, reported, "fibre-lab", "ext-1") == once
    again = match_measures(requested, reported, "fibre-lab", "ext-1", known=once.measures)
    assert {m.id for m in again.measures} == {m.id for m in once.measures}


@given(WANTED, st.lists(REPORTED, max_size=6))
def test_every_measure_can_be_published(requested: list[RequestedMeasure], reported: list[ExternalMeasure]) -> None:
    for measure in match_measures(requested, reported, "fibre-lab", "ext-1").measures:
        assert ReportedMeasure.model_validate_json(measure.model_dump_json()) == measure


def test_a_later_report_replaces_what_was_captured_before_it() -> None:
    known = (a_measure("TM1", 1, minutes=1), a_measure("TM2", 2, minutes=1))
    news = (a_measure("TM2", 3, minutes=2), a_measure("TM1", 0, minutes=0), a_measure("TM3", 4))
    assert [(m.id, m.value) for m in merge_measures(known, news)] == [("TM1", 1), ("TM2", 3), ("TM3", 4)]


def test_without_a_time_the_later_report_replaces_the_earlier() -> None:
    assert merge_measures((a_measure(value=1, minutes=1),), (a_measure(value=2),)) == (a_measure(value=2),)


@pytest.mark.parametrize(
    ("state", "measures", "problems", "result"),
    [
        (RunState.COMPLETED, (a_measure("TM1"), a_measure("TM2")), (), Result.PASS),
        (RunState.COMPLETED, (a_measure("TM1", violated=True), a_measure("TM2")), (), Result.FAIL),
        (RunState.COMPLETED, (a_measure("TM1", violated=True),), (ID_MISSING,), Result.FAIL),
        (RunState.COMPLETED, (a_measure("TM1"),), (), Result.INCONCLUSIVE),
        (RunState.COMPLETED, (), (), Result.INCONCLUSIVE),
        (RunState.COMPLETED, (a_measure("TM1"), a_measure("TM2")), (ID_MISSING,), Result.INCONCLUSIVE),
        (RunState.FAILED, (), (), None),
        (RunState.FAILED, (a_measure("TM1"), a_measure("TM2")), (), Result.INCONCLUSIVE),
        (RunState.FAILED, (a_measure("TM1", violated=True),), (), Result.FAIL),
        (RunState.COMPLETED, (a_measure("TM1"), a_measure("TM2")), (VERDICT_FAIL,), Result.FAIL),
        (RunState.COMPLETED, (a_measure("TM1"), a_measure("TM2")), (VERDICT_OPEN,), Result.INCONCLUSIVE),
        (RunState.FAILED, (), (VERDICT_FAIL,), Result.FAIL),
        (RunState.FAILED, (), (VERDICT_OPEN,), Result.INCONCLUSIVE),
        (RunState.CANCELLED, (), (VERDICT_FAIL,), None),
        (RunState.CANCELLED, (a_measure("TM1", violated=True),), (), None),
        (RunState.REJECTED, (), (), None),
        (RunState.IN_PROGRESS, (a_measure("TM1", violated=True),), (), None),
    ],
)
def test_the_result_follows_from_state_measures_and_problems(
    state: RunState,
    measures: tuple[ReportedMeasure, ...],
    problems: tuple[Reason, ...],
    result: Result | None,
) -> None:
    assert judge_result(state, (SPEED, DELAY, LOSS), measures, problems) is result


def test_where_nothing_was_requested_no_violation_is_a_pass() -> None:
    reported = matched(measured(metric_name="Jitter"), requested=())
    assert judge_result(RunState.COMPLETED, (), reported.measures, reported.reasons) is Result.PASS
    assert judge_result(RunState.COMPLETED, (), ()) is Result.PASS


def test_missing_mandatory_measures_are_named() -> None:
    (reason,) = missing_measures((SPEED, DELAY, LOSS), (a_measure("TM2"),))
    assert reason.code == "MEASURE_MISSING"
    assert "'Flow speed' (TM1)" in reason.message


@given(st.sampled_from(RunState), WANTED, st.lists(REPORTED, max_size=6))
def test_no_run_passes_that_did_not_complete_or_misses_or_violates_anything(
    state: RunState, requested: list[RequestedMeasure], reported: list[ExternalMeasure]
) -> None:
    result = match_measures(requested, reported, "fibre-lab", "ext-1")
    judged = judge_result(state, requested, result.measures, result.reasons)
    violated = any(measure.rule_violation for measure in result.measures)
    if judged is Result.PASS:
        assert state is RunState.COMPLETED
        assert not violated
        assert not missing_measures(requested, result.measures)
    assert (judged is Result.FAIL) is (violated and state in {RunState.COMPLETED, RunState.FAILED})
