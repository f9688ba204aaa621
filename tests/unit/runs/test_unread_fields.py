"""Answers without a state are counted in a row, told once, and forgotten when a state is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.checks.missing_parts import LOST
from router.runs.checks.watch import Missing, begin
from router.runs.events import Reported
from router.runs.processed_events import record_effects
from router.runs.reports.report import ExternalMeasure, ExternalReport
from router.runs.reports.unread_fields import (
    MIN_ANSWERS,
    STATE_NOT_SHOWN,
    answers_without_state,
    count_answer,
    newest_reports,
)
from router.runs.revisions.replacement import end_test
from router.runs.run import MAX_PROCESSED_REPORTS, replace
from schemas.results import Reason, RunUpdate
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run

if TYPE_CHECKING:
    from router.runs.run import RunRow

UNREAD = ExternalReport(external_id="ext-TR0001", shown="the fields 'id'")
NO_RUN = ExternalReport(external_id="ext-TR0001", shown="no run: a page", names_no_run=True)
NAMED = ExternalReport(external_id="ext-TR0001", state=RunState.ACKNOWLEDGED, raw_state="acknowledged")
PART = ExternalReport(external_id="ext-TR0001", shown="the fields 'id'", alike=0)
REPORTS = {"unread": UNREAD, "no run": NO_RUN, "named": NAMED, "part": PART}
TOLD = Reason(code=STATE_NOT_SHOWN, message="no state")


def after_report(row: RunRow, report: ExternalReport, report_id: str) -> tuple[RunRow, int]:
    """Return the row after a report, and how many updates said that no state is shown."""
    run_events = (Reported(report_id=report_id, report=report),)
    step = advance(row, run_events, NOON)
    updates = [update for update in step.notifications if isinstance(update, RunUpdate)]
    told = sum(reason.code == STATE_NOT_SHOWN for update in updates for reason in update.reasons)
    return record_effects(step, run_events, report_id), told


def after_reports(row: RunRow, *reports: ExternalReport) -> tuple[RunRow, int]:
    told = 0
    for number, report in enumerate(reports):
        row, more = after_report(row, report, f"{row.revision} report {number}")
        told += more
    return row, told


def with_new_measure(report: ExternalReport, number: int) -> ExternalReport:
    return replace_measures(report, ExternalMeasure(metric_name=f"M{number}", value=number, has_value=True))


def replace_measures(report: ExternalReport, measure: ExternalMeasure) -> ExternalReport:
    return ExternalReport(external_id=report.external_id, measures=(measure,), alike=0, shown="the fields 'id'")


@given(st.lists(st.sampled_from(sorted(REPORTS)), max_size=120))
def test_what_is_told_follows_from_the_reports_however_many_there_are(kinds: list[str]) -> None:
    row, counted, named, is_told = a_run(phase=Phase.ACCEPTED), 0, False, False
    for number, kind in enumerate(kinds):
        row, told = after_report(row, REPORTS[kind], f"report {number}")
        was_told = is_told
        if kind == "named":
            counted, named, is_told = 0, True, False
        elif kind == "no run" or (kind == "unread" and not named):
            counted = min(counted + 1, MIN_ANSWERS)
            is_told = counted == MIN_ANSWERS
        elif kind == "unread" and not is_told:
            counted = 0
        assert told == (is_told and not was_told)
        assert any(reason.code == STATE_NOT_SHOWN for reason in row.reasons) == is_told
        if not is_told:
            assert answers_without_state(row) == counted
        assert f"report {number}" in row.processed_reports
        assert len(row.processed_reports) <= MAX_PROCESSED_REPORTS


@given(st.lists(st.text(max_size=3), max_size=60), st.booleans())
def test_the_newest_entries_are_kept_behind_the_count(entries: list[str], counted: bool) -> None:  # noqa: FBT001 - drawn
    count = ("answers without a state: 2",) if counted else ()
    kept = newest_reports((*count, *entries))
    assert len(kept) == min(len(count) + len(entries), MAX_PROCESSED_REPORTS)
    assert kept[: len(count)] == count
    newest = kept[len(count) :]
    assert tuple(entries[len(entries) - len(newest) :]) == newest


def test_many_reports_with_measures_do_not_displace_the_count() -> None:
    row, _ = after_reports(a_run(phase=Phase.ACCEPTED), UNREAD, UNREAD)
    row, _ = after_reports(row, *(with_new_measure(UNREAD, number) for number in range(50)))
    assert answers_without_state(row) == 2
    _, told = after_reports(row, UNREAD)
    assert told == 1


def test_a_reason_is_taken_back_whose_count_a_previous_version_displaced() -> None:
    row = a_run(phase=Phase.ACCEPTED, reasons=(TOLD,))
    again, told = after_reports(row, *[UNREAD] * 3)
    assert (told, again.reasons) == (0, (TOLD,))
    row, _ = after_reports(again, NAMED)
    assert row.reasons == ()


def test_a_state_that_was_named_is_known_although_later_answers_leave_it_out() -> None:
    row, told = after_reports(a_run(phase=Phase.ACCEPTED), NAMED, *[UNREAD] * 6)
    assert (told, answers_without_state(row)) == (0, 0)


def test_answers_that_are_no_run_are_told_of_a_run_whose_state_was_named() -> None:
    _, told = after_reports(a_run(phase=Phase.ACCEPTED), NAMED, *[NO_RUN] * 6)
    assert told == 1


def test_parts_of_a_run_do_not_count() -> None:
    row, told = after_reports(a_run(phase=Phase.ACCEPTED), *[PART] * 6)
    assert (told, answers_without_state(row)) == (0, 0)


@pytest.mark.parametrize("missing", [Missing.RUN, Missing.MEASURES, Missing.STATE])
def test_what_is_no_run_ends_no_watch(missing: Missing) -> None:
    row = a_run(phase=Phase.ACCEPTED, watch=begin(missing, NOON, 600))
    row, _ = after_reports(row, NO_RUN)
    assert row.watch is not None


def test_what_is_no_run_does_not_take_a_lost_run_back() -> None:
    lost = a_run(phase=Phase.FAILED, state=RunState.FAILED, reasons=(Reason(code=LOST, message="it is gone"),))
    row, _ = after_reports(lost, NO_RUN)
    assert (row.phase, row.state, row.reasons) == (Phase.FAILED, RunState.FAILED, lost.reasons)


def test_a_test_that_is_replaced_takes_its_count_with_it() -> None:
    row, _ = after_reports(a_run(phase=Phase.ACCEPTED), UNREAD, UNREAD)
    assert answers_without_state(end_test(row)[0]) == 0
    named, _ = after_reports(a_run(phase=Phase.ACCEPTED), NAMED)
    row = replace(end_test(named)[0], phase=Phase.ACCEPTED, state=RunState.ACKNOWLEDGED)
    _, (reason,) = count_answer(replace(row, processed_reports=("answers without a state: 2",)), UNREAD)
    assert reason.code == STATE_NOT_SHOWN
