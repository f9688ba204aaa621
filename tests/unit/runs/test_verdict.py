"""The last word of a system before the end of a run is its verdict; one from before is provisional."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.deadlines.deadline import Deadline
from router.runs.events import DeadlineReached, Reported
from router.runs.reports.news import has_news
from router.runs.reports.report import ExternalMeasure, ExternalReport
from router.runs.reports.report_order import merge_answer
from router.runs.reports.verdict import read_unknown_verdict
from schemas.results import Reason, RunResult
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Phase, Result, RunState
from tests.builders.runs import NOON, a_document, a_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs.run import RunRow

LOSS = RequestedMeasure(id="M1", metric_name="loss")
MEASURED = (ExternalMeasure(metric_name="loss", value=1, has_value=True),)
VERDICTS = st.sampled_from([None, Result.PASS, Result.FAIL, Result.INCONCLUSIVE])
EXPLAINED = st.sampled_from([None, "line is down", "port is dark"])


def said(verdict: Result | None, state: RunState | None = None, **more: object) -> ExternalReport:
    return ExternalReport(external_id="ext-TR0001", verdict=verdict, state=state, raw_state=state, **more)  # type: ignore[arg-type]


def a_run_at_its_system(**more: object) -> RunRow:
    document = a_document().model_copy(update={"test_measure": (LOSS,)})
    return a_run(phase=Phase.ACCEPTED, document=document, **more)  # type: ignore[arg-type]


def after(reports: Sequence[ExternalReport], *, ends_with_measures: bool = True, row: RunRow | None = None) -> RunRow:
    """Return the row after reports, one second apart."""
    row = row or a_run_at_its_system()
    for number, report in enumerate(reports):
        reported = Reported(report_id=f"R{row.revision}.{number}", report=report, ends_with_measures=ends_with_measures)
        row = advance(row, (reported,), NOON + timedelta(seconds=number)).row
    return row


def codes(row: RunRow) -> list[str]:
    return [reason.code for reason in row.reasons]


def test_fault_a_verdict_of_a_poll_before_the_end_sticks() -> None:
    row = after([said(Result.FAIL), said(Result.FAIL), said(Result.PASS, measures=MEASURED)])
    assert (row.state, row.result, row.reasons) == (RunState.COMPLETED, Result.PASS, ())


def test_fault_an_inconclusive_verdict_at_the_end_is_not_read_without_a_state() -> None:
    assert after([said(None), said(Result.INCONCLUSIVE, measures=MEASURED)]).result is Result.INCONCLUSIVE


def test_fault_a_verdict_beside_a_state_that_never_ends_is_not_read() -> None:
    row = after([said(Result.FAIL, RunState.IN_PROGRESS, measures=MEASURED)])
    assert (row.state, row.result) == (RunState.COMPLETED, Result.FAIL)


@given(st.lists(VERDICTS, max_size=6), VERDICTS)
def test_the_last_word_before_the_end_counts(before: list[Result | None], at_the_end: Result | None) -> None:
    row = after([*map(said, before), said(at_the_end, measures=MEASURED)])
    words = [word for word in (*before, at_the_end) if word is not None]
    assert row.result is (words[-1] if words else Result.PASS)
    assert "VERDICT_PASS" not in codes(row)


@given(st.lists(st.tuples(st.integers(0, 5), VERDICTS), max_size=6))
def test_an_answer_that_was_asked_for_before_a_newer_one_replaces_no_verdict(
    answers: list[tuple[int, Result | None]],
) -> None:
    row, known, newest = a_run_at_its_system(), None, -1
    for number, (second, verdict) in enumerate(answers):
        asked_at = NOON + timedelta(seconds=second)
        reported = Reported(report_id=f"R{number}", report=said(verdict, as_of=asked_at))
        row = advance(row, (reported,), max(row.updated_at, asked_at)).row
        if verdict is not None and (known is None or second >= newest):
            known = verdict
        newest = max(newest, second)
    found = [code for code in codes(row) if code.startswith("VERDICT_")]
    assert found == ([f"VERDICT_{known.name}"] if known else [])


@given(VERDICTS, st.sampled_from([RunState.ACKNOWLEDGED, RunState.PENDING, RunState.IN_PROGRESS]))
def test_an_initial_value_beside_a_state_of_a_run_that_goes_on_is_no_verdict(
    verdict: Result | None, state: RunState
) -> None:
    reports = [said(verdict, state), said(None, RunState.COMPLETED, measures=MEASURED)]
    assert after(reports, ends_with_measures=False).result is Result.PASS


def test_a_report_that_names_a_state_takes_a_provisional_verdict_back() -> None:
    reports = [said(Result.FAIL), said(Result.PASS, RunState.IN_PROGRESS)]
    end = said(None, RunState.COMPLETED, measures=MEASURED)
    assert after([*reports, end], ends_with_measures=False).result is Result.PASS
    assert after([reports[0], end], ends_with_measures=False).result is Result.FAIL


def test_a_verdict_that_changes_while_measures_are_awaited_is_the_newer_one() -> None:
    reports = [said(Result.FAIL, RunState.COMPLETED), said(Result.PASS, RunState.COMPLETED, measures=MEASURED)]
    row = a_run_at_its_system()
    for number, report in enumerate(reports):
        row = advance(row, (Reported(report_id=str(number), report=report, measures_grace=30.0),), NOON).row
    assert row.result is Result.PASS


@pytest.mark.parametrize(
    ("late", "result"),
    [
        (said(Result.FAIL), Result.FAIL),
        (said(Result.INCONCLUSIVE, RunState.COMPLETED), Result.INCONCLUSIVE),
        (said(Result.PASS), Result.PASS),
        (said(Result.FAIL, as_of=NOON - timedelta(seconds=1)), Result.PASS),  # it was asked for before the end
        (said(Result.FAIL, RunState.COMPLETED, as_of=NOON - timedelta(seconds=1)), Result.FAIL),
        (said(Result.FAIL, RunState.CANCELLED), Result.PASS),
    ],
)
def test_after_the_end_a_worse_verdict_counts_unless_it_is_from_before(late: ExternalReport, result: Result) -> None:
    ended = after([said(Result.PASS, measures=MEASURED)])
    step = advance(ended, (Reported(report_id="late", report=late, ends_with_measures=True),), NOON)
    assert step.row.result is result
    published = [one for one in step.notifications if isinstance(one, RunResult)]
    assert [one.result for one in published] == ([] if result is Result.PASS else [result])


def test_a_better_verdict_after_the_end_changes_nothing() -> None:
    ended = after([said(Result.FAIL, measures=MEASURED)])
    late = said(Result.PASS, RunState.COMPLETED)
    assert advance(ended, (Reported(report_id="late", report=late),), NOON).notifications == ()


@given(VERDICTS, VERDICTS)
def test_a_poll_has_news_if_the_verdict_is_another_one(known: Result | None, verdict: Result | None) -> None:
    row = after([said(known)])
    assert has_news(row, said(verdict), NOON, 30.0) == (verdict is not None and verdict is not known)


def test_a_poll_of_a_run_with_too_many_reasons_has_news_if_the_verdict_is_another_one() -> None:
    many = tuple(Reason(code=f"C{number}", message="m") for number in range(200))
    row = after([said(Result.FAIL)], row=a_run_at_its_system(reasons=many))
    assert has_news(row, said(Result.PASS), NOON, 30.0)


def test_a_run_that_times_out_keeps_no_pass() -> None:
    row = after([said(Result.PASS)])
    assert codes(row) == ["VERDICT_PASS"]
    row = a_run_at_its_system(deadline=Deadline(expires=NOON), reasons=row.reasons)
    ended = advance(row, (DeadlineReached(as_of=NOON),), NOON).row
    assert (ended.result, codes(ended)) == (Result.TIMED_OUT, ["TIMEOUT"])


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.REJECTED, RunState.CANCELLED])
def test_the_explanation_of_a_system_is_in_the_result(state: RunState) -> None:
    report = said(None, state, status_reason="line is down")
    step = advance(a_run_at_its_system(), (Reported(report_id="R", report=report),), NOON)
    (result,) = [one for one in step.notifications if isinstance(one, RunResult)]
    assert [(reason.code, reason.message) for reason in result.reasons] == [("STATUS_REASON", "line is down")]


@given(st.lists(st.tuples(VERDICTS, EXPLAINED), min_size=1, max_size=5))
def test_a_run_has_the_explanation_of_its_last_verdict_only(words: list[tuple[Result | None, str | None]]) -> None:
    reports = [said(verdict, status_reason=text) for verdict, text in words]
    reports[-1] = said(words[-1][0], status_reason=words[-1][1], measures=MEASURED)
    row = after(reports)
    told = [reason.message for reason in row.reasons if reason.code == "STATUS_REASON"]
    assert len(told) <= 1
    if row.result is Result.PASS:
        assert told == []
    verdict, text = words[-1]
    if verdict not in (None, Result.PASS) and text is not None:
        assert told == [text]


def test_what_a_system_says_of_a_run_that_goes_on_is_no_explanation() -> None:
    reports = [
        said(None, RunState.PENDING, status_reason="step 2"),
        said(Result.PASS, RunState.COMPLETED, measures=MEASURED),
    ]
    assert after([*reports, said(None, RunState.COMPLETED, status_reason="all is well")]).reasons == ()


def test_an_explanation_that_comes_after_the_end_is_told_once() -> None:
    ended = after([said(None, RunState.FAILED)])
    row, told = ended, list[object]()
    for number in range(3):
        report = said(None, RunState.FAILED, status_reason=f"line {number} is down")
        step = advance(row, (Reported(report_id=f"late {number}", report=report),), NOON)
        row, told = step.row, [*told, *step.notifications]
    assert codes(row) == ["STATUS_REASON"]
    assert len([one for one in told if isinstance(one, RunResult)]) == 1


def test_a_thin_event_and_its_answer_have_one_last_word() -> None:
    event = said(Result.FAIL, RunState.COMPLETED, status_reason="line is down", thin=True)
    behind = merge_answer(event, said(Result.PASS, RunState.IN_PROGRESS))
    assert (behind.verdict, behind.status_reason) == (Result.FAIL, "line is down")
    assert merge_answer(event, said(Result.PASS, RunState.COMPLETED)).verdict is Result.PASS
    assert merge_answer(event, said(None, RunState.COMPLETED)).verdict is Result.FAIL


@given(VERDICTS, VERDICTS)
def test_fault_the_verdict_of_an_answer_that_ends_a_run_counts_although_the_run_was_changed_meanwhile(
    provisional: Result | None, verdict: Result | None
) -> None:
    changed = advance(a_run_at_its_system(), (Reported(report_id="R", report=said(provisional)),), NOON).row
    asked_at = changed.updated_at - timedelta(seconds=1)
    answer = said(verdict, RunState.COMPLETED, measures=MEASURED, as_of=asked_at)
    assert after([answer], ends_with_measures=False, row=changed).result is (verdict or provisional or Result.PASS)
    by_measures = said(verdict, RunState.IN_PROGRESS, measures=MEASURED, as_of=asked_at)
    assert after([by_measures], row=changed).result is (verdict or provisional or Result.PASS)


def test_fault_a_provisional_measure_outlives_that_of_the_answer_that_ends_the_run() -> None:
    first = (ExternalMeasure(metric_name="loss", value=9, has_value=True),)
    row = after([said(None, RunState.IN_PROGRESS, measures=first)], ends_with_measures=False)
    answer = said(None, RunState.COMPLETED, measures=MEASURED, as_of=row.updated_at - timedelta(seconds=1))
    (measure,) = after([answer], ends_with_measures=False, row=row).measures
    assert measure.value == 1


def test_an_answer_from_before_an_end_that_awaits_measures_replaces_no_verdict() -> None:
    end = Reported(report_id="end", report=said(Result.FAIL, RunState.COMPLETED), measures_grace=30.0)
    row = advance(a_run_at_its_system(), (end,), NOON).row
    answer = said(Result.PASS, RunState.COMPLETED, measures=MEASURED, as_of=NOON - timedelta(seconds=1))
    assert after([answer], ends_with_measures=False, row=row).result is Result.FAIL


@given(st.lists(VERDICTS, min_size=1, max_size=8))
def test_fault_a_worse_verdict_after_the_end_is_published_again_with_each_report(verdicts: list[Result | None]) -> None:
    row, told = after([said(Result.PASS, measures=MEASURED)]), list[Result | None]()
    for number, verdict in enumerate(verdicts):
        late = Reported(report_id=f"late {number}", report=said(verdict), ends_with_measures=True)
        step = advance(row, (late,), NOON)
        row, told = step.row, [*told, *[one.result for one in step.notifications if isinstance(one, RunResult)]]
    assert told in ([], [Result.INCONCLUSIVE], [Result.FAIL], [Result.INCONCLUSIVE, Result.FAIL])
    assert codes(row) == ([f"VERDICT_{told[-1].name}"] if told and told[-1] else [])


@pytest.mark.parametrize(
    ("late", "explained"),
    [
        (said(None, RunState.CANCELLED, status_reason="late"), False),
        (said(None, RunState.FAILED, status_reason="late"), False),
        (said(Result.INCONCLUSIVE, RunState.COMPLETED, status_reason="late"), False),
        (said(Result.FAIL, RunState.COMPLETED, status_reason="late"), True),
        (said(Result.FAIL, status_reason="late"), True),
    ],
)
def test_fault_a_late_explanation_of_another_end_is_told_of_a_run(late: ExternalReport, *, explained: bool) -> None:
    ended = after([said(Result.FAIL, measures=MEASURED)])
    row = after([late], row=ended)
    assert ("STATUS_REASON" in codes(row)) == explained
    passed = after([said(None, measures=MEASURED)])
    assert after([said(None, RunState.CANCELLED, status_reason="late")], row=passed).result is Result.PASS
    assert "STATUS_REASON" not in codes(after([said(None, RunState.CANCELLED, status_reason="late")], row=passed))


def test_a_worse_verdict_after_the_end_replaces_the_explanation_of_the_milder_one() -> None:
    ended = after([said(Result.INCONCLUSIVE, status_reason="a probe is missing", measures=MEASURED)])
    row = after([said(Result.FAIL, RunState.COMPLETED, status_reason="line is down")], row=ended)
    assert [reason.message for reason in row.reasons if reason.code == "STATUS_REASON"] == ["line is down"]
    failed = after([said(None, RunState.FAILED, status_reason="line is down")])
    assert set(codes(after([said(Result.FAIL, RunState.FAILED)], row=failed))) == {"STATUS_REASON", "VERDICT_FAIL"}


@given(st.lists(st.sampled_from(["NIO", "weiß nicht", None]), max_size=4), VERDICTS)
def test_fault_a_verdict_in_unknown_words_is_a_pass(words: list[str | None], verdict: Result | None) -> None:
    reports = [said(None, unknown_verdict=word) for word in words]
    row = after([*reports, said(verdict, measures=MEASURED)])
    last = next((word for word in reversed(words) if word is not None), None)
    unknown = last is not None and verdict is None
    assert row.result is (Result.INCONCLUSIVE if unknown else verdict or Result.PASS)
    told = [reason.message for reason in row.reasons if reason.code == "UNKNOWN_VERDICT"]
    assert len(told) == unknown
    assert all(repr(last) in message and "mapping.receive" in message for message in told)


def test_an_unknown_verdict_keeps_its_explanation_and_a_known_one_replaces_it() -> None:
    end = said(None, RunState.COMPLETED, unknown_verdict="NIO", status_reason="line is down", measures=MEASURED)
    row = after([end], ends_with_measures=False)
    assert codes(row) == ["UNKNOWN_VERDICT", "STATUS_REASON"]
    row = after([said(Result.FAIL, RunState.COMPLETED)], row=row, ends_with_measures=False)
    assert (row.result, set(codes(row))) == (Result.FAIL, {"VERDICT_FAIL", "STATUS_REASON"})
    row = after([said(Result.FAIL, RunState.COMPLETED)], row=after([end]), ends_with_measures=False)
    assert codes(row).count("STATUS_REASON") == 1


def test_what_the_answer_to_a_call_calls_its_result_is_no_verdict_on_the_run() -> None:
    posted = said(None, unknown_verdict="created").of_part()
    assert after([posted, said(None, measures=MEASURED)]).result is Result.PASS
    ended = said(None, RunState.COMPLETED, unknown_verdict="NIO", measures=MEASURED).of_part()
    assert after([ended], ends_with_measures=False).result is Result.INCONCLUSIVE
    assert after([said(Result.FAIL).of_part(), said(None, measures=MEASURED)]).result is Result.FAIL


def test_an_event_with_a_verdict_keeps_it_if_the_answer_after_it_is_no_run() -> None:
    event = said(Result.FAIL, thin=True)
    merged = merge_answer(event, ExternalReport(external_id=None, names_no_run=True, shown="the fields 'data'"))
    assert not merged.is_no_run
    assert after([merged, said(None, measures=MEASURED)]).result is Result.FAIL
    assert not said(Result.FAIL, names_no_run=True).is_no_run


@pytest.mark.parametrize(
    ("written", "unknown"),
    [
        ("NIO", "NIO"),
        (3, "3"),
        (False, "false"),
        ("pass", None),
        (" Failed ", None),
        (None, None),
        ("", None),
        ({"code": "NIO"}, '{"code":"NIO"}'),
        (["fail"], '["fail"]'),
        ([], None),
        ("a\nb", "a b"),
        ("x" * 999, "x" * 100),
    ],
)
def test_what_is_no_word_for_a_verdict_is_unknown(written: object, unknown: str | None) -> None:
    assert read_unknown_verdict(written) == unknown


def test_a_thin_event_with_an_unknown_verdict_and_its_answer_have_one_last_word() -> None:
    event = said(None, RunState.COMPLETED, unknown_verdict="NIO", thin=True)
    merged = merge_answer(event, said(Result.PASS, RunState.IN_PROGRESS))
    assert (merged.verdict, merged.unknown_verdict) == (None, "NIO")
    merged = merge_answer(event, said(Result.PASS, RunState.COMPLETED))
    assert (merged.verdict, merged.unknown_verdict) == (Result.PASS, None)
