"""What an external system asks for before it goes on with a run, until the run goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.run import replace
from schemas.results import Reason
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow

INFORMATION_REQUIRED = "INFORMATION_REQUIRED"
CANCEL_INFORMATION_REQUIRED = "CANCEL_INFORMATION_REQUIRED"
_ABOUT = {INFORMATION_REQUIRED: "the run", CANCEL_INFORMATION_REQUIRED: "its cancellation"}
MAX_QUESTIONS = 20  # of one report


def question(path: str, code: str) -> Reason:
    """Return the reason that names one field (a JSON pointer) that the system requires.

    `code` is `INFORMATION_REQUIRED` or `CANCEL_INFORMATION_REQUIRED`.
    """
    message = f"The external system needs {path} before it goes on with {_ABOUT[code]}."
    return Reason(code=code, message=message, property_path=path)


def add_questions(row: RunRow, report: ExternalReport) -> tuple[RunRow, tuple[Reason, ...]]:
    """Return the row with the fields that a report requires, and the reasons that the row did not have before."""
    new = tuple(reason for reason in report.asked if reason not in row.reasons)
    return (replace(row, reasons=(*row.reasons, *new)), new) if new else (row, ())


def without_answered(row: RunRow, state: RunState) -> RunRow:
    """Return the row of a run that enters this state; unless the state is pending, no field is required any more."""
    if state is RunState.PENDING or all(reason.code not in _ABOUT for reason in row.reasons):
        return row
    return replace(row, reasons=tuple(reason for reason in row.reasons if reason.code not in _ABOUT))


def without_questions_about(row: RunRow, fields: frozenset[str]) -> RunRow:
    """Return the row without the requirement of these fields, which a change has set.

    If the system requires one of them again, that is published again.
    """
    if not fields:
        return row
    return replace(row, reasons=tuple(reason for reason in row.reasons if _asked_field(reason) not in fields))


def asked_fields(row: RunRow) -> frozenset[str]:
    """Return the first-level fields of the run that its system requires, by their TMF653 names."""
    return frozenset(field for reason in row.reasons if (field := _asked_field(reason)) is not None)


def _asked_field(reason: Reason) -> str | None:
    if reason.code != INFORMATION_REQUIRED:
        return None
    return (reason.property_path or "").removeprefix("/").partition("/")[0]
