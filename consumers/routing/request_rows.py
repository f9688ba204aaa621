"""Make the rows of a request: new rows for its runs, updates for runs that were pending."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from router.runs.events import Routed
from router.runs.ids import request_id_of
from router.runs.processed_events import created_by
from router.runs.run import RequestRow, RunRow
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from consumers.routing.decide import Route
    from consumers.run_updates.batch import RowUpdate
    from router.selection.thresholds import ThresholdUse
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


class RequestBuilder(NamedTuple):
    """What was decided for a request, to be stored in one transaction.

    `ordered` are all runs as they were ordered, `runs` those that are sent, with what they take from their
    specifications.
    """

    request: RequestRow
    ordered: Sequence[RunDocument]
    runs: Sequence[RunDocument]
    pending_rows: Mapping[str, RunRow]
    uses: tuple[ThresholdUse, ...]
    from_queue: bool

    @property
    def left_out(self) -> Sequence[RunDocument]:
        """The children of a root that is sent alone."""
        return self.ordered[len(self.runs) :]

    @property
    def waited_for(self) -> tuple[str, ...]:
        """What the request has waited for in the queue."""
        return self.pending_rows[self.request.root_run_id].waits_for if self.from_queue else ()


def build_run_rows(
    event: Event,
    request: RequestRow | RunRow,
    runs: Sequence[RunDocument],
    pending_rows: Mapping[str, RunRow],
    at: datetime,
    *,
    from_queue: bool = False,
) -> tuple[list[RunRow], list[RowUpdate]]:
    """Return the new rows of the request's runs, and the updates of those that were pending."""
    # Children that are embedded in a root which was perhaps sent were perhaps sent with it.
    maybe_sent = event.may_repeat or any(row.sent_at is not None for row in pending_rows.values())
    new = [
        created_by(build_run_row(run, request, at, maybe_sent=maybe_sent), event.id)
        for run in runs
        if run.run_id not in pending_rows
    ]
    here = [run for run in runs if run.run_id in pending_rows]
    return new, [(pending_rows[run.run_id], (_routed_event(run, request, from_queue=from_queue),)) for run in here]


def build_request_row(root: RunDocument, route: Route, pending_rows: Mapping[str, RunRow], at: datetime) -> RequestRow:
    """Return the row of the outbound request of a root for which a route was found."""
    row = pending_rows.get(root.run_id)
    return RequestRow(
        # It keeps the id that was published when it started to wait, although its version may be higher by now.
        request_id=row.request_id if row else request_id_of(root.run_id, root.version),
        root_run_id=root.run_id,
        tenant=root.tenant,
        spoke=route.spoke,
        decision=route.decision,
        explanation=route.explanation,
        created_at=at,
    )


def build_run_row(
    run: RunDocument, request: RequestRow | RunRow | None, at: datetime, *, maybe_sent: bool = False
) -> RunRow:
    """Return the first row of a run of this request; None as the request means that nothing is decided yet.

    Until then, a child belongs to a request of its own. A run that was perhaps sent before is looked up first.
    """
    return RunRow(
        run_id=run.run_id,
        root_run_id=run.root_run_id,
        parent_run_id=run.parent_run_id,
        tenant=run.tenant,
        request_id=request.request_id if request else request_id_of(run.run_id, run.version),
        spoke=request.spoke if request else "",
        decision=request.decision if request else None,
        phase=Phase.ROUTED if request else Phase.CREATED,
        requested=run,
        created_at=at,
        sent_at=at if maybe_sent else None,
        updated_at=at,
        revision=1,
    )


def _routed_event(run: RunDocument, request: RequestRow | RunRow, *, from_queue: bool) -> Routed:
    if request.decision is None:
        raise TypeError(f"Request {request.request_id} was never decided.")
    return Routed(
        request_id=request.request_id,
        spoke=request.spoke,
        decision=request.decision,
        document=run,
        from_queue=from_queue,
    )
