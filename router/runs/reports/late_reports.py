"""Decide what is new in a report about a run that has ended: a system may repeat or correct itself for ever."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.runs.checks.missing_parts import MAX_STATE_LENGTH
from router.runs.deadlines.time_out import is_cancelled_after_time_out, is_timed_out
from router.runs.measures.bounds import MAX_BYTES, size_of
from router.runs.states import TERMINAL
from schemas.results import Reason
from schemas.text.counts import count_noun
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.results import ReportedMeasure

LATE_MEASURES = "LATE_MEASURES"
CORRECTIONS_LEFT_OUT = "CORRECTIONS_LEFT_OUT"
STALE_REPORT = "STALE_REPORT"
MAX_CORRECTIONS = 100  # reports after the end of a run that replace or displace measures: each publishes the result
MAX_STALE_STATES = 5  # other states of a run that has ended, that are published
_CORRECTIONS = re.compile(r"\(([0-9]{1,9}) corrections?\)\.$")


def without_more_corrections(row: RunRow, measures: tuple[ReportedMeasure, ...]) -> tuple[ReportedMeasure, ...]:
    """Return the measures that an ended run has after a report: those it had stay once it was corrected often enough.

    Measures that it did not have are added while there is room for them.
    """
    if _corrections(row) < MAX_CORRECTIONS:
        return measures
    known = {measure.id: measure for measure in row.measures}
    kept = tuple([known.get(measure.id, measure) for measure in measures])
    has_room = known.keys() <= {measure.id for measure in kept} and sum(map(size_of, kept)) <= MAX_BYTES
    return kept if has_room else row.measures


def new_measures(row: RunRow, measures: tuple[ReportedMeasure, ...]) -> tuple[ReportedMeasure, ...]:
    """Return those of the measures that the row does not have, or has otherwise."""
    known = {measure.id: measure for measure in row.measures}
    return tuple([measure for measure in measures if known.get(measure.id) != measure])


def replaces_measures(row: RunRow, measures: tuple[ReportedMeasure, ...]) -> bool:
    """Return whether a measure that the row has is another one in `measures`, or gave its place to a new one."""
    kept = {measure.id: measure for measure in measures}
    return any(kept.get(measure.id) != measure for measure in row.measures)


def late_reasons(
    row: RunRow, late: tuple[ReportedMeasure, ...], *, replaces: bool, left_out: bool
) -> tuple[Reason, ...]:
    """Return the reasons of measures that arrived after the end, with the number of reports that replaced some."""
    reasons: list[Reason] = []
    if late:
        corrections = _corrections(row) + replaces
        corrected = f" ({count_noun(corrections, 'correction')})" if corrections else ""
        message = f"The external system reported measures after {_end_of(row)}{corrected}."
        reasons.append(Reason(code=LATE_MEASURES, message=message))
    if left_out:
        message = f"{MAX_CORRECTIONS} corrections came after {_end_of(row)}: more are left out."
        reasons += _unless_known(row, Reason(code=CORRECTIONS_LEFT_OUT, message=message))
    return tuple(reasons)


def stale_reasons(row: RunRow, report: ExternalReport) -> tuple[Reason, ...]:
    """Return the reason of a state that contradicts how the run has ended, once for each of the first such states."""
    if report.state in (row.state, None) and not (is_timed_out(row) and report.state in TERMINAL):
        return ()
    if report.state is RunState.CANCELLED and is_cancelled_after_time_out(row):
        return ()  # as was requested
    if sum(reason.code == STALE_REPORT for reason in row.reasons) >= MAX_STALE_STATES:
        return ()
    message = f"The external system reported {(report.raw_state or '')[:MAX_STATE_LENGTH]} after {_end_of(row)}."
    return _unless_known(row, Reason(code=STALE_REPORT, message=message))


def with_late_reasons(known: tuple[Reason, ...], new: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Return the reasons, each once, with the new ones at the end; there is one count of corrections."""
    counted = {reason.code for reason in new} & {LATE_MEASURES}
    kept = [reason for reason in dict.fromkeys(known) if reason not in new and reason.code not in counted]
    return (*kept, *new)


def _unless_known(row: RunRow, reason: Reason) -> tuple[Reason, ...]:
    return () if reason in row.reasons else (reason,)


def _corrections(row: RunRow) -> int:
    """Return how many reports after the end have replaced measures, as the reason of the last one says."""
    counts = [_CORRECTIONS.search(reason.message) for reason in row.reasons if reason.code == LATE_MEASURES]
    return max([int(found.group(1)) for found in counts if found], default=0)


def _end_of(row: RunRow) -> str:
    return "the run had timed out" if is_timed_out(row) else f"the run was {row.state}"
