"""Runs that are embedded in their root's POST.

Decide which of them are sent with it, and match the parts of the response to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.runs.events import CancelledBeforeSending, ParentNotAccepted
from router.runs.transitions import ENDED_PHASES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from consumers.run_updates.batch import RowUpdate
    from router.runs.reports.report import ExternalReport
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
    others = _RunsByName.of(rows[1:])
    for nested in nested_reports(report):
        row = others.take(nested)
        if row is not None and nested.external_id not in used_external_ids:
            reports[row.run_id] = nested
            used_external_ids.add(nested.external_id)
        elif row is not None:
            others.put_back(row)
    return reports


def match_nested(
    rows: Sequence[RunRow], report: ExternalReport, may_be_named: Callable[[RunRow], bool]
) -> Iterator[tuple[RunRow, ExternalReport]]:
    """Yield each run with the nested report about it, once: found by its external id, or by our id or its name."""
    by_external_id = {row.external_id: row for row in rows if row.external_id is not None}
    named = _RunsByName.of([row for row in rows if may_be_named(row)])
    seen: set[str] = set()
    for nested in nested_reports(report):
        row = by_external_id.get(nested.external_id or "") or named.take(nested)
        if row is not None and row.run_id not in seen:
            seen.add(row.run_id)
            yield row, nested


@dataclass(frozen=True, slots=True)
class _RunsByName:
    """Runs by id, and by the names that identify them. Each run is taken once."""

    runs: dict[str, RunRow]
    ids: dict[str, list[str]]
    taken: set[str]

    @classmethod
    def of(cls, rows: Sequence[RunRow]) -> _RunsByName:
        """Index these runs."""
        ids: dict[str, list[str]] = {}
        for row in reversed(rows):
            for name in _names_of(row):
                ids.setdefault(name, []).append(row.run_id)
        return cls({row.run_id: row for row in rows}, ids, set())

    def take(self, report: ExternalReport) -> RunRow | None:
        """Return the first run that the report identifies and that was not taken."""
        if report.external_identifier is not None:
            row = self.runs.get(report.external_identifier)
            found = row if row is not None and row.run_id not in self.taken else None
        else:
            found = self._first_named(_normalised(report.name)) if report.name is not None else None
        if found is not None:
            self.taken.add(found.run_id)
        return found

    def put_back(self, row: RunRow) -> None:
        """Make a run available again."""
        self.taken.discard(row.run_id)
        for name in _names_of(row):
            self.ids[name].append(row.run_id)

    def _first_named(self, name: str) -> RunRow | None:
        candidates = self.ids.get(name, [])
        while candidates:
            run_id = candidates.pop()
            if run_id not in self.taken:
                return self.runs[run_id]
        return None


def identifies_run(report: ExternalReport, row: RunRow) -> bool:
    """Return whether a report names this run: by our id, or by the name under which it was sent."""
    if report.external_identifier is not None:
        return report.external_identifier == row.run_id
    return report.name is not None and _normalised(report.name) in _names_of(row)


def _names_of(row: RunRow) -> set[str]:
    posted = (row.sent or row.requested).name
    # A spoke may add the run id to the name, and write `;` for `,` (see tmf653.requests.outbound_name).
    return {_normalised(posted), _normalised(f"{posted} {row.run_id}")}


def run_id_candidates(report: ExternalReport) -> list[str]:
    """Return what may be a run id of ours in a report: the id that is echoed, else the words of the name."""
    if report.external_identifier is not None:
        return [report.external_identifier]
    return [*dict.fromkeys((report.name or "").split())][-8:]  # the id is the last word, where a spoke adds it


def nested_reports(report: ExternalReport) -> Iterator[ExternalReport]:
    """Yield the reports of all nested runs, parents before children."""
    for child in report.children:
        yield child
        yield from nested_reports(child)


def _normalised(name: str) -> str:
    return name.replace(",", ";").strip()
