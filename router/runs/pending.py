"""Which runs are pending, and the children that are embedded in a pending root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.transitions import ENDED_PHASES
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.runs.run import RunRow
    from schemas.run_document import RunDocument

WAITS_FOR_THRESHOLD = "WAITS_FOR_THRESHOLD"  # the reason of a run whose request definitions are all used up

_UNROUTED = (Phase.CREATED, Phase.WAITING, Phase.FALLOUT)


def is_pending(row: RunRow) -> bool:
    """Return whether a run still waits for its hierarchy or in the queue, even if it was given up."""
    return row.decision is None and row.phase in _UNROUTED


def ended_undecided(row: RunRow) -> bool:
    """Return whether a run ended before any table decided it."""
    return row.decision is None and row.phase in ENDED_PHASES


def embedded_child(root: RunDocument, run_id: str) -> RunDocument | None:
    """Return a child that is embedded in its root's document."""
    return next((child for child in root.children if child.run_id == run_id), None)


def with_changed_child(root: RunDocument, child: RunDocument) -> RunDocument:
    """Return the root with another document of an embedded child."""
    children = tuple(child if one.run_id == child.run_id else one for one in root.children)
    return root.model_copy(update={"children": children})


def without_children(root: RunDocument, run_ids: Collection[str]) -> RunDocument:
    """Return the root without some of its children."""
    children = tuple(child for child in root.children if child.run_id not in run_ids)
    named = tuple(run_id for run_id in root.child_run_ids if run_id not in run_ids)
    return root.model_copy(update={"children": children, "child_run_ids": named})


def embedded_descendants(root: RunDocument, run_id: str) -> list[RunDocument]:
    """Return an embedded child and its embedded descendants, parents first."""
    here, family = {run_id}, [child for child in root.children if child.run_id == run_id]
    left = [child for child in root.children if child.run_id != run_id]
    while below := [child for child in left if child.parent_run_id in here]:
        family += below
        here |= {child.run_id for child in below}
        left = [child for child in left if child.run_id not in here]
    return family
