"""Runs that travel inside their root's POST: which of them go along, and which answer is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.events import CancelledUnsent, ParentNotAccepted
from router.runs.transitions import ENDED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consumers.run_updates.batch import RowUpdate
    from router.runs.reports import ExternalReport
    from router.runs.run import RunRow


def set_aside(rows: Sequence[RunRow]) -> list[RowUpdate]:
    """Find the children that nobody wants any more and those below them; `rows` are parents before children."""
    out = {row.run_id for row in rows if row.phase in ENDED}
    moves: list[RowUpdate] = []
    for row in rows[1:]:
        if row.run_id in out:
            continue
        if row.cancel_asked:
            moves.append((row, (CancelledUnsent(),)))
        elif row.parent_run_id in out:
            moves.append((row, (ParentNotAccepted(parent_run_id=row.parent_run_id or ""),)))
        else:
            continue
        out.add(row.run_id)
    return moves


def who_is_who(rows: Sequence[RunRow], report: ExternalReport) -> dict[str, ExternalReport]:
    """Give for each run, by its id, what the report says about it: the first run is what the report is about.

    A nested one is recognised by our id where the system echoes it, else by its name. An id that the system
    gives twice belongs to nobody.
    """
    found = {rows[0].run_id: report}
    taken = {report.external_id}
    for nested in _nested(report):
        row = next((row for row in rows[1:] if row.run_id not in found and is_about(nested, row)), None)
        if row is not None and nested.external_id not in taken:
            found[row.run_id] = nested
            taken.add(nested.external_id)
    return found


def is_about(report: ExternalReport, row: RunRow) -> bool:
    """Tell whether a report names this run: by our id, or by the name under which it was sent."""
    if report.external_identifier is not None:
        return report.external_identifier == row.run_id
    posted = (row.sent or row.requested).name
    # A spoke may add the run id to the name, and write `;` for `,` (see tmf653.requests.name_of).
    return report.name is not None and _plain(report.name) in {_plain(posted), _plain(f"{posted} {row.run_id}")}


def run_ids_in(report: ExternalReport) -> list[str]:
    """Give what may be a run id of ours in a report: the id that is echoed, else the words of the name."""
    if report.external_identifier is not None:
        return [report.external_identifier]
    return [*dict.fromkeys((report.name or "").split())][-8:]  # the id stands last, where a spoke adds it


def _nested(report: ExternalReport) -> Iterator[ExternalReport]:
    for child in report.children:
        yield child
        yield from _nested(child)


def _plain(name: str) -> str:
    return name.replace(",", ";").strip()
