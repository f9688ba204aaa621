"""Merge what an external system reports in several messages: an older report never overwrites a newer one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.runs.checks.missing_parts import waits_for
from router.runs.checks.watch import Missing
from router.runs.deadlines.time_out import is_timed_out
from router.runs.states import RANK, TERMINAL
from router.runs.transitions import ENDED_PHASES
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow


def is_behind(row: RunRow, event: ExternalReport, answer: ExternalReport) -> bool:
    """Return whether the answer to a GET is older than the event that led to it.

    An event that names no state but announces a change has not arrived in an answer with the state that is known, nor
    a deletion in an answer that shows a run that goes on.
    """
    if row.phase in ENDED_PHASES or answer.state not in RANK:
        return False
    if event.deleted:
        return answer.state not in TERMINAL
    if event.announces_change and event.state is None:
        return answer.state is row.state
    return _rank(answer.state) < _rank(event.state)


def merge_answer(event: ExternalReport, answer: ExternalReport) -> ExternalReport:
    """Return what an event and the answer to the GET after it report together: of two states the further one."""
    furthest, other = (event, answer) if _rank(answer.state) < _rank(event.state) else (answer, event)
    return replace(
        answer,
        external_id=answer.external_id or event.external_id,
        href=answer.href or event.href,
        external_identifier=answer.external_identifier or event.external_identifier,
        name=answer.name or event.name,
        state=furthest.state,
        raw_state=furthest.raw_state,
        verdict=furthest.verdict or (None if furthest.unknown_verdict else other.verdict),
        unknown_verdict=furthest.unknown_verdict or (None if furthest.verdict else other.unknown_verdict),
        status_reason=furthest.status_reason or other.status_reason,
        measures=answer.measures or event.measures,
        reasons=tuple(dict.fromkeys((*event.reasons, *answer.reasons))),
        event_id=event.event_id,
        children=answer.children or event.children,
        names_no_run=event.names_no_run and answer.names_no_run,
        event_time=event.event_time,
        thin=False,
    )


def without_outdated_fields(row: RunRow, report: ExternalReport) -> ExternalReport:
    """Return the report without what a newer report about the run has replaced.

    An answer shows the run as it was when it was asked for. If the run was updated since, the answer is perhaps older
    than that update. An event is older if its system says that it happened before one that was processed. What is older
    cannot change `pending` to `inProgress` or back, nor replace a measure.
    """
    if not _is_older(row, report):
        return report
    if report.state is None or report.state in TERMINAL or _rank(report.state) != _rank(row.state):
        return replace(report, is_older=True)
    return replace(report, state=None, raw_state=None, asked=(), is_older=True)


def newest_event(row: RunRow, report: ExternalReport) -> datetime | None:
    """Return the newest time of an event about the run, once this report is processed."""
    known, reported = row.state_event_at, report.event_time
    return reported if known is None or (reported is not None and reported > known) else known


def _is_older(row: RunRow, report: ExternalReport) -> bool:
    if report.as_of is not None:
        return row.updated_at > report.as_of
    return report.event_time is not None and row.state_event_at is not None and report.event_time < row.state_event_at


def names_earlier_state(row: RunRow, report: ExternalReport) -> bool:
    """Return whether a report names a state that its run has left: it was late, and others are newer.

    The end of a run that has timed out is ours, so what its system reports of it goes on.
    """
    if report.state is None or is_timed_out(row):
        return False
    reached = RunState.COMPLETED if waits_for(row, Missing.MEASURES) else row.state
    return _rank(report.state) < _rank(reached)


def _rank(state: RunState | None) -> int:
    return RANK.get(state, 0) if state is not None else 0
