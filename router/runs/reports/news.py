"""Decide whether a report changes what is known about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.advance import advance
from router.runs.events import Reported
from router.runs.reports.reasons import LEFT_OUT
from router.runs.reports.verdict import last_words

if TYPE_CHECKING:
    from datetime import datetime

    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow


def has_news(
    row: RunRow,
    report: ExternalReport,
    at: datetime,
    measures_grace: float,
    *,
    ends_with_measures: bool = False,
    keeps_unknown_measures: bool = True,
) -> bool:
    """Return whether a report about a run at its system would publish something or change what is known about it."""
    reported = Reported(
        report_id="",
        report=report,
        measures_grace=measures_grace,
        ends_with_measures=ends_with_measures,
        keeps_unknown_measures=keeps_unknown_measures,
    )
    step = advance(row, (reported,), at)
    # A reason that the row does not keep would look new in every response.
    with_reasons = all(reason.code != LEFT_OUT for reason in row.reasons)
    return bool(step.notifications) or _knowledge(step.row, with_reasons) != _knowledge(row, with_reasons)


def _knowledge(row: RunRow, with_reasons: bool) -> tuple[object, ...]:  # noqa: FBT001 - private
    # A measure that cannot be read has the same reason in every answer.
    reasons = frozenset(row.reasons) if with_reasons else None
    return row.phase, row.state, row.external_id, row.measures, reasons, last_words(row.reasons)
