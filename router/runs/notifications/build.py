"""Build the notifications about a run from its row alone, so that they can be published again after a crash."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.reports.reasons import bounded_reasons
from schemas.results import RunResult, RunUpdate
from schemas.vocabulary import RunState, UpdateKind

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.results import Reason


def build_update(
    row: RunRow, kind: UpdateKind, reasons: tuple[Reason, ...] = (), version: int | None = None
) -> RunUpdate:
    """Return the update about a run in flight. `version` is that of the document it is about."""
    return RunUpdate(
        run_id=row.run_id,
        root_run_id=row.root_run_id,
        request_id=row.request_id,
        spoke=row.spoke,
        external_id=row.external_id,
        external_href=row.external_href,
        kind=kind,
        phase=row.phase,
        state=row.state,
        version=row.requested.version if version is None else version,
        reasons=bounded_reasons(reasons),
        revision=row.revision,
        previous_revision=_previous_revision(row),
        occurred_at=row.updated_at,
    )


def build_result(row: RunRow) -> RunResult:
    """Return how a run ended, with its measures."""
    return RunResult(
        run_id=row.run_id,
        root_run_id=row.root_run_id,
        request_id=row.request_id,
        spoke=row.spoke,
        external_id=row.external_id,
        state=row.state or RunState.UNKNOWN,
        result=row.result,
        test_measure=row.measures,
        reasons=bounded_reasons(row.reasons),
        revision=row.revision,
        previous_revision=_previous_revision(row),
        occurred_at=row.finished_at or row.updated_at,
    )


def _previous_revision(row: RunRow) -> int | None:
    """Return the revision of what was published before, unless the row has forgotten it."""
    last = row.last_notification
    return last.revision if last is not None and last.revision < row.revision else None
