"""Compute the result of a request, once every run of it has ended."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from router.runs.hierarchy import HierarchyPosition, child_ids, walk_pre_order
from router.runs.requests.compensation import reasons_of_request
from router.runs.states import TERMINAL
from schemas.results import RequestResult, RunOutcome
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.runs.run import RunRow


def request_result(rows: Sequence[RunRow]) -> RequestResult | None:
    """Summarise the runs of one request in pre-order; None while one has not ended or has no row yet.

    The same rows always give the same result: its time is the end of the last run.
    """
    if not _is_complete(rows) or not all(is_over(row) for row in rows):
        return None
    one = rows[0]
    outcomes = tuple(_outcome(row) for row in in_request_order(rows))
    counts = Counter(outcome.state.value for outcome in outcomes)
    return RequestResult(
        request_id=one.request_id,
        root_run_id=one.root_run_id,
        spoke=one.spoke,
        hierarchical=_is_hierarchical(one),
        state=RunState.COMPLETED if set(counts) == {RunState.COMPLETED} else RunState.FAILED,
        counts=dict(counts),
        runs=outcomes,
        reasons=reasons_of_request(in_request_order(rows)),
        occurred_at=max(row.finished_at or row.updated_at for row in rows),
    )


def is_over(row: RunRow) -> bool:
    """Return whether a run has ended for good; one in fallout waits for people."""
    return row.state in TERMINAL and row.phase is not Phase.FALLOUT


def in_request_order(rows: Sequence[RunRow]) -> Sequence[RunRow]:
    """Return parents before children, siblings by (order, run id), and runs in a cycle of parents last."""
    if len(rows) <= 1:
        return rows
    walked = walk_pre_order({row.run_id: HierarchyPosition(row.parent_run_id, row.requested.order) for row in rows})
    turn = {run_id: number for number, (run_id, _) in enumerate(walked)}
    return sorted(rows, key=lambda row: (turn.get(row.run_id, len(rows)), row.run_id))


def _is_complete(rows: Sequence[RunRow]) -> bool:
    here = {row.run_id for row in rows}
    roots = [row for row in rows if _is_hierarchical(row) and row.run_id == row.root_run_id]
    return bool(rows) and all(here.issuperset(child_ids(root.requested)) for root in roots)


def _is_hierarchical(row: RunRow) -> bool:
    return row.decision is not None and row.decision.hierarchical


def _outcome(row: RunRow) -> RunOutcome:
    return RunOutcome(run_id=row.run_id, state=row.state or RunState.UNKNOWN, result=row.result)
