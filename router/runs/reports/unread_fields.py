"""Find answers of a system that lack what every run has, an id and a state, because the rules of its profile miss it.

How many answers in a row had no state is kept as the first entry of `processed_reports`, where processes that do not
know it take it for the id of a report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
_ROOM = 3  # entries: this one, and what a report adds


def answers_without_state(row: RunRow) -> int:
    """Return how many of the last answers about a run had no state: of more than `MIN_ANSWERS`, this number."""
    first = row.processed_reports[0] if row.processed_reports else ""
    counted = first.removeprefix(_COUNT)
    return int(counted) if counted != first and counted.isdecimal() else 0


def count_answer(row: RunRow, report: ExternalReport) -> tuple[RunRow, tuple[Reason, ...]]:
    """Count a report without a state about a run of which none is known; return the reason once they are too many."""
    if not is_counted(row, report):
        return row, ()
    counted = answers_without_state(row)
    reports = _without_count(row.processed_reports)[-(MAX_PROCESSED_REPORTS - _ROOM) :]
    counted = min(counted + report.alike, MIN_ANSWERS)
    row = replace(row, processed_reports=(f"{_COUNT}{counted}", *reports))
    if counted < MIN_ANSWERS:
        return row, ()
    reason = _state_not_shown(row.spoke, report.shown)
    return replace(row, reasons=(*_others(row.reasons, STATE_NOT_SHOWN), reason)), (reason,)


def is_counted(row: RunRow, report: ExternalReport) -> bool:
    """Return whether a report is one without a state about a run of which none is known, and one more counts."""
    is_unread = bool(report.shown) and report.state is None and not report.raw_state
    is_without = row.phase in ACCEPTED_PHASES and row.state is RunState.ACKNOWLEDGED
    return is_unread and is_without and answers_without_state(row) < MIN_ANSWERS


def with_state_shown(row: RunRow) -> RunRow:
    """Return the row after a report with a state: what was said of those without one does not hold any more."""
    if not answers_without_state(row):
        return row
    reports = _without_count(row.processed_reports)
    return replace(row, processed_reports=reports, reasons=_others(row.reasons, STATE_NOT_SHOWN))


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


def _without_count(reports: tuple[str, ...]) -> tuple[str, ...]:
    return reports[1:] if reports and reports[0].startswith(_COUNT) else reports


def _others(reasons: tuple[Reason, ...], code: str) -> tuple[Reason, ...]:
    return tuple([reason for reason in reasons if reason.code != code])
