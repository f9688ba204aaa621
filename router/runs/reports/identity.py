"""Decide whether an answer about one run is about another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow

_MIN_SHORTENED = 10  # characters that a system keeps at least of an id that it cuts


def contradiction_of(report: ExternalReport, row: RunRow, external_id: str | None = None) -> str | None:
    """Return how an answer about a run says that it is about another one; None if it does not.

    The run is known by `external_id` if it has none. An answer that names our id of the run may have another external
    id; one that names our id of its parent or root is that of a child in whose system they are copied.
    """
    named, known = report.run_ids, external_id or row.external_id
    family = (row.run_id, row.parent_run_id, row.root_run_id)
    is_ours = any(may_be(each, ours) for each in named for ours in family if ours)
    if named and not is_ours and not set(named) <= _values_of_ours(row):
        return f"the answer is about another run: it names {named[0][:100]}, and ours is {row.run_id}"
    if any(may_be(each, row.run_id) for each in named) or not known or not report.external_id:
        return None
    if report.is_id_of_address or _names(report, known):
        return None
    return f"the answer is about another run: {report.external_id[:100]} instead of {known}"


def _values_of_ours(row: RunRow) -> set[str]:
    """Return the parameters of a run as texts: one may have the name of the characteristic that has our run id."""
    documents = (row.requested, row.sent or row.requested)
    return {str(parameter.value).strip() for document in documents for parameter in document.characteristic}


def may_be(named: str, run_id: str) -> bool:
    """Return whether a system may store one id of ours as another text: in other letters, or cut to a column."""
    named, run_id = named.strip().casefold(), run_id.strip().casefold()
    return named == run_id or (len(named) >= _MIN_SHORTENED and run_id.startswith(named))


def _names(report: ExternalReport, external_id: str) -> bool:
    """Return whether id or address of a report name this id."""
    known = external_id.casefold()
    path = (report.href or "").partition("?")[0]
    return (report.external_id or "").casefold() == known or known in path.casefold().split("/")
