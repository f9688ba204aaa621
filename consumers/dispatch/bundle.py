"""Runs that are embedded in their root's POST.

Decide which of them are sent with it, and match the parts of the response to them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.events import CancelledBeforeSending, ParentNotAccepted
from router.runs.transitions import ENDED_PHASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.run_updates.batch import RowUpdate
    from router.runs.reports import ExternalReport
    from router.runs.run import RunRow


def cancelled_child_updates(rows: Sequence[RunRow]) -> list[RowUpdate]:
    """Return the updates of children that were cancelled or removed, and of their descendants.

    `rows` are parents first.
    """
    excluded_ids = {row.run_id for row in rows if row.phase in ENDED_PHASES}
    updates: list[RowUpdate] = []
    for row in rows[1:]:
        if row.run_id in excluded_ids:
            continue
        if row.cancel_requested:
            updates.append((row, (CancelledBeforeSending(),)))
        elif row.parent_run_id in excluded_ids:
            updates.append((row, (ParentNotAccepted(parent_run_id=row.parent_run_id or ""),)))
        else:
            continue
        excluded_ids.add(row.run_id)
    return updates


def reports_by_run(rows: Sequence[RunRow], report: ExternalReport) -> dict[str, ExternalReport]:
    """Return, by run id, what the report says about each run; the first run is the subject of the report.

    A nested one is recognised by our id where the system echoes it, else by its name. An external id that occurs twice
    is ignored.
    """
    reports = {rows[0].run_id: report}
    used_external_ids = {report.external_id}
    for nested in _nested_reports(report):
        row = next((row for row in rows[1:] if row.run_id not in reports and identifies_run(nested, row)), None)
        if row is not None and nested.external_id not in used_external_ids:
            reports[row.run_id] = nested
            used_external_ids.add(nested.external_id)
    return reports


def identifies_run(report: ExternalReport, row: RunRow) -> bool:
    """Return whether a report names this run: by our id, or by the name under which it was sent."""
    if report.external_identifier is not None:
        return report.external_identifier == row.run_id
    posted = (row.sent or row.requested).name
    # A spoke may add the run id to the name, and write `;` for `,` (see tmf653.requests.outbound_name).
    return report.name is not None and _normalised(report.name) in {
        _normalised(posted),
        _normalised(f"{posted} {row.run_id}"),
    }


def run_id_candidates(report: ExternalReport) -> list[str]:
    """Return what may be a run id of ours in a report: the id that is echoed, else the words of the name."""
    if report.external_identifier is not None:
        return [report.external_identifier]
    return [*dict.fromkeys((report.name or "").split())][-8:]  # the id is the last word, where a spoke adds it


def _nested_reports(report: ExternalReport) -> Iterator[ExternalReport]:
    for child in report.children:
        yield child
        yield from _nested_reports(child)


def _normalised(name: str) -> str:
    return name.replace(",", ";").strip()
