"""Compute when a run is looked at next: because something is missing, it is late, or it is being cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.run import RunRow


def next_check(row: RunRow) -> datetime | None:
    """Return the earliest time at which there is something to do; None if there is nothing."""
    due = row.watch.due if row.watch is not None else None
    if row.deadline is not None:
        due = row.deadline.due if due is None else min(due, row.deadline.due)
    if row.cancellation is not None:
        due = row.cancellation.due if due is None else min(due, row.cancellation.due)
    return due
