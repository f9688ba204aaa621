"""Explain why a run was routed as it was, and what it waits for, with what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.explain.explanation import explanation_text, load_explanations
from southbound.operations.run_views import cancelled_by, format_time, phase_since, status_sentences

if TYPE_CHECKING:
    from router.runs.run import RequestRow, RunRow


def explanation_lines(row: RunRow, request: RequestRow | None) -> list[str]:
    """Return the decision for a run, and its phase, in lines."""
    decision = [f"  {line}" for line in explanation_text(request.explanation).splitlines()] if request else []
    status = [f"  {line}" for line in status_sentences(row)]
    return [_decision_line(row, request), *decision, f"{row.run_id} is in phase {row.phase}", *status]


def _decision_line(row: RunRow, request: RequestRow | None) -> str:
    if row.decision is None or request is None:
        return f"{row.run_id} is not routed yet"
    scope = f"whole hierarchy, {row.decision.payload}" if row.decision.hierarchical else "this run alone"
    origin = f"by {row.decision.policy} ({scope}) and {row.decision.selector}, {format_time(request.created_at)}"
    if row.run_id == request.root_run_id:
        return f"{row.run_id} goes to {row.spoke}, decided {origin}"
    return f"{row.run_id} goes to {row.spoke}: it follows its root {request.root_run_id}, decided {origin}"


def explanation_json(row: RunRow, request: RequestRow | None) -> dict[str, object]:
    """Return the same for other programs."""
    decided = row.decision is not None and request is not None
    return {
        "run": row.run_id,
        "root": row.root_run_id,
        "follows_root": decided and row.run_id != row.root_run_id,
        "spoke": row.spoke or None,
        "decision": row.decision.model_dump(mode="json") if row.decision else None,
        "decided_at": request.created_at if request else None,
        "decisions": load_explanations(request.explanation) if request else (),
        "sentences": explanation_text(request.explanation).splitlines() if request else [],
        "phase": row.phase,
        "state": row.state,
        "result": row.result,
        "status": status_sentences(row),
        "reasons": [reason.model_dump(mode="json") for reason in row.reasons],
        "cancelled_by": cancelled_by(row),
        "since": phase_since(row),
        "updated_at": row.updated_at,
    }
