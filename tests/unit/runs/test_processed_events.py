"""A run remembers processed reports and processed events in two fields, so that neither displaces the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import advance
from router.runs.events import CancelAccepted, CancelRefused, ChangeRefused, Reported
from router.runs.processed_events import has_led_to, notifications_of, record_effects
from router.runs.reports.report import ExternalMeasure, ExternalReport
from router.runs.run import MAX_PROCESSED_EVENTS, MAX_PROCESSED_REPORTS
from schemas.results import Reason, RunUpdate
from schemas.vocabulary import Phase, RunState, UpdateKind
from tests.builders.runs import NOON, a_run

if TYPE_CHECKING:
    from router.runs.events import RunEvent
    from router.runs.run import RunRow

IN_PROGRESS = ExternalReport(external_id="ext-TR0001", state=RunState.IN_PROGRESS)
COMPLETED = ExternalReport(external_id="ext-TR0001", state=RunState.COMPLETED)
FAILED = ExternalReport(external_id="ext-TR0001", state=RunState.FAILED, raw_state="failed")
NO = (Reason(code="21", message="no such line"),)


def after(row: RunRow, cause: str, *run_events: RunEvent) -> RunRow:
    """Return the row that is stored after an event caused these run events."""
    step = advance(row, run_events, NOON)
    return record_effects(step, run_events, cause) if step.changed else step.row


def reported(row: RunRow, report: ExternalReport, count: int) -> RunRow:
    for number in range(count):
        row = after(row, f"report {number}", Reported(report_id=f"report {number}", report=report))
    return row


def updates(row: RunRow, cause: str) -> list[UpdateKind]:
    return [data.kind for data in notifications_of(row, cause) if isinstance(data, RunUpdate)]


def test_32_reports_do_not_displace_what_an_event_led_to() -> None:
    row = after(a_run(phase=Phase.ACCEPTED), "command", CancelAccepted())
    assert has_led_to(reported(row, IN_PROGRESS, 32), "command", UpdateKind.CANCEL_ACCEPTED)


def test_late_reports_that_are_announced_do_not_displace_it_either() -> None:
    row = after(a_run(phase=Phase.ACCEPTED), "command", CancelAccepted())
    row = after(row, "the end", Reported(report_id="the end", report=COMPLETED))
    for number in range(200):
        measure = ExternalMeasure(metric_name=f"late {number}", value=number, has_value=True)
        late = replace(COMPLETED, measures=(measure,))
        row = after(row, f"report {number}", Reported(report_id=f"report {number}", report=late))
    assert has_led_to(row, "command", UpdateKind.CANCEL_ACCEPTED)
    assert updates(row, "report 199") == [UpdateKind.STALE]


def test_processed_events_do_not_displace_the_ids_of_reports() -> None:
    row = reported(a_run(phase=Phase.ACCEPTED), IN_PROGRESS, 1)
    for number in range(200):
        row = after(row, f"change {number}", ChangeRefused(version=number, reasons=NO))
    again = advance(row, (Reported(report_id="report 0", report=IN_PROGRESS),), NOON)
    assert not again.changed
    assert updates(row, "report 0") == [UpdateKind.PROGRESS]


def test_a_commands_answer_that_is_read_as_a_report_is_kept_with_the_command() -> None:
    answer = Reported(report_id="command", report=IN_PROGRESS)
    row = reported(after(a_run(phase=Phase.ACCEPTED), "command", CancelAccepted(), answer), IN_PROGRESS, 64)
    assert updates(row, "command") == [UpdateKind.CANCEL_ACCEPTED, UpdateKind.PROGRESS]


@given(st.lists(st.sampled_from(["report", "change", "cancel"]), max_size=300))
def test_neither_field_grows_without_bound_and_the_newest_event_is_known(events: list[str]) -> None:
    row = a_run(phase=Phase.FULFILLED, state=RunState.COMPLETED)
    for number, kind in enumerate(events):
        cause = f"{kind} {number}"
        row = after(row, cause, _happening(kind, cause, number))
        assert _is_known(row, kind, cause)
    assert len(row.processed_reports) <= MAX_PROCESSED_REPORTS
    assert len(row.processed_events) <= MAX_PROCESSED_EVENTS


def _happening(kind: str, cause: str, number: int) -> RunEvent:
    if kind == "report":
        return Reported(report_id=cause, report=FAILED)
    return ChangeRefused(version=number, reasons=NO) if kind == "change" else CancelRefused(reasons=NO)


def _is_known(row: RunRow, kind: str, cause: str) -> bool:
    if kind == "report":
        return cause in row.processed_reports
    return has_led_to(row, cause, UpdateKind.CHANGE_REFUSED if kind == "change" else UpdateKind.CANCEL_REFUSED)
