"""Advance a run: given its row and what happened, return the next row and what is published about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from router.runs import notifications as announcements
from router.runs.doubt import after_absent_answer, after_refusal, after_unknown_outcome, posting_again
from router.runs.events import (
    Accepted,
    AttemptFailed,
    CancelAccepted,
    CancelledBeforeSending,
    CancelRefused,
    CancelRequested,
    ChangeAccepted,
    ChangeRefused,
    ChangeRequested,
    CommandPublished,
    GivenUp,
    NotFound,
    OutcomeUnknown,
    ParentNotAccepted,
    Refused,
    RefusedInDoubt,
    Reported,
    Routed,
    Sending,
    ThresholdReached,
)
from router.runs.measures.measures import judge_result, match_measures, merge_measures
from router.runs.pending import WAITS_FOR_THRESHOLD
from router.runs.report_merging import without_older_words
from router.runs.run import MAX_PROCESSED_REPORTS, replace
from router.runs.states import TERMINAL, is_forward
from router.runs.transitions import ENDED_PHASES, NEXT_PHASE, PHASE_OF_STATE
from schemas.results import Reason
from schemas.vocabulary import RunState, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from router.runs.events import RunEvent
    from router.runs.run import RunRow
    from schemas.results import ReportedMeasure, RunResult, RunUpdate
    from schemas.vocabulary import Phase


class Transition(NamedTuple):
    """The result of events applied to a row. `changed` is False if there is nothing to write."""

    row: RunRow
    notifications: tuple[RunUpdate | RunResult, ...] = ()
    changed: bool = True


class TransitionNotAllowedError(Exception):
    """The transition table has no such transition: the caller asked for something that cannot be."""


def is_allowed(row: RunRow, run_event: RunEvent) -> bool:
    """Return whether the transition table has this event in the row's phase."""
    return (row.phase, run_event.kind) in NEXT_PHASE


def advance(row: RunRow, run_events: Iterable[RunEvent], at: datetime) -> Transition:
    """Apply what happened, in order, as one transition to `revision + 1`.

    Raises:
        TransitionNotAllowedError: the transition table has no such transition.
    """
    basis, moved = row, False
    told: list[RunUpdate | RunResult] = []
    row = replace(row, revision=row.revision + 1, updated_at=at)
    for run_event in run_events:
        step = _apply(row, _without_older_words(basis, run_event), at)
        row, moved = step.row, moved or step.changed
        told += step.notifications
    return Transition(row, tuple(told), changed=True) if moved else Transition(basis, tuple(told), changed=False)


def _apply(row: RunRow, run_event: RunEvent, at: datetime) -> Transition:  # noqa: C901, PLR0911, PLR0912 - one case per happening
    phase = NEXT_PHASE.get((row.phase, run_event.kind))
    if phase is None:
        raise TransitionNotAllowedError(f"Run {row.run_id} is {row.phase}: {run_event.kind} cannot happen to it.")
    match run_event:
        case ThresholdReached():
            said = row.phase is phase and run_event.reason in row.reasons
            reasons = (*_reasons_without_waiting(row), run_event.reason)
            row = replace(row, phase=phase, waits_for=run_event.waits_for, reasons=reasons)
            return Transition(row) if said else _notify(row, UpdateKind.WAITING, (run_event.reason,))
        case Routed():
            return Transition(
                replace(
                    row,
                    phase=phase,
                    request_id=run_event.request_id,
                    spoke=run_event.spoke,
                    decision=run_event.decision,
                    requested=run_event.document,
                    reasons=_reasons_without_waiting(row),
                    waits_for=row.waits_for if run_event.from_queue else (),
                )
            )
        case CommandPublished():
            return Transition(replace(row, waits_for=()), changed=bool(row.waits_for))
        case Sending():
            doubt = posting_again(row.doubt, row.sent_at)
            return Transition(replace(row, phase=phase, sent=run_event.document, sent_at=at, doubt=doubt))
        case AttemptFailed():
            return Transition(replace(row, phase=phase, sent=None, sent_at=None))
        case OutcomeUnknown():
            doubt = after_unknown_outcome(row.doubt, was_accepted=run_event.was_accepted)
            return _notify(replace(row, phase=phase, doubt=doubt), UpdateKind.IN_DOUBT, run_event.reasons)
        case NotFound():
            return Transition(replace(row, phase=phase, doubt=after_absent_answer(row.doubt)))
        case RefusedInDoubt():
            doubt = after_refusal(row.doubt, run_event.reasons)
            return _notify(replace(row, phase=phase, doubt=doubt), UpdateKind.IN_DOUBT, run_event.reasons)
        case Accepted():
            return _apply_accepted(row, run_event, phase, at)
        case Refused():
            return _end(replace(row, doubt=None), phase, RunState.REJECTED, run_event.reasons, at)
        case ParentNotAccepted():
            reason = Reason(
                code="PARENT_NOT_ACCEPTED",
                message=f"Parent run {run_event.parent_run_id} was never accepted, so this run cannot be either.",
            )
            return _block(_leave_queue(row, phase), phase, reason, at)
        case GivenUp():
            return _notify(_leave_queue(row, phase), UpdateKind.FALLOUT, run_event.reasons)
        case Reported():
            return _apply_report(row, run_event, at)
        case ChangeRequested():
            return Transition(replace(row, requested=run_event.document))
        case ChangeAccepted():
            version = run_event.document.version
            row = replace(row, sent=run_event.document, accepted_version=version)
            return _notify(row, UpdateKind.CHANGE_ACCEPTED, version=version)
        case ChangeRefused():
            return _notify(row, UpdateKind.CHANGE_REFUSED, run_event.reasons, run_event.version)
        case CancelRequested():
            return Transition(replace(row, cancel_requested=True))
        case CancelledBeforeSending():
            return _end(_leave_queue(row, phase), phase, RunState.CANCELLED, (run_event.reason,), at)
        case CancelAccepted():
            return _notify(row, UpdateKind.CANCEL_ACCEPTED)
        case CancelRefused():
            return _notify(row, UpdateKind.CANCEL_REFUSED, run_event.reasons)
        case _:
            assert_never(run_event)


