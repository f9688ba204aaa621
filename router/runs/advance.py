"""Move a run: given its row and what happened, the next row and what there is to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from router.runs import notifications as announcements
from router.runs.events import (
    Accepted,
    AttemptFailed,
    CancelAccepted,
    CancelAsked,
    CancelledUnsent,
    CancelRefused,
    ChangeAccepted,
    ChangeAsked,
    ChangeRefused,
    Commanded,
    GivenUp,
    OutcomeUnknown,
    ParentNotAccepted,
    Refused,
    Reported,
    Routed,
    Sending,
    Waits,
)
from router.runs.measures.measures import judge_result, match_measures, merge_measures
from router.runs.pending import WAITS_FOR_THRESHOLD
from router.runs.run import MAX_PROCESSED_REPORTS, replace
from router.runs.states import TERMINAL, is_forward
from router.runs.transitions import ENDED, NEXT, PHASE_OF_STATE
from schemas.results import Reason
from schemas.vocabulary import RunState, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from router.runs.events import Happening
    from router.runs.run import RunRow
    from schemas.results import RunResult, RunUpdate
    from schemas.vocabulary import Phase


class Transition(NamedTuple):
    """What a happening made of a row. `moved` is False where there is nothing to write."""

    row: RunRow
    announcements: tuple[RunUpdate | RunResult, ...] = ()
    moved: bool = True


class NotAllowedError(Exception):
    """The table has no such transition: the caller asked for something that cannot be."""


def allows(row: RunRow, happening: Happening) -> bool:
    """Tell whether the transition table knows this happening in the row's phase."""
    return (row.phase, happening.kind) in NEXT


def advance(row: RunRow, happenings: Iterable[Happening], at: datetime) -> Transition:
    """Apply what happened, in order, as one step to `revision + 1`.

    Raises:
        NotAllowedError: the transition table has no such step.
    """
    basis, moved = row, False
    told: list[RunUpdate | RunResult] = []
    row = replace(row, revision=row.revision + 1, updated_at=at)
    for happening in happenings:
        step = _apply(row, happening, at)
        row, moved = step.row, moved or step.moved
        told += step.announcements
    return Transition(row, tuple(told), moved=True) if moved else Transition(basis, tuple(told), moved=False)


def _apply(row: RunRow, happening: Happening, at: datetime) -> Transition:  # noqa: C901, PLR0911, PLR0912 - one case per happening
    phase = NEXT.get((row.phase, happening.kind))
    if phase is None:
        raise NotAllowedError(f"Run {row.run_id} is {row.phase}: {happening.kind} cannot happen to it.")
    match happening:
        case Waits():
            said = row.phase is phase and happening.reason in row.reasons
            reasons = (*_other_reasons(row), happening.reason)
            row = replace(row, phase=phase, waits_for=happening.waits_for, reasons=reasons)
            return Transition(row) if said else _told(row, UpdateKind.WAITING, (happening.reason,))
        case Routed():
            return Transition(
                replace(
                    row,
                    phase=phase,
                    request_id=happening.request_id,
                    spoke=happening.spoke,
                    decision=happening.decision,
                    requested=happening.document,
                    reasons=_other_reasons(row),
                    waits_for=row.waits_for if happening.in_turn else (),
                )
            )
        case Commanded():
            return Transition(replace(row, waits_for=()), moved=bool(row.waits_for))
        case Sending():
            return Transition(replace(row, phase=phase, sent=happening.document, sent_at=at))
        case AttemptFailed():
            return Transition(replace(row, phase=phase, sent=None, sent_at=None))
        case OutcomeUnknown():
            return _told(replace(row, phase=phase), UpdateKind.IN_DOUBT, happening.reasons)
        case Accepted():
            return _accepted(row, happening, phase, at)
        case Refused():
            return _ended(row, phase, RunState.REJECTED, happening.reasons, at)
        case ParentNotAccepted():
            reason = Reason(
                code="PARENT_NOT_ACCEPTED",
                message=f"Parent run {happening.parent_run_id} was never accepted, so this run cannot be either.",
            )
            return _blocked(_unqueued(row, phase), phase, reason, at)
        case GivenUp():
            return _told(_unqueued(row, phase), UpdateKind.FALLOUT, happening.reasons)
        case Reported():
            return _reported(row, happening, at)
        case ChangeAsked():
            return Transition(replace(row, requested=happening.document))
        case ChangeAccepted():
            version = happening.document.version
            row = replace(row, sent=happening.document, accepted_version=version)
            return _told(row, UpdateKind.CHANGE_ACCEPTED, version=version)
        case ChangeRefused():
            return _told(row, UpdateKind.CHANGE_REFUSED, happening.reasons, happening.version)
        case CancelAsked():
            return Transition(replace(row, cancel_asked=True))
        case CancelledUnsent():
            return _ended(_unqueued(row, phase), phase, RunState.CANCELLED, (happening.why,), at)
        case CancelAccepted():
            return _told(row, UpdateKind.CANCEL_ACCEPTED)
        case CancelRefused():
            return _told(row, UpdateKind.CANCEL_REFUSED, happening.reasons)
        case _:
            assert_never(happening)


