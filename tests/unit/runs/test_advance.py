"""A run moves by the transition tables, announces what happened, and leaves its end only if it was lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.advance import TransitionNotAllowedError, advance, is_allowed
from router.runs.checks.missing_parts import LOST
from router.runs.checks.watch import Missing, Watch
from router.runs.deadlines.deadline import Deadline
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
    Checked,
    DeadlineReached,
    GivenUp,
    OutcomeUnknown,
    ParentNotAccepted,
    Refused,
    ReplacementBegun,
    ReplacementDelayed,
    Reported,
    RequestProgressed,
    Routed,
    RunEventKind,
    RunMissing,
    Sending,
)
from router.runs.reports.report import ExternalMeasure, ExternalReport
from router.runs.revisions.replaced_tests import Replacement
from router.runs.transitions import (
    ACCEPTED_PHASES,
    CONDITIONAL_TRANSITIONS,
    ENDED_PHASES,
    NEXT_PHASE,
    PHASE_OF_STATE,
)
from schemas.results import Reason, RequestProgress, RunResult, RunUpdate
from schemas.vocabulary import Phase, Result, RunState, UpdateKind
from tests.builders.runs import NOON, SINGLE, a_document, a_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.runs.events import RunEvent
    from router.runs.run import RunRow

REJECTION_REASONS = (Reason(code="21", message="no such line"),)
DOCUMENT = a_document(measures=("TM1",))
SOME_OF_EACH = (
    Routed(request_id="RQ0001", spoke="fibre-lab", decision=SINGLE, document=DOCUMENT),
    Sending(document=DOCUMENT),
    AttemptFailed(),
    OutcomeUnknown(reasons=REJECTION_REASONS),
    Accepted(external_id="ext-1", href=None, document=DOCUMENT),
    Refused(reasons=REJECTION_REASONS),
    ParentNotAccepted(parent_run_id="TR0000"),
    GivenUp(reasons=REJECTION_REASONS),
    Reported(report_id="e-1", report=ExternalReport(external_id="ext-1", state=RunState.IN_PROGRESS)),
    Reported(report_id="e-2", report=ExternalReport(external_id="ext-1", state=RunState.COMPLETED)),
    Reported(report_id="e-3", report=ExternalReport(external_id="ext-1", state=RunState.CANCELLED)),
    Reported(report_id="e-4", report=ExternalReport(external_id="ext-1", raw_state="daydreaming")),
    ChangeRequested(document=a_document(version=2)),
    ChangeAccepted(document=a_document(version=2)),
    ChangeRefused(version=2, reasons=REJECTION_REASONS),
    ReplacementBegun(),
    ReplacementDelayed(reason=REJECTION_REASONS[0]),
    CancelRequested(),
    CancelledBeforeSending(),
    CancelAccepted(),
    CancelRefused(reasons=REJECTION_REASONS),
    DeadlineReached(as_of=NOON + timedelta(days=30)),
    RequestProgressed(progress=RequestProgress(total=2, ended=1)),
)


def test_a_run_that_is_answered_at_once_announces_accepted_and_then_its_result() -> None:
    report = ExternalReport(
        external_id="ext-1",
        state=RunState.COMPLETED,
        measures=(ExternalMeasure(id="TM1", value=93.5, has_value=True),),
    )
    accepted = Accepted(external_id="ext-1", href="/ext-1", document=DOCUMENT)
    step = advance(
        a_run(phase=Phase.SENDING, document=DOCUMENT),
        (accepted, Reported(report_id="c", report=report)),
        NOON,
    )
    update, result = step.notifications
    assert isinstance(update, RunUpdate)
    assert isinstance(result, RunResult)
    assert (update.kind, result.state, result.result) == (
        UpdateKind.ACCEPTED,
        RunState.COMPLETED,
        Result.PASS,
    )
    assert [measure.id for measure in result.test_measure] == ["TM1"]
    assert step.row.phase is Phase.FULFILLED
    assert step.row.revision == 2


def test_a_report_that_was_processed_before_changes_nothing() -> None:
    row = a_run(phase=Phase.ACCEPTED, processed_reports=("e-1",))
    step = advance(row, (SOME_OF_EACH[8],), NOON)
    assert step.row is row
    assert not step.changed


def test_a_report_after_the_end_is_kept_and_flagged_stale() -> None:
    row = a_run(phase=Phase.FULFILLED, state=RunState.COMPLETED)
    late = ExternalReport(external_id="ext-1", state=RunState.FAILED, raw_state="failed")
    step = advance(row, (Reported(report_id="late", report=late),), NOON)
    (announced,) = step.notifications
    assert isinstance(announced, RunUpdate)
    assert announced.kind is UpdateKind.STALE
    assert (step.row.state, step.row.phase) == (RunState.COMPLETED, Phase.FULFILLED)
    assert "STALE_REPORT" in {reason.code for reason in step.row.reasons}


def test_a_child_of_a_parent_that_was_never_accepted_ends_blocked() -> None:
    step = advance(a_run(phase=Phase.ROUTED), (ParentNotAccepted(parent_run_id="TR0000"),), NOON)
    assert step.row.phase is Phase.BLOCKED
    assert step.row.state is RunState.CANCELLED
    assert [type(announced) for announced in step.notifications] == [RunUpdate, RunResult]


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        (ChangeRefused(version=2, reasons=REJECTION_REASONS), UpdateKind.CHANGE_REFUSED),
        (CancelRefused(reasons=REJECTION_REASONS), UpdateKind.CANCEL_REFUSED),
    ],
)
def test_a_refusal_changes_only_the_revision_that_its_update_carries(
    refused: ChangeRefused | CancelRefused, kind: UpdateKind
) -> None:
    row = a_run(phase=Phase.IN_PROGRESS, state=RunState.IN_PROGRESS)
    step = advance(row, (refused,), NOON)
    assert step.changed
    assert step.row == replace(row, revision=row.revision + 1)
    (announced,) = step.notifications
    assert isinstance(announced, RunUpdate)
    assert (announced.kind, announced.reasons, announced.revision) == (kind, REJECTION_REASONS, step.row.revision)


def test_a_refused_post_ends_the_run_as_rejected_with_their_reasons() -> None:
    step = advance(a_run(phase=Phase.SENDING), (Refused(reasons=REJECTION_REASONS),), NOON)
    (announced,) = step.notifications
    assert isinstance(announced, RunResult)
    assert (announced.state, announced.reasons, announced.result) == (RunState.REJECTED, REJECTION_REASONS, None)


def test_a_failed_attempt_clears_perhaps_sent_and_an_unknown_outcome_keeps_it() -> None:
    sending = a_run(phase=Phase.SENDING, sent_at=NOON)
    assert advance(sending, (AttemptFailed(),), NOON).row.sent_at is None
    assert advance(sending, (OutcomeUnknown(reasons=REJECTION_REASONS),), NOON).row.sent_at == NOON


def test_progress_is_announced_once_per_state() -> None:
    row = a_run(phase=Phase.ACCEPTED)
    first = advance(row, (SOME_OF_EACH[8],), NOON)
    again = Reported(report_id="e-9", report=ExternalReport(external_id="ext-1", state=RunState.IN_PROGRESS))
    assert [announced.kind for announced in first.notifications if isinstance(announced, RunUpdate)] == [
        UpdateKind.PROGRESS
    ]
    assert advance(first.row, (again,), NOON).notifications == ()


@given(
    st.sampled_from([*Phase]),
    st.lists(st.sampled_from(SOME_OF_EACH), max_size=12),
)
def test_whatever_happens_a_run_never_leaves_its_end_and_its_revision_grows_by_one(
    phase: Phase, happened: list[RunEvent]
) -> None:
    row = a_run(phase=phase, document=DOCUMENT)
    if phase in ENDED_PHASES:
        row = a_run(phase=phase, document=DOCUMENT, state=RunState.COMPLETED)
    for number, run_event in enumerate(happened):
        if not is_allowed(row, run_event):
            with pytest.raises(TransitionNotAllowedError):
                advance(row, (run_event,), NOON)
            continue
        step = advance(row, (run_event,), NOON + timedelta(seconds=number))
        assert step.row.revision == row.revision + step.changed
        if row.phase in ENDED_PHASES:
            assert (step.row.phase, step.row.state) == (row.phase, row.state)
            assert not [announced for announced in step.notifications if isinstance(announced, RunResult)]
        row = step.row


def test_every_phase_can_be_reached_and_no_end_leads_on() -> None:
    reached = {Phase.CREATED, *NEXT_PHASE.values()}
    reached |= {Phase.FULFILLED, Phase.FAILED}  # reached by a report, see PHASE_OF_STATE
    assert reached == set(Phase) - {Phase.UNKNOWN}
    assert all(after is before for (before, _), after in NEXT_PHASE.items() if before in ENDED_PHASES)


def test_every_transition_outside_the_first_table_is_in_the_table_of_conditions() -> None:
    found = set()
    for row in rows_that_are_watched():
        for run_event in (*SOME_OF_EACH, *WATCH_EVENTS):
            if is_allowed(row, run_event):
                after = advance(row, (run_event,), NOON + timedelta(days=2)).row.phase
                if after is not NEXT_PHASE[row.phase, run_event.kind]:
                    found.add((row.phase, run_event.kind, after))
    reports = {
        (before, RunEventKind.REPORTED, after)
        for before in (*ACCEPTED_PHASES, Phase.FALLOUT, Phase.FAILED)
        for after in PHASE_OF_STATE.values()
    }
    conditional = {transition[:3] for transition in CONDITIONAL_TRANSITIONS}
    assert found - reports - conditional == set()
    assert conditional - found == set()


def test_an_ended_run_returns_only_if_it_was_lost() -> None:
    """docs/states.md once said that a run never leaves its end."""
    returning = [one for one in CONDITIONAL_TRANSITIONS if one.before in ENDED_PHASES]
    assert [(one.before, one.kind, one.after) for one in returning] == [
        (Phase.FAILED, RunEventKind.REPORTED, Phase.ACCEPTED)
    ]
    for phase in ENDED_PHASES:
        for lost in (False, True):
            row = a_run(phase=phase, state=RunState.FAILED, reasons=LOST_REASONS if lost else ())
            after = advance(row, (SOME_OF_EACH[8],), NOON).row.phase
            assert (after is not phase) == (lost and phase is Phase.FAILED)


LOST_REASONS = (Reason(code=LOST, message="not found"),)
WATCH_EVENTS = (
    Checked(within=60, answered=True),
    Checked(within=60, answered=True, gives_up=Reason(code="TIMED_OUT", message="no answer")),
    RunMissing(reasons=REJECTION_REASONS, lost_after=600),
    Reported(report_id="e-5", report=ExternalReport(external_id="ext-1", state=RunState.ACKNOWLEDGED)),
)


def rows_that_are_watched() -> Iterator[RunRow]:
    """Yield a row of every phase, and of each whatever it may wait for."""
    for phase in dict.fromkeys(before for before, _ in NEXT_PHASE):
        yield a_run(phase=phase, document=DOCUMENT)
    for phase, missing in product(ACCEPTED_PHASES, Missing):
        yield a_run(phase=phase, document=DOCUMENT, watch=Watch(missing=missing, since=NOON, due=NOON, answers=5))
    for phase in ACCEPTED_PHASES:
        yield a_run(phase=phase, document=DOCUMENT, deadline=Deadline(expires=NOON))
        yield a_run(phase=phase, document=DOCUMENT, replacement=Replacement(cancelling=True))
    yield a_run(phase=Phase.FAILED, state=RunState.FAILED, reasons=LOST_REASONS)
