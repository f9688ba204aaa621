"""A run ends in many ways: that its cancellation was requested is a reason of one that was cancelled only."""

from __future__ import annotations

from datetime import timedelta

import pytest

from router.runs.advance import advance
from router.runs.deadlines.deadline import Deadline
from router.runs.events import (
    CANCEL_REQUESTED,
    CancelledBeforeSending,
    CancelRequested,
    DeadlineReached,
    ParentNotAccepted,
    Refused,
    Reported,
    RunEvent,
    RunMissing,
    cancellation_reason,
)
from router.runs.reports.report import ExternalReport
from schemas.results import Reason
from schemas.vocabulary import Phase, RunState
from tests.builders.runs import NOON, a_run

OTHER = Reason(code="OTHER", message="m")
LATER = NOON + timedelta(hours=1)


def reported(state: RunState) -> Reported:
    return Reported(report_id="end", report=ExternalReport(external_id="ext-TR0001", state=state, raw_state=state))


@pytest.mark.parametrize(
    ("phase", "ends", "state"),
    [
        (Phase.ACCEPTED, reported(RunState.COMPLETED), RunState.COMPLETED),
        (Phase.ACCEPTED, reported(RunState.FAILED), RunState.FAILED),
        (Phase.ACCEPTED, reported(RunState.REJECTED), RunState.REJECTED),
        (Phase.ACCEPTED, reported(RunState.CANCELLED), RunState.CANCELLED),
        (Phase.ACCEPTED, DeadlineReached(as_of=LATER), RunState.FAILED),
        (Phase.ACCEPTED, RunMissing(reasons=(OTHER,), lost_after=0.0), RunState.FAILED),
        (Phase.SENDING, Refused(reasons=(OTHER,)), RunState.REJECTED),
        (Phase.RETRYING, ParentNotAccepted(parent_run_id="TR0000"), RunState.CANCELLED),
        (Phase.RETRYING, CancelledBeforeSending(reason=OTHER), RunState.CANCELLED),
    ],
)
def test_fault_a_run_that_ends_otherwise_names_the_request_to_cancel_it(
    phase: Phase, ends: RunEvent, state: RunState
) -> None:
    row = a_run(phase=phase, deadline=Deadline(expires=NOON), reasons=(OTHER,))
    row = advance(row, (CancelRequested(reason=cancellation_reason("the fault is gone")),), NOON).row
    for number in range(10):  # a run is lost after several answers
        if row.finished_at is None:
            row = advance(row, (ends,), LATER + timedelta(seconds=number)).row
    codes = [reason.code for reason in row.reasons]
    assert row.state is state
    assert (CANCEL_REQUESTED in codes) == (state is RunState.CANCELLED)
    assert OTHER in row.reasons