def _told(row: RunRow, kind: UpdateKind, reasons: tuple[Reason, ...] = (), version: int | None = None) -> Transition:
    return Transition(row, (announcements.update(row, kind, reasons, version),))


def _unqueued(row: RunRow, phase: Phase) -> RunRow:
    return replace(row, phase=phase, waits_for=(), reasons=_other_reasons(row))


def _other_reasons(row: RunRow) -> tuple[Reason, ...]:
    """Give the reasons that still hold once a run waits for nothing, or for something else."""
    return tuple([reason for reason in row.reasons if reason.code != WAITS_FOR_THRESHOLD]) if row.reasons else ()


def _accepted(row: RunRow, happening: Accepted, phase: Phase, at: datetime) -> Transition:
    row = replace(
        row,
        phase=phase,
        state=RunState.ACKNOWLEDGED,
        external_id=happening.external_id,
        external_href=happening.href,
        sent=happening.document,
        accepted_version=happening.document.version,
        accepted_at=at,
    )
    return _told(row, UpdateKind.ACCEPTED, version=happening.document.version)


def _ended(row: RunRow, phase: Phase, state: RunState, reasons: tuple[Reason, ...], at: datetime) -> Transition:
    row = replace(row, phase=phase, state=state, reasons=row.reasons + reasons, finished_at=at)
    return Transition(row, (announcements.result(row),))


def _blocked(row: RunRow, phase: Phase, reason: Reason, at: datetime) -> Transition:
    ended = _ended(row, phase, RunState.CANCELLED, (reason,), at)
    blocked = announcements.update(ended.row, UpdateKind.BLOCKED, (reason,))
    return Transition(ended.row, (blocked, *ended.announcements))


def _reported(row: RunRow, happening: Reported, at: datetime) -> Transition:
    if happening.report_id in row.processed_reports:
        return Transition(row, moved=False)
    reports = (*row.processed_reports, happening.report_id)[-MAX_PROCESSED_REPORTS:]
    row = replace(row, processed_reports=reports)
    report = happening.report
    if row.phase in ENDED:
        return _late(row, happening)
    if report.external_id and row.external_id is None:
        row = replace(row, external_id=report.external_id, external_href=report.href)
    row = _with_measures(row, happening)
    if report.state is None or not is_forward(row.state, report.state):
        return Transition(row)
    return _moved_to(row, report.state, at)


def _late(row: RunRow, happening: Reported) -> Transition:
    """Keep that something came after the end; nothing leaves a terminal state."""
    report = happening.report
    if report.state in (row.state, None) and not report.measures:
        return Transition(row)
    reason = Reason(
        code="STALE_REPORT",
        message=f"The external system reported {report.raw_state or 'measures'} after the run was {row.state}.",
    )
    return _told(replace(row, reasons=(*row.reasons, reason)), UpdateKind.STALE, (reason,))


def _with_measures(row: RunRow, happening: Reported) -> RunRow:
    report = happening.report
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
        measures=merge_measures(row.measures, matched.measures),
        reasons=row.reasons + report.reasons + matched.problems,
    )


def _moved_to(row: RunRow, state: RunState, at: datetime) -> Transition:
    if state not in TERMINAL:
        changed = state is not row.state
        row = replace(row, phase=PHASE_OF_STATE[state], state=state)
        return _told(row, UpdateKind.PROGRESS) if changed else Transition(row)
    found = judge_result(state, row.requested.test_measure, row.measures, row.reasons)
    row = replace(row, phase=PHASE_OF_STATE[state], state=state, finished_at=at, result=found)
    return Transition(row, (announcements.result(row),))
