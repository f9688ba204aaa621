"""Count the answers to polls of a run that show no state, or no run, until its run says so."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from router.runs.reports.report import ExternalReport
from router.runs.reports.unread_fields import MIN_ANSWERS, is_counted

if TYPE_CHECKING:
    from consumers.spokes.port import NotUnderstoodError
    from router.runs.run import RunRow
    from schemas.inbound import InboundReceived

# The type of the event with an answer that stands for several in a row. The others were not published.
SEVERAL_ANSWERS = "severalAnswersWithoutState"
MAX_REMEMBERED = 100_000  # runs
_MAX_LENGTH = 200


def no_run_shown(external_id: str | None, error: NotUnderstoodError) -> ExternalReport:
    """Return the report of an answer that cannot be read as a run; the error says what it is instead."""
    return ExternalReport(external_id=external_id, shown=f"no run: {str(error)[:_MAX_LENGTH]}")


def as_several(report: ExternalReport, received: InboundReceived) -> ExternalReport:
    """Return the report of a polled answer with the number of answers for which it stands."""
    return replace(report, alike=MIN_ANSWERS) if received.event_type == SEVERAL_ANSWERS else report


@dataclass(frozen=True, slots=True)
class UnpublishedAnswers:
    """Counts answers of this process's polls that were not published, because nothing else in them is new."""

    counts: dict[str, int] = field(default_factory=dict)

    def count(self, row: RunRow, report: ExternalReport) -> ExternalReport:
        """Return a report with the number of answers for which it stands."""
        if not is_counted(row, report):
            self.forget(row)
            return report
        counted = self.counts.pop(row.run_id, 0) + 1
        self.counts[row.run_id] = counted
        if len(self.counts) > MAX_REMEMBERED:
            del self.counts[next(iter(self.counts))]
        return replace(report, alike=counted)

    def forget(self, row: RunRow) -> None:
        """Forget the answers about a run: one was published, or has a state."""
        self.counts.pop(row.run_id, None)
