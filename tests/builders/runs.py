"""Builders of run documents and run rows: a test writes only what matters to it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from router.runs.run import RunRow
from schemas.commands import PinnedDecision
from schemas.run_document import RequestedMeasure, RunDocument, ServiceRef, SpecificationRef
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from schemas.run_document import Characteristic

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SINGLE = PinnedDecision(policy="outbound-policy@1#default", selector="spoke-selector@1#S10", hierarchical=False)
TREE = PinnedDecision(policy="outbound-policy@1#R10", selector="spoke-selector@1#S10", hierarchical=True)


def a_document(
    run_id: str = "TR0001",
    *,
    spec: str = "fibre-line",
    service: str = "PI0001",
    root: str | None = None,
    parent: str | None = None,
    characteristic: tuple[Characteristic, ...] = (),
    measures: tuple[str, ...] = (),
    **more: Any,  # noqa: ANN401 - any further field of a run document
) -> RunDocument:
    """Return a run document. `measures` are ids; each has the metric name `metric <id>`."""
    return RunDocument(
        run_id=run_id,
        root_run_id=root or parent or run_id,
        parent_run_id=parent,
        name=more.pop("name", f"Line test {run_id}"),
        test_specification=SpecificationRef(id=spec),
        related_service=ServiceRef(id=service),
        characteristic=characteristic,
        test_measure=tuple(
            RequestedMeasure(id=measure_id, metric_name=f"metric {measure_id}") for measure_id in measures
        ),
        **more,
    )


def a_tree(root: str = "TR0001", children: int = 3, **more: Any) -> RunDocument:  # noqa: ANN401
    """Return the document of a root with the children `<root>-1`, `<root>-2` … in order."""
    flat = tuple(
        a_document(f"{root}-{number}", spec="fibre-tree-child", parent=root, order=number)
        for number in range(1, children + 1)
    )
    return a_document(root, spec=more.pop("spec", "fibre-tree"), children=flat, **more)


def a_run(
    run_id: str = "TR0001",
    *,
    phase: Phase = Phase.ROUTED,
    state: RunState | None = None,
    document: RunDocument | None = None,
    **more: Any,  # noqa: ANN401 - any further field of a run row
) -> RunRow:
    """Return the row of a run. A run that was sent or has ended has the external id `ext-<run id>`."""
    document = document or a_document(run_id)
    if phase in (Phase.ACCEPTED, Phase.IN_PROGRESS, Phase.FULFILLED):
        out = {"external_id": f"ext-{run_id}", "sent": document, "sent_at": NOON, "accepted_at": NOON}
        more = out | more
        state = state or RunState.ACKNOWLEDGED
    fields: dict[str, Any] = {
        "request_id": "RQ0001",
        "spoke": "fibre-lab",
        "decision": SINGLE,
        "tenant": None,
        "revision": 1,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return RunRow(
        run_id=document.run_id,
        root_run_id=document.root_run_id,
        parent_run_id=document.parent_run_id,
        phase=phase,
        state=state,
        requested=document,
        **(fields | more),
    )
