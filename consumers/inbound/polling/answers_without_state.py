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

# The type of the event with an answer that stands for several in a row. The others were not published. If they are no
# run, the type goes on with what they are instead, and the body is empty: a process of the previous version, which
# could not read them, asks for the run then, as for one that may be lost.
SEVERAL_ANSWERS = "severalAnswersWithoutState"
MAX_REMEMBERED = 100_000  # runs
_NO_RUN = "no run: "
_NO_RUNS = f"{SEVERAL_ANSWERS}, {_NO_RUN}"
_MAX_LENGTH = 200


def no_run_shown(external_id: str | None, error: NotUnderstoodError) -> ExternalReport:
    """Return the report of an answer that cannot be read as a run; the error says what it is instead."""
    return ExternalReport(external_id=external_id, shown=f"{_NO_RUN}{str(error)[:_MAX_LENGTH]}", names_no_run=True)


def as_several(report: ExternalReport, received: InboundReceived) -> ExternalReport:
    """Return the report of a polled answer with the number of answers for which it stands."""
    return replace(report, alike=MIN_ANSWERS) if received.event_type == SEVERAL_ANSWERS else report


def type_of_event(report: ExternalReport) -> str | None:
    """Return the type of the event with the answer that a report was read from; None if it stands for itself."""
    if report.shown.startswith(_NO_RUN):
        return f"{SEVERAL_ANSWERS}, {report.shown}"
    return SEVERAL_ANSWERS if report.alike > 1 else None


def read_no_runs(received: InboundReceived) -> ExternalReport | None:
    """Return the report of answers that are no run; None if an event without a body asks for the run."""
    kind = received.event_type or ""
    if received.body or not kind.startswith(_NO_RUNS):
        return None
    shown = kind.removeprefix(f"{SEVERAL_ANSWERS}, ")
    external_id = received.external_id or None
    return ExternalReport(
        external_id=external_id, shown=shown, alike=MIN_ANSWERS, names_no_run=True, as_of=received.received_at
    )


@dataclass(frozen=True, slots=True)
class UnpublishedAnswers:
    """Counts answers of this process's polls that were not published, because nothing else in them is new."""

    counts: dict[tuple[str, str | None], int] = field(default_factory=dict)  # by run and its id at the system

    def count(self, row: RunRow, report: ExternalReport) -> ExternalReport:
        """Return a report with the number of answers for which it stands."""
        if not is_counted(row, report):
            self.forget(row)
            return report
        counted = self.counts.pop((row.run_id, row.external_id), 0) + 1
        self.counts[row.run_id, row.external_id] = counted
        if len(self.counts) > MAX_REMEMBERED:
            del self.counts[next(iter(self.counts))]
        return replace(report, alike=counted)

    def forget(self, row: RunRow) -> None:
        """Forget the answers about a run: one was published, or has a state."""
        self.counts.pop((row.run_id, row.external_id), None)
