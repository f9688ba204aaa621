"""Find answers of a system that lack what every run has, an id and a state, because the rules of its profile miss it.

How many answers in a row had no state, and whether one was shown before, is kept as the first entry of
`processed_reports`, where processes that do not know it take it for the id of a report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.checks.missing_parts import waits_for
from router.runs.checks.watch import Missing
from router.runs.run import MAX_PROCESSED_REPORTS, replace
from router.runs.transitions import ACCEPTED_PHASES
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow

STATE_NOT_SHOWN = "STATE_NOT_SHOWN"
ID_NOT_SHOWN = "ID_NOT_SHOWN"
MIN_ANSWERS = 3  # without a state, that a run is reported after: a system may show one only once a run has begun
_COUNT = "answers without a state: "
_AFTER_STATE = " after one with a state"


def answers_without_state(row: RunRow) -> int:
    """Return how many of the last answers about a run had no state: of more than `MIN_ANSWERS`, this number."""
    counted = _count_of(row.processed_reports).removeprefix(_COUNT).removesuffix(_AFTER_STATE)
    return int(counted) if counted.isdecimal() else 0


def count_answer(row: RunRow, report: ExternalReport) -> tuple[RunRow, tuple[Reason, ...]]:
    """Count a report without a state about a run of which none is known; return the reason once they are too many.

    Answers that are no run are counted afresh once an answer has shown the run.
    """
    if not is_counted(row, report):
        shows_run = _is_unread(report) and not report.is_no_run and answers_without_state(row)
        return (_with_count(row, 0) if shows_run and _has_shown_state(row) else row), ()
    counted = min(answers_without_state(row) + report.alike, MIN_ANSWERS)
    row = _with_count(row, counted)
    if counted < MIN_ANSWERS:
        return row, ()
    reason = _state_not_shown(row.spoke, report.shown)
    return replace(row, reasons=(*row.reasons, reason)), (reason,)


def is_counted(row: RunRow, report: ExternalReport) -> bool:
    """Return whether a report is one without a state about a run of which none is known, and one more counts.

    A state that was shown stays known when an answer leaves it out, but not when answers are no run.
    """
    if not _is_unread(report) or row.phase not in ACCEPTED_PHASES or row.state is not RunState.ACKNOWLEDGED:
        return False
    if _is_told(row) or waits_for(row, Missing.MEASURES):
        return False
    return report.is_no_run or not _has_shown_state(row)


def with_state_shown(row: RunRow, report: ExternalReport) -> RunRow:
    """Return the row after a report with a state: what was said of those without one does not hold any more."""
    if _is_told(row):
        row = replace(row, reasons=_others(row.reasons, STATE_NOT_SHOWN))
    if row.state is RunState.ACKNOWLEDGED and report.state in {None, RunState.ACKNOWLEDGED}:
        return _with_count(row, 0, state_shown=True)
    return without_count(row)


def without_count(row: RunRow) -> RunRow:
    """Return the row of a run about which answers are counted afresh."""
    known = _count_of(row.processed_reports)
    return replace(row, processed_reports=row.processed_reports[1:]) if known else row


def newest_reports(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the newest entries of `processed_reports`, as many as a row keeps; the count stays the first one."""
    left_out = len(entries) - MAX_PROCESSED_REPORTS
    if left_out <= 0:
        return entries
    return (entries[0], *entries[1 + left_out :]) if _count_of(entries) else entries[left_out:]


def with_id_shown(row: RunRow) -> RunRow:
    """Return the row once the id is known that the answer to the POST did not show."""
    return replace(row, reasons=_others(row.reasons, ID_NOT_SHOWN)) if row.reasons else row


def id_not_shown(spoke: str, shown: str) -> Reason:
    """Return why the id of a run is looked up that its system has accepted: `shown` is what the answer has instead."""
    return Reason(
        code=ID_NOT_SHOWN,
        message=f"{spoke} answered the POST with success, and no id could be read in its answer, which has {shown}: "
        "write or correct a rule to /id in mapping.receive of its profile, or mapping.run_at, which says where the run "
        "is in an answer. The run is looked up until its id is known.",
    )


def _state_not_shown(spoke: str, shown: str) -> Reason:
    return Reason(
        code=STATE_NOT_SHOWN,
        message=f"The last {MIN_ANSWERS} answers or notifications of {spoke} about the run had no state that could be "
        f"read (the last one has {shown}): write or correct a rule to /state in mapping.receive of its profile, or "
        "mapping.run_at, which says where the run is in an answer; state_spellings has the words of the system. If it "
        "shows no states, write end_of_run: measures.",
    )


def _is_unread(report: ExternalReport) -> bool:
    return bool(report.shown) and report.alike > 0 and report.state is None and not report.raw_state


def _is_told(row: RunRow) -> bool:
    return any(reason.code == STATE_NOT_SHOWN for reason in row.reasons)


def _has_shown_state(row: RunRow) -> bool:
    return _count_of(row.processed_reports).endswith(_AFTER_STATE)


def _with_count(row: RunRow, counted: int, *, state_shown: bool = False) -> RunRow:
    count = f"{_COUNT}{counted}{_AFTER_STATE if state_shown or _has_shown_state(row) else ''}"
    if count == _count_of(row.processed_reports):
        return row
    return replace(row, processed_reports=newest_reports((count, *without_count(row).processed_reports)))


def _count_of(entries: tuple[str, ...]) -> str:
    """Return the entry with the count; empty if there is none."""
    return entries[0] if entries and entries[0].startswith(_COUNT) else ""


def _others(reasons: tuple[Reason, ...], code: str) -> tuple[Reason, ...]:
    return tuple([reason for reason in reasons if reason.code != code])
