"""Apply the changes and cancellations that are known to be stored: their commands are on the topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.checks.end import request_cancellation
from router.runs.events import cancellation_reason
from router.runs.hierarchy import child_ids
from router.runs.processed_events import CANCEL, CHANGE, with_effect
from router.runs.run import replace
from router.runs.transitions import ENDED_PHASES
from router.specifications.enrichment import as_routed
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested

if TYPE_CHECKING:
    from router.recovery.history import HierarchyHistory
    from router.runs.run import RunRow
    from schemas.run_document import RunDocument


def with_stored_changes(history: HierarchyHistory, rows: dict[str, RunRow]) -> dict[str, RunRow]:
    """Return the rows with what lifecycle events led to, as far as a command proves that it is stored.

    The change of a hierarchy is stored as a whole before its commands are published, one after the other.
    """
    rows = dict(rows)
    ever = {event.data.run.run_id for event in history.lifecycle if isinstance(event.data, RunRequested)}
    requested: set[str] = set()  # a child that was added after a cancellation or a change is not affected by it
    for event in history.lifecycle:
        match event.data:
            case RunCancelled() as cancelled:
                _mark_cancelled(history, rows, event.id, cancelled, requested)
            case RunChanged() as changed:
                _mark_changed(history, rows, event.id, changed.run, requested)
                if changed.run.run_id in requested or changed.run.run_id not in ever:  # else it was a dead letter
                    requested |= {changed.run.run_id, *child_ids(changed.run)}
            case RunRequested() as request:
                requested |= {request.run.run_id, *child_ids(request.run)}
            case _:
                pass
    return rows


def _mark_cancelled(
    history: HierarchyHistory, rows: dict[str, RunRow], event_id: str, cancelled: RunCancelled, requested: set[str]
) -> None:
    root = rows.get(cancelled.run_id)
    if root is None or history.runs[root.run_id].cancel is None:
        return
    whole = root.decision is not None and root.decision.hierarchical and root.parent_run_id is None
    family = [row for row in rows.values() if row.request_id == root.request_id] if whole else [root]
    for row in family:
        commanded = history.runs[row.run_id].cancel is not None
        if commanded or (row.run_id in requested and row.phase not in ENDED_PHASES):
            reason = cancellation_reason(cancelled.reason) if row.phase not in ENDED_PHASES else None
            rows[row.run_id] = with_effect(request_cancellation(row, reason), event_id, CANCEL)


def _mark_changed(
    history: HierarchyHistory, rows: dict[str, RunRow], event_id: str, document: RunDocument, requested: set[str]
) -> None:
    row = rows.get(document.run_id)
    if row is None or not history.runs[row.run_id].was_changed_by(event_id):
        return
    rows[row.run_id] = with_effect(row, event_id, CHANGE)
    if row.decision is None or not row.decision.hierarchical or row.parent_run_id is not None:
        return
    for child in document.children:
        if child.run_id in rows:
            _change_child(history, rows, event_id, child)
    for run_id in requested & rows.keys() - {document.run_id, *child_ids(document)}:
        if rows[run_id].phase not in ENDED_PHASES:
            rows[run_id] = with_effect(replace(rows[run_id], cancel_requested=True), event_id, CANCEL)


def _change_child(history: HierarchyHistory, rows: dict[str, RunRow], event_id: str, child: RunDocument) -> None:
    row = rows[child.run_id]
    commanded = history.runs[row.run_id].was_changed_by(event_id)
    newer = child.version > row.requested.version and row.phase not in ENDED_PHASES
    if commanded or newer:
        rows[row.run_id] = with_effect(
            replace(row, requested=as_routed(child, row.requested)) if newer else row, event_id, CHANGE
        )
