"""What an external system sends makes no run grow without a bound, and what a result depends on is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.runs.measures.bounds import (
    MAX_BYTES,
    MAX_MEASURES,
    MEASURES_LEFT_OUT,
    MEASURES_SHORTENED,
    bounded_measures,
    size_of,
)
from router.runs.reports.reasons import LEFT_OUT, MAX_REASONS, bounded_reasons
from router.runs.reports.shorten_notification import SHORTENED, STEPS, shortened
from schemas.results import Reason, ReportedMeasure, RuleViolation, RunResult
from schemas.run_document import JsonText
from schemas.vocabulary import MeasureIdOrigin, Result, RunState
from tests.builders.runs import NOON

REASONS = st.lists(st.builds(Reason, code=st.sampled_from("ABCDEFGH"), message=st.text(max_size=5)), max_size=300).map(
    tuple
)
LONG = st.text(alphabet="aé€😀", min_size=1, max_size=40).map(lambda text: text * 4_000)
MEASURES = st.lists(
    st.builds(
        ReportedMeasure,
        id=st.uuids().map(str),
        id_origin=st.sampled_from(MeasureIdOrigin),
        metric_name=st.none() | LONG,
        metric_href=st.none() | LONG,
        value=st.none() | st.integers(-5, 5) | LONG | st.builds(JsonText, json_text=st.just(f'["{"x" * 100_000}"]')),
        value_type=st.none() | LONG,
        unit_of_measure=st.none() | LONG,
        rule_violation=st.just(()) | st.builds(RuleViolation, name=LONG, consequence=LONG).map(lambda one: (one,) * 3),
    ),
    max_size=12,
).map(tuple)


def a_measure(number: int, origin: MeasureIdOrigin = MeasureIdOrigin.DERIVED, **more: Any) -> ReportedMeasure:  # noqa: ANN401
    return ReportedMeasure(id=f"M{number}", id_origin=origin, **more)


def a_result(measures: tuple[ReportedMeasure, ...] = (), reasons: tuple[Reason, ...] = ()) -> RunResult:
    return RunResult(
        run_id="TR1",
        root_run_id="TR1",
        request_id="RQ1",
        spoke="lab",
        state=RunState.COMPLETED,
        result=Result.PASS,
        test_measure=measures,
        reasons=reasons,
        revision=5,
        occurred_at=NOON,
    )


@given(REASONS)
def test_reasons_are_few_with_the_first_the_last_and_how_many_are_left_out(reasons: tuple[Reason, ...]) -> None:
    kept = bounded_reasons(reasons)
    assert len(kept) <= MAX_REASONS
    assert kept[:1] + kept[-1:] == reasons[:1] + reasons[-1:]
    assert {reason.code for reason in reasons} <= {reason.code for reason in kept}
    counted = [int(reason.message.split()[0]) for reason in kept if reason.code == LEFT_OUT]
    assert sum(counted) + len(kept) - len(counted) == len(reasons)
    assert bounded_reasons(kept) == kept


@given(REASONS, REASONS)
def test_reasons_that_are_added_later_are_counted_too(first: tuple[Reason, ...], more: tuple[Reason, ...]) -> None:
    kept = bounded_reasons((*bounded_reasons(first), *more))
    counted = [int(reason.message.split()[0]) for reason in kept if reason.code == LEFT_OUT]
    assert len(counted) <= 1
    assert sum(counted) + len(kept) - len(counted) == len(first) + len(more)


def test_a_reason_is_short() -> None:
    (reason,) = bounded_reasons((Reason(code="X", message="m" * 10**6, property_path="/p" * 10**6),))
    assert len(reason.message) + len(reason.property_path or "") < 5_000


@settings(deadline=None, max_examples=50)
@given(MEASURES)
def test_measures_are_bounded_in_size_and_keep_ids_numbers_and_that_they_violate(
    measures: tuple[ReportedMeasure, ...],
) -> None:
    kept, reasons = bounded_measures(measures)
    assert sum(map(size_of, kept)) <= MAX_BYTES
    assert len(a_result(kept).model_dump_json().encode()) < 1_000_000
    assert bool(reasons) is (sum(map(size_of, measures)) > MAX_BYTES)
    for before, after in zip(measures, kept, strict=True):
        assert (after.id, after.id_origin) == (before.id, before.id_origin)
        assert bool(after.rule_violation) is bool(before.rule_violation)
        assert after.value == before.value or isinstance(before.value, (str, JsonText))
        assert bool(after.value) is bool(before.value)
    assert bounded_measures(kept) == (kept, ())


def test_only_measures_that_are_too_large_are_shortened() -> None:
    measures = (a_measure(1, value="v" * 500), a_measure(2, value="x" * 900_000), a_measure(3, value=1.5))
    kept, (reason,) = bounded_measures(measures)
    assert (kept[0], kept[2]) == (measures[0], measures[2])
    assert isinstance(kept[1].value, str)
    assert kept[1].value.startswith("xxx")
    assert kept[1].value.endswith("…")
    assert reason.code == MEASURES_SHORTENED


def test_the_largest_number_of_measures_with_long_texts_fits_a_message() -> None:
    texts = dict.fromkeys(
        ("metric_name", "metric_href", "value_type", "unit_of_measure", "capture_method"), "€" * 2_000
    )
    violation = RuleViolation(id="€" * 500, name="€" * 500, description="€" * 500)
    many = tuple(
        ReportedMeasure(
            id=f"00000000-0000-0000-0000-{number:012}",
            id_origin=MeasureIdOrigin.DERIVED,
            value="€" * 500,
            rule_violation=(violation,),
            **texts,
        )
        for number in range(MAX_MEASURES)
    )
    kept, _ = bounded_measures(many)
    assert sum(map(size_of, kept)) <= MAX_BYTES
    assert bounded_measures(kept)[0] == kept


def test_of_many_measures_the_requested_ones_stay_and_the_first_and_last_of_the_others() -> None:
    others = tuple(map(a_measure, range(5_000)))
    requested = a_measure(9_999, MeasureIdOrigin.REPORTED)
    kept, (reason,) = bounded_measures((*others[:-1], requested, others[-1]))
    assert len(kept) == MAX_MEASURES
    assert requested in kept
    assert (kept[0], kept[-1]) == (others[0], others[-1])
    assert (reason.code, reason.message.split()[0]) == (MEASURES_LEFT_OUT, "3,001")


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_result_that_is_shortened_keeps_its_verdict_and_the_requested_measures(step: int) -> None:
    requested = tuple(a_measure(number, MeasureIdOrigin.REPORTED, value=number) for number in range(60))
    others = tuple(a_measure(number, value="x" * 1_000) for number in range(100, 1_000))
    reasons = tuple(Reason(code=f"C{number}", message="m") for number in range(90))
    whole = a_result((*requested, *others), reasons)
    shorter = shortened(whole, step)
    assert isinstance(shorter, RunResult)
    assert (shorter.state, shorter.result, shorter.revision) == (whole.state, whole.result, whole.revision)
    assert shorter.test_measure[:60] == requested
    assert shorter.reasons[-1].code == SHORTENED
    assert len(shorter.reasons) < 20
    sizes = [len(shortened(whole, each).model_dump_json()) for each in range(1, STEPS + 1)]
    assert sizes == sorted(sizes, reverse=True)
