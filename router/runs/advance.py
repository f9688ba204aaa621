"""Advance a run: given its row and what happened, return the next row and what is published about it."""

from __future__ import annotations

from dataclasses import replace as replace_fields
from typing import TYPE_CHECKING, assert_never

from router.responses import Purpose
from router.runs.changes import answered_fields
from router.runs.checks import missing_parts
from router.runs.checks.cancellation import after_answer, follow
from router.runs.checks.doubt import after_absent_answer, after_failure, after_refusal, after_unknown_outcome, posting
from router.runs.checks.end import end, request_cancellation
from router.runs.checks.watch import Missing, begin
from router.runs.deadlines import deadline as deadlines
from router.runs.deadlines.time_out import after_deadline, with_deadline
from router.runs.events import (
    Accepted,
    AttemptFailed,
    CancelAccepted,
    CancellationChecked,
    CancelledBeforeSending,
    CancelRefused,
    CancelRequested,
    ChangeAccepted,
    ChangeRefused,
    ChangeRequested,
    Checked,
    CommandDelayed,
    CommandPublished,
    CommandRepeated,
    DeadlineReached,
    GivenUp,
    NotFound,
    OutcomeUnknown,
    ParentNotAccepted,
    Refused,
    RefusedInDoubt,
    ReplacementBegun,
    ReplacementDelayed,
    Reported,
    RequestProgressed,
    Routed,
    RunMissing,
    Sending,
    SystemDown,
    ThresholdReached,
)
from router.runs.failed_attempt import after_command
from router.runs.measures.bounds import bounded_measures
from router.runs.measures.measures import match_measures, merge_measures
from router.runs.measures.thresholds import with_violations
from router.runs.notifications import build as announcements
from router.runs.notifications.outages import after_outage
from router.runs.pending import WAITS_FOR_THRESHOLD
from router.runs.reports import late_reports, unread_fields
from router.runs.reports.information import add_questions, without_answered, without_questions_about
from router.runs.reports.reasons import LEFT_OUT, MAX_REASONS_OF_REPORT, bounded_reasons
from router.runs.reports.report_order import names_earlier_state, newest_event, without_outdated_fields
from router.runs.reports.verdict import late_words, with_last_words, without_replaced_words
from router.runs.revisions import replacement as replacements
from router.runs.revisions.change_plan import with_fields_elsewhere
from router.runs.run import replace
from router.runs.states import TERMINAL, is_forward
from router.runs.transitions import (
    ACCEPTED_PHASES,
    ENDED_PHASES,
    NEXT_PHASE,
    NOT_ACCEPTED_PHASES,
    PHASE_OF_STATE,
    Transition,
)
from schemas.results import Reason
from schemas.vocabulary import Phase, RunState, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from router.runs.checks.cancellation import FollowedTask
    from router.runs.events import RunEvent
    from router.runs.failed_attempt import FailedAttempt
    from router.runs.run import RunRow
    from schemas.results import ReportedMeasure, RunResult, RunUpdate


COMMAND_REPEATED = Reason(
    code="COMMAND_REPEATED",
    message="Nothing has happened to the run for a day: the command that sends it is published again.",
)


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
    notifications: list[RunUpdate | RunResult] = []
    row = replace(row, revision=row.revision + 1, updated_at=at)
    for run_event in run_events:
        step = _apply(row, _without_outdated_fields(basis, run_event), at)
        row, moved = step.row, moved or step.changed
        notifications += step.notifications
    if not moved:
        return Transition(basis, tuple(notifications), changed=False)
    if row.cancellation is not None and row.phase not in ACCEPTED_PHASES:
        row = replace(row, cancellation=None)
    return Transition(_with_bounded_reasons(row), tuple(notifications), changed=True)


def _with_bounded_reasons(row: RunRow) -> RunRow:
    if not row.reasons:
        return row
    reasons = bounded_reasons(row.reasons)
    return row if reasons is row.reasons else replace(row, reasons=reasons)


def _request_change(row: RunRow, requested: ChangeRequested) -> Transition:
    row = with_fields_elsewhere(replace(row, requested=requested.document), requested.elsewhere)
    row = _with_new_reason(row, requested.left_out)
    return _notify(row, UpdateKind.PROGRESS, (requested.left_out,)) if requested.left_out else Transition(row)