def _notify(row: RunRow, kind: UpdateKind, reasons: tuple[Reason, ...] = (), version: int | None = None) -> Transition:
    return Transition(row, (announcements.build_update(row, kind, reasons, version),))


def _leave_queue(row: RunRow, phase: Phase) -> RunRow:
    return replace(row, phase=phase, waits_for=(), reasons=_reasons_without_waiting(row))


def _reasons_without_waiting(row: RunRow) -> tuple[Reason, ...]:
    """Return the reasons that still hold once a run waits for nothing, or for something else."""
    return tuple([reason for reason in row.reasons if reason.code != WAITS_FOR_THRESHOLD]) if row.reasons else ()


def _apply_accepted(row: RunRow, run_event: Accepted, phase: Phase, at: datetime) -> Transition:
    row = replace(
        row,
        phase=phase,
        state=RunState.ACKNOWLEDGED,
        external_id=run_event.external_id,
        external_href=run_event.href,
        sent=run_event.document,
        accepted_version=run_event.document.version,
        accepted_at=at,
        doubt=None,
    )
    return _notify(row, UpdateKind.ACCEPTED, version=run_event.document.version)


def _end(row: RunRow, phase: Phase, state: RunState, reasons: tuple[Reason, ...], at: datetime) -> Transition:
    row = replace(row, phase=phase, state=state, reasons=row.reasons + reasons, finished_at=at)
    return Transition(row, (announcements.build_result(row),))


def _block(row: RunRow, phase: Phase, reason: Reason, at: datetime) -> Transition:
    ended = _end(row, phase, RunState.CANCELLED, (reason,), at)
    blocked = announcements.build_update(ended.row, UpdateKind.BLOCKED, (reason,))
    return Transition(ended.row, (blocked, *ended.notifications))


def _without_older_words(basis: RunRow, run_event: RunEvent) -> RunEvent:
    if not isinstance(run_event, Reported) or run_event.report.as_of is None:
        return run_event
    return Reported(report_id=run_event.report_id, report=without_older_words(basis, run_event.report))


def _apply_report(row: RunRow, run_event: Reported, at: datetime) -> Transition:
    if run_event.report_id in row.processed_reports:
        return Transition(row, changed=False)
    reports = (*row.processed_reports, run_event.report_id)[-MAX_PROCESSED_REPORTS:]
    row = replace(row, processed_reports=reports)
    report = run_event.report
    if row.phase in ENDED_PHASES:
        return _apply_late_report(row, run_event)
    if report.external_id and row.external_id is None:
        row = replace(row, external_id=report.external_id, external_href=report.href)
    row = _add_measures(row, run_event)
    if report.state is None or not is_forward(row.state, report.state):
        return Transition(row)
    return _enter_state(row, report.state, at)


def _apply_late_report(row: RunRow, run_event: Reported) -> Transition:
    """Record that something arrived after the end; nothing leaves a terminal state."""
    report = run_event.report
    if report.state in (row.state, None) and not report.measures:
        return Transition(row)
    reason = Reason(
        code="STALE_REPORT",
        message=f"The external system reported {report.raw_state or 'measures'} after the run was {row.state}.",
    )
    return _notify(replace(row, reasons=(*row.reasons, reason)), UpdateKind.STALE, (reason,))


def _add_measures(row: RunRow, run_event: Reported) -> RunRow:
    report = run_event.report
    if not report.measures:
        return replace(row, reasons=row.reasons + report.reasons)
    matched = match_measures(
        row.requested.test_measure,
        report.measures,
        row.spoke,
        row.external_id or row.run_id,
        known=row.measures,
    )
    return replace(
        row,
        measures=_merge_in_order(row.measures, matched.measures, new_is_older=report.is_older),
        reasons=row.reasons + report.reasons + matched.reasons,
    )


def _merge_in_order(
    known: tuple[ReportedMeasure, ...], new: tuple[ReportedMeasure, ...], *, new_is_older: bool
) -> tuple[ReportedMeasure, ...]:
    return merge_measures(new, known) if new_is_older else merge_measures(known, new)


def _enter_state(row: RunRow, state: RunState, at: datetime) -> Transition:
    if state not in TERMINAL:
        changed = state is not row.state
        row = replace(row, phase=PHASE_OF_STATE[state], state=state)
        return _notify(row, UpdateKind.PROGRESS) if changed else Transition(row)
    found = judge_result(state, row.requested.test_measure, row.measures, row.reasons)
    row = replace(row, phase=PHASE_OF_STATE[state], state=state, finished_at=at, result=found)
    return Transition(row, (announcements.build_result(row),))
