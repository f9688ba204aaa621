"""Say why a change is not taken at all, before anybody asks the external system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.transitions import ENDED
from schemas.results import Reason

if TYPE_CHECKING:
    from router.runs.run import RunRow
    from schemas.run_document import RunDocument


def why_not(row: RunRow, document: RunDocument) -> Reason | None:
    """Give the reason why this document cannot become what is wanted of the run; None: it can, or is already."""
    known = row.requested
    if row.phase in ENDED:
        return has_ended(row)
    if (document.root_run_id, document.parent_run_id) != (known.root_run_id, known.parent_run_id):
        return _moved(row, document)
    if document.version < known.version or (document.version == known.version and document != known):
        return not_higher(row, document)
    return None


def not_higher(row: RunRow, document: RunDocument) -> Reason:
    """Say that a change carries an old version."""
    return Reason(
        code="VERSION_NOT_HIGHER",
        message=f"Run {row.run_id} is at version {row.requested.version}; a change must carry a higher one, "
        f"not {document.version}.",
    )


def has_ended(row: RunRow) -> Reason:
    """Say that a run is past changing."""
    return Reason(code="RUN_HAS_ENDED", message=f"Run {row.run_id} is {row.state}; it cannot be changed any more.")


def was_removed(row: RunRow) -> Reason:
    """Say that a child cannot come back."""
    return Reason(
        code="CHILD_WAS_REMOVED",
        message=f"Run {row.run_id} was removed or cancelled before: add it again as a new run with a new id.",
    )


def _moved(row: RunRow, document: RunDocument) -> Reason:
    return Reason(
        code="RUN_CANNOT_MOVE",
        message=f"Run {row.run_id} belongs to root {row.root_run_id} and parent {row.parent_run_id}; a change cannot "
        f"move it to root {document.root_run_id} and parent {document.parent_run_id}.",
    )