def _accept_change(row: RunRow, accepted: ChangeAccepted, at: datetime) -> Transition:
    version = accepted.document.version
    row = without_questions_about(row, answered_fields(row, accepted.document))
    row = _with_changed_deadline(row, accepted, at)
    row = replace(_forget_attempts(row, Purpose.CHANGE), sent=accepted.document, accepted_version=version)
    return _notify(row, UpdateKind.CHANGE_ACCEPTED, version=version)


def _refuse_change(row: RunRow, refused: ChangeRefused) -> Transition:
    row = _forget_attempts(row, Purpose.CHANGE)
    row = with_fields_elsewhere(replacements.stop(row) if refused.test_goes_on else row, ())
    return _notify(row, UpdateKind.CHANGE_REFUSED, refused.reasons, refused.version)


def _apply(row: RunRow, run_event: RunEvent, at: datetime) -> Transition:  # noqa: C901, PLR0911, PLR0912 - one case per run event
    phase = NEXT_PHASE.get((row.phase, run_event.kind))
    if phase is None:
        raise TransitionNotAllowedError(f"Run {row.run_id} is {row.phase}: {run_event.kind} cannot happen to it.")
    row = after_outage(row, run_event)
    match run_event:
        case ThresholdReached():
            return _apply_waiting(row, run_event, phase)
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
        case CommandRepeated():
            return _notify(row, UpdateKind.PROGRESS, (COMMAND_REPEATED,))
        case Sending():
            doubt = posting(row.doubt, row.sent_at, run_event.key)
            return Transition(replace(row, phase=phase, sent=run_event.document, sent_at=at, doubt=doubt))
        case AttemptFailed():
            return Transition(_after_failure(row, run_event, phase))
        case SystemDown():
            row = replace(row, reasons=(*row.reasons, run_event.reason))
            return _notify(row, UpdateKind.PROGRESS, (run_event.reason,))
        case OutcomeUnknown():
            doubt = after_unknown_outcome(
                row.doubt,
                was_accepted=run_event.was_accepted,
                posted_at=run_event.posted_at,
                key=run_event.key,
                body=run_event.body,
            )
            row = replace(row, phase=phase, doubt=doubt, failed_attempt=run_event.failed_attempt or row.failed_attempt)
            return _notify(row, UpdateKind.IN_DOUBT, run_event.reasons)
        case NotFound():
            doubt = after_absent_answer(row.doubt, run_event.as_of, redriven=run_event.redriven)
            failed = run_event.failed_attempt or row.failed_attempt
            return Transition(replace(row, phase=phase, doubt=doubt, failed_attempt=failed))
        case CommandDelayed():
            return _apply_delay(row, run_event.failed_attempt)
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
            row = replace(row, failed_attempt=run_event.failed_attempt or _last_of_all(row.failed_attempt))
            return _notify(_leave_queue(row, phase), UpdateKind.FALLOUT, run_event.reasons)
        case Reported():
            return _apply_report(row, run_event, at)
        case RunMissing():
            return missing_parts.count_not_found(row, run_event, at)
        case Checked():
            return missing_parts.after_check(row, run_event, at)
        case DeadlineReached():
            return after_deadline(row, run_event, at)
        case ChangeRequested():
            return _request_change(row, run_event)
        case ChangeAccepted():
            return _accept_change(row, run_event, at)
        case ChangeRefused():
            return _refuse_change(row, run_event)
        case ReplacementBegun():
            return Transition(replacements.begin(row))
        case ReplacementDelayed():
            row = replace(_forget_attempts(row, Purpose.CHANGE), cancellation=follow(None, at))
            return _notify(row, UpdateKind.PROGRESS, (run_event.reason,))
        case CancelRequested():
            return Transition(request_cancellation(row, run_event.reason))
        case CancelledBeforeSending():
            left = _leave_queue(row, phase, stays_marked=run_event.from_queue)
            return _end(left, phase, RunState.CANCELLED, (run_event.reason,), at)
        case CancelAccepted():
            return _notify(_after_cancellation(row, follow(run_event.task, at)), UpdateKind.CANCEL_ACCEPTED)
        case CancelRefused():
            return _notify(_after_cancellation(row), UpdateKind.CANCEL_REFUSED, run_event.reasons)
        case CancellationChecked():
            return _apply_cancellation_check(row, run_event, at)
        case RequestProgressed():
            update = announcements.build_update(row, UpdateKind.PROGRESS)
            return Transition(row, (update.model_copy(update={"request_progress": run_event.progress}),))
        case _:
            assert_never(run_event)


