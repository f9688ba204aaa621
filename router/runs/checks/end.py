"""End a run: by a cancellation that is requested, or in any other way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.events import CANCEL_REQUESTED
from router.runs.reports.verdict import without_pass
from router.runs.run import replace
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.run import RunRow
    from schemas.results import Reason
    from schemas.vocabulary import Phase


def request_cancellation(row: RunRow, reason: Reason | None) -> RunRow:
    """Return the row of a run to cancel, with the newest reason of the ordering service, which may repeat it."""
    row = replace(row, cancel_requested=True)
    if reason is None or reason in row.reasons:
        return row
    others = [known for known in row.reasons if not known.code == reason.code == CANCEL_REQUESTED]
    return replace(row, reasons=(*others, reason))


def end(row: RunRow, phase: Phase, state: RunState, at: datetime, reasons: tuple[Reason, ...] = ()) -> RunRow:
    """Return the row of a run that has ended in this state for these reasons, beside those that it has.

    That its cancellation was requested is no reason of a run that has ended otherwise.
    """
    known = without_pass(row.reasons)
    if state is not RunState.CANCELLED and known:
        known = tuple([reason for reason in known if reason.code != CANCEL_REQUESTED])
    return replace(
        row,
        phase=phase,
        state=state,
        reasons=known + reasons,
        finished_at=at,
        watch=None,
        deadline=None,
        failed_attempt=None,
    )
