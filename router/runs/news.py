"""Decide whether a report says anything about a run that is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.advance import advance
from router.runs.events import Reported

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.reports import ExternalReport
    from router.runs.run import RunRow


def has_news(row: RunRow, report: ExternalReport, at: datetime, measures_grace: float) -> bool:
    """Return whether a report about a run that is out would publish something or change what is known of the run."""
    step = advance(row, (Reported(report_id="", report=report, measures_grace=measures_grace),), at)
    return bool(step.notifications) or _knowledge(step.row) != _knowledge(row)


def _knowledge(row: RunRow) -> tuple[object, ...]:
    # A measure that cannot be read has the same reason in every answer.
    return row.phase, row.state, row.external_id, row.measures, frozenset(row.reasons)