def _after_failure(row: RunRow, failure: AttemptFailed, phase: Phase) -> RunRow:
    failed = failure.failed_attempt or row.failed_attempt
    return replace(row, phase=phase, sent=None, sent_at=None, doubt=after_failure(row.doubt), failed_attempt=failed)


def _after_cancellation(row: RunRow, task: FollowedTask | None = None) -> RunRow:
    return replace(_forget_attempts(row, Purpose.CANCEL), cancellation=task)


def _apply_cancellation_check(row: RunRow, checked: CancellationChecked, at: datetime) -> Transition:
    if row.cancellation is None:
        return Transition(row, changed=False)
    task = (
        None if checked.gives_up else after_answer(row.cancellation, at, absent=checked.absent, within=checked.within)
    )
    return Transition(replace(row, cancellation=task))


def _with_new_reason(row: RunRow, reason: Reason | None) -> RunRow:
    return row if reason is None or reason in row.reasons else replace(row, reasons=(*row.reasons, reason))


def _notify(row: RunRow, kind: UpdateKind, reasons: tuple[Reason, ...] = (), version: int | None = None) -> Transition:
    return Transition(row, (announcements.build_update(row, kind, reasons, version),))


def _apply_waiting(row: RunRow, run_event: ThresholdReached, phase: Phase) -> Transition:
    is_known = row.phase is phase and run_event.reason in row.reasons
    reasons = (*_reasons_without_waiting(row), run_event.reason)
    row = replace(row, phase=phase, waits_for=run_event.waits_for, reasons=reasons)
    return Transition(row) if is_known else _notify(row, UpdateKind.WAITING, (run_event.reason,))


def _apply_delay(row: RunRow, failed: FailedAttempt) -> Transition:
    # The run may have been accepted, or have ended, during the attempt.
    at_accepted = failed.purpose is Purpose.SEND and row.phase not in NOT_ACCEPTED_PHASES
    if at_accepted or row.phase in ENDED_PHASES:
        return Transition(row, changed=False)
    return Transition(replace(row, failed_attempt=failed))


def _last_of_all(failed: FailedAttempt | None) -> FailedAttempt | None:
    """Return the last attempt of a run that is given up: what is redriven is counted afresh."""
    return None if failed is None else replace_fields(failed, next_at=None)


def _forget_attempts(row: RunRow, purpose: Purpose) -> RunRow:
    """Return the row without the last attempt, if it was at a command of this kind."""
    if row.failed_attempt is None or row.failed_attempt.purpose is not purpose:
        return row
    return replace(row, failed_attempt=after_command(row.failed_attempt))


def _leave_queue(row: RunRow, phase: Phase, *, stays_marked: bool = False) -> RunRow:
    return replace(
        row, phase=phase, waits_for=row.waits_for if stays_marked else (), reasons=_reasons_without_waiting(row)
    )


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
        state_event_at=None,
        doubt=None,
        failed_attempt=None,
        watch=None if run_event.external_id else begin(Missing.EXTERNAL_ID, at, run_event.id_deadline),
        deadline=deadlines.begin(run_event.document, at, run_event.limits),
    )
    row = _with_new_reason(row, run_event.without_id)
    # The ordering service knows that the run was accepted: the news is the change for which it was POSTed again.
    changes = replacements.accepts_change(row, run_event.document)
    kind = UpdateKind.CHANGE_ACCEPTED if changes else UpdateKind.ACCEPTED
    reasons = (run_event.without_id,) if run_event.without_id else ()
    return _notify(replacements.accept_repost(row), kind, reasons, run_event.document.version)


