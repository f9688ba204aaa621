"""Keep, in the reasons of a run, that it waits for a system which is down for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.events import Reported, RunEventKind
from router.runs.run import replace
from router.runs.states import TERMINAL
from schemas.results import Reason

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.events import RunEvent
    from router.runs.run import RunRow

SYSTEM_DOWN = "SYSTEM_DOWN"
MAX_CAUSE_LENGTH = 1_000  # characters
# Each of these is published as an update that shows that the run continues or has ended.
_GOES_ON = frozenset(
    {
        RunEventKind.ACCEPTED,
        RunEventKind.REFUSED,
        RunEventKind.PARENT_NOT_ACCEPTED,
        RunEventKind.GIVEN_UP,
        RunEventKind.CHANGE_ACCEPTED,
        RunEventKind.CHANGE_REFUSED,
        RunEventKind.CANCELLED_BEFORE_SENDING,
        RunEventKind.CANCEL_ACCEPTED,
        RunEventKind.CANCEL_REFUSED,
    }
)


def system_down(spoke: str, since: datetime, cause: str) -> Reason:
    """Return the reason of a run that waits for its system."""
    message = (
        f"{spoke} is down or has refused calls since {since:%Y-%m-%d %H:%M} UTC ({cause[:MAX_CAUSE_LENGTH]}). "
        f"The run waits and continues by itself; cancel it if it is no longer needed."
    )
    return Reason(code=SYSTEM_DOWN, message=message)


def names_outage(row: RunRow) -> bool:
    """Return whether an update about the outage has been published."""
    return any(reason.code == SYSTEM_DOWN for reason in row.reasons)


def after_outage(row: RunRow, run_event: RunEvent) -> RunRow:
    """Return the row without the reason of an outage, if the run continues with this event."""
    ended = isinstance(run_event, Reported) and run_event.report.state in TERMINAL
    if not (ended or run_event.kind in _GOES_ON) or not names_outage(row):
        return row
    return replace(row, reasons=tuple([reason for reason in row.reasons if reason.code != SYSTEM_DOWN]))