def _with_changed_deadline(row: RunRow, run_event: ChangeAccepted, at: datetime) -> RunRow:
    if row.deadline is None or not row.deadline.is_set:
        return row
    accepted_at = row.accepted_at or at
    changed = deadlines.after_change(row.deadline, row.sent, run_event.document, accepted_at, run_event.limits)
    return replace(row, deadline=changed)


def _end(row: RunRow, phase: Phase, state: RunState, reasons: tuple[Reason, ...], at: datetime) -> Transition:
    row = end(row, phase, state, at, reasons)
    return Transition(row, (announcements.build_result(row),))


def _block(row: RunRow, phase: Phase, reason: Reason, at: datetime) -> Transition:
    ended = _end(row, phase, RunState.CANCELLED, (reason,), at)
    blocked = announcements.build_update(ended.row, UpdateKind.BLOCKED, (reason,))
    return Transition(ended.row, (blocked, *ended.notifications))


def _without_outdated_fields(basis: RunRow, run_event: RunEvent) -> RunEvent:
    if not isinstance(run_event, Reported) or (run_event.report.as_of is None and run_event.report.event_time is None):
        return run_event
    return replace_fields(run_event, report=without_outdated_fields(basis, run_event.report))


def _apply_report(row: RunRow, run_event: Reported, at: datetime) -> Transition:
    if run_event.report_id in row.processed_reports:
        return Transition(row, changed=False)
    reports = unread_fields.newest_reports((*row.processed_reports, run_event.report_id))
    report = run_event.report
    row = replace(row, processed_reports=reports, state_event_at=newest_event(row, report))
    if replacements.is_replaced(row, report.external_id):
        return Transition(row, changed=False)
    if row.phase in ENDED_PHASES and not missing_parts.is_lost(row):
        return _apply_late_report(row, run_event)
    if report.is_no_run:  # it does not say that the run is there
        row, unread = _count_answer(row, run_event)
        return _notify(row, UpdateKind.PROGRESS, unread) if unread else Transition(row)
    basis = row
    row, returned, _ = missing_parts.take_back(row, at)
    if report.external_id and row.external_id is None:
        row = unread_fields.with_id_shown(replace(row, external_id=report.external_id, external_href=report.href))
    row = missing_parts.end_watch(_with_last_words(_add_measures(row, run_event), run_event), report)
    if returned and row.external_id is None:
        row = replace(row, watch=begin(Missing.EXTERNAL_ID, at, run_event.id_deadline))
    row, asked = add_questions(row, report)
    step = _apply_state(row, run_event, at, asked)
    row = step.row
    if row.phase in ACCEPTED_PHASES and (row.deadline is None or row.state is not basis.state):
        row = with_deadline(row, at, run_event.limits)
    return Transition(row, (*returned, *step.notifications))


def _apply_state(row: RunRow, run_event: Reported, at: datetime, asked: tuple[Reason, ...]) -> Transition:
    report = run_event.report
    row, unread = _count_answer(row, run_event)
    asked += unread
    state = missing_parts.state_to_enter(row, report)
    if run_event.ends_with_measures and state not in TERMINAL and missing_parts.is_measured(row):
        state = RunState.COMPLETED
    if state is None and report.raw_state:
        return missing_parts.report_unknown_state(row, report, at)
    if state is None or not is_forward(row.state, state):
        return _notify(row, UpdateKind.PROGRESS, asked) if asked else Transition(row)
    return _enter_state(row, state, at, run_event.measures_grace, asked)


def _count_answer(row: RunRow, run_event: Reported) -> tuple[RunRow, tuple[Reason, ...]]:
    report = run_event.report
    if report.raw_state:
        return unread_fields.with_state_shown(row, report), ()
    if report.is_older or run_event.ends_with_measures:
        return row, ()
    return unread_fields.count_answer(row, report)


def _apply_late_report(row: RunRow, run_event: Reported) -> Transition:
    """Record what arrived after the end, if it is new; nothing leaves a terminal state."""
    report = run_event.report
    measured = _add_measures(row, run_event) if report.measures else row
    measures = late_reports.without_more_corrections(row, measured.measures)
    late = late_reports.new_measures(row, measures)
    left_out = measures != measured.measures
    replaces = late_reports.replaces_measures(row, measures)
    reasons = late_reports.late_reasons(row, late, replaces=replaces, left_out=left_out)
    words = late_words(row.reasons, report, row.state, ends_with_measures=run_event.ends_with_measures)
    new = (*reasons, *words, *late_reports.stale_reasons(row, report))
    if not new:
        return Transition(row)
    known = without_replaced_words(measured.reasons if late else row.reasons, words)
    row = replace(row, measures=measures, reasons=late_reports.with_late_reasons(known, new))
    if not (late or words):
        return _notify(row, UpdateKind.STALE, new)
    row = missing_parts.judge(row)
    update = announcements.build_update(row, UpdateKind.STALE, new).model_copy(update={"test_measure": late})
    return Transition(row, (update, announcements.build_result(row)))


def _add_measures(row: RunRow, run_event: Reported) -> RunRow:
    report = run_event.report
    if not report.measures:
        return _with_new_reasons(row, report.reasons)
    matched = match_measures(
        missing_parts.expected_measures(row),
        report.measures,
        row.spoke,
        row.external_id or row.run_id,
        known=row.measures,
        keep_unknown=run_event.keeps_unknown_measures,
    )
    judged = with_violations(matched.measures, missing_parts.expected_measures(row), run_event.comparators)
    merged = _merge_in_order(row.measures, judged, new_is_older=_is_older(row, run_event))
    measures, bounds = bounded_measures(merged)
    return _with_new_reasons(replace(row, measures=measures), (*report.reasons, *matched.reasons, *bounds))


def _is_older(row: RunRow, run_event: Reported) -> bool:
    if _is_last_answer(row, run_event):
        return False
    # The state of a system that names no end stays the same when its measures have ended the run.
    is_late = not run_event.ends_with_measures and names_earlier_state(row, run_event.report)
    return run_event.report.is_older or is_late


def _is_last_answer(row: RunRow, run_event: Reported) -> bool:
    """Return whether an answer shows the end of a run that goes on: a change of it since is no newer answer."""
    report = run_event.report
    if report.as_of is None or row.phase in ENDED_PHASES or missing_parts.waits_for(row, Missing.MEASURES):
        return False
    return report.state in TERMINAL or (run_event.ends_with_measures and missing_parts.is_measured(row))


def _with_last_words(row: RunRow, run_event: Reported) -> RunRow:
    report = run_event.report
    if report.verdict is None and report.unknown_verdict is None and report.status_reason is None:  # nearly always
        return row
    is_older, by_measures = _is_older(row, run_event), run_event.ends_with_measures
    reasons = with_last_words(row.reasons, report, is_older=is_older, ends_with_measures=by_measures)
    return row if reasons is row.reasons else replace(row, reasons=reasons)


def _with_new_reasons(row: RunRow, reasons: tuple[Reason, ...]) -> RunRow:
    """Add the reasons of a report that the row does not have yet: a system may repeat them in every report."""
    known = set(row.reasons)
    of_report = bounded_reasons(tuple(dict.fromkeys(reasons)), MAX_REASONS_OF_REPORT)
    new = [reason for reason in of_report if reason not in known]
    return replace(row, reasons=(*row.reasons, *new)) if any(reason.code != LEFT_OUT for reason in new) else row


def _merge_in_order(
    known: tuple[ReportedMeasure, ...], new: tuple[ReportedMeasure, ...], *, new_is_older: bool
) -> tuple[ReportedMeasure, ...]:
    return merge_measures(new, known) if new_is_older else merge_measures(known, new)


def _enter_state(
    row: RunRow, state: RunState, at: datetime, measures_grace: float, asked: tuple[Reason, ...]
) -> Transition:
    if state is RunState.CANCELLED and replacements.is_being_replaced(row):
        row, reason = replacements.end_test(row)
        return _notify(row, UpdateKind.PROGRESS, (reason,))
    row = without_answered(row, state)
    if state not in TERMINAL:
        changed = state is not row.state
        row = replace(row, phase=PHASE_OF_STATE[state], state=state)
        return _notify(row, UpdateKind.PROGRESS, asked) if changed or asked else Transition(row)
    waiting = missing_parts.wait_for_measures(row, at, measures_grace) if state is RunState.COMPLETED else None
    return waiting or missing_parts.complete(row, state, at)
