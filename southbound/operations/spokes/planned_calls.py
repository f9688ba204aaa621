"""Plan the calls that events about runs lead to at one system, as the consumers of commands make them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumers.dispatch.correlation import with_run_headers
from router.runs.hierarchy import HierarchyError, expand_hierarchy
from router.runs.ids import idempotency_key, request_id_of
from router.runs.revisions.change_plan import plan_of
from router.runs.run import RunRow
from router.runs.run import replace as replace_fields
from schemas.commands import PinnedDecision, SendRun
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.vocabulary import Phase
from southbound.exit_codes import invalid_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consumers.spokes.port import Call, Spoke
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument

_DECISION = PinnedDecision(policy="preview", selector="preview", hierarchical=False)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call, and what it does."""

    about: str
    call: Call


@dataclass(frozen=True, slots=True)
class NotSent:
    """Something that is not sent, and why."""

    about: str


@dataclass(slots=True)
class Planner:
    """Plans the calls of events in their order, as if the system accepted every one.

    `every`: with the calls that follow an order, too. Runs that are sent get an external id that says whose it is.
    """

    spoke: Spoke
    every: bool
    rows: dict[str, RunRow] = field(default_factory=dict)

    def plan(self, events: Iterable[Event]) -> Iterator[PlannedCall | NotSent]:
        """Yield the calls that events lead to.

        Raises:
            CommandFailedError: an event is none about a run, or about one that no event before has requested.
        """
        for event in events:
            match event.data:
                case RunRequested(run=run):
                    yield from self._request(run, event)
                case RunChanged(run=run):
                    for each in _expanded(run):
                        yield from self._change(each, event)
                case RunCancelled(run_id=run_id, reason=reason):
                    yield from self._cancel(run_id, reason, event)
                case other:
                    raise invalid_input(
                        [f"{type(other).__name__} is sent to no system: give RunRequested, RunChanged or RunCancelled"]
                    )

    def _request(self, root: RunDocument, event: Event) -> Iterator[PlannedCall]:
        runs = _expanded(root)
        for run in runs:
            row = self.rows[run.run_id] = self._row(run, hierarchical=len(runs) > 1)
            yield self._post(row, event)
            if self.every:
                yield from self._others(row, event)

    def _post(self, row: RunRow, event: Event, what: str = "is requested") -> PlannedCall:
        decision = row.decision or _DECISION
        command = SendRun(run=row.requested, request_id=row.request_id, spoke=row.spoke, decision=decision)
        call = self.spoke.to_send(command, self.rows.get(row.parent_run_id or ""))
        key = idempotency_key(row.request_id, row.run_id, call.body or b"")
        return self._about(f"{row.run_id} {what}", replace(call, idempotency_key=key), row, event)

    def _others(self, row: RunRow, event: Event) -> Iterator[PlannedCall]:
        if (look_up := self.spoke.to_look_up(row.requested)) is not None:
            yield self._about(f"{row.run_id} is looked up, if the outcome of its POST is unknown", look_up, row, event)
        read = self.spoke.to_read(row.external_id or "")
        yield self._about(f"{row.run_id} is asked for", read, row, event)
        cancel = self.spoke.to_cancel(row, None, "ID-OF-THE-EVENT")
        yield self._about(f"{row.run_id} is cancelled", cancel, row, event)

    def _change(self, run: RunDocument, event: Event) -> Iterator[PlannedCall | NotSent]:
        known = self._known(run.run_id, event)
        row = replace_fields(known, requested=run.model_copy(update={"children": ()}))
        plan = plan_of(row, self.spoke.profile.change_rules)
        for reason in plan.refused:
            yield NotSent(f"{run.run_id} is not changed: {reason.code}: {reason.message}")
        sent = self.rows[run.run_id] = replace_fields(row, requested=plan.document, sent=plan.document)
        if plan.by_repost:
            cancel = self.spoke.to_cancel(row, None, event.headers.id)
            yield self._about(f"{run.run_id} is cancelled at the system, for its change", cancel, row, event)
            yield self._post(sent, event, "is POSTed again")
        elif plan.changes:
            call = self.spoke.to_change(row, plan.changes, event.headers.id)
            yield self._about(f"{run.run_id} is changed", call, row, event)
        elif not plan.refused:
            yield NotSent(f"{run.run_id} is not changed: no field that is sent differs")

    def _cancel(self, run_id: str, reason: str | None, event: Event) -> Iterator[PlannedCall]:
        self._known(run_id, event)
        for row in self._family(run_id):
            call = self.spoke.to_cancel(row, reason, event.headers.id)
            yield self._about(f"{row.run_id} is cancelled", call, row, event)

    def _family(self, run_id: str) -> list[RunRow]:
        return [row for row in self.rows.values() if run_id in (row.run_id, row.root_run_id)]

    def _known(self, run_id: str, event: Event) -> RunRow:
        if run_id in self.rows:
            return self.rows[run_id]
        kind = type(event.data).__name__
        raise invalid_input(
            [f"{kind} of {run_id}: put the RunRequested of this run before it, because what is sent follows from both"]
        )

    def _about(self, about: str, call: Call, row: RunRow, event: Event) -> PlannedCall:
        names = self.spoke.profile.run_headers
        return PlannedCall(about, with_run_headers(call, names, row, event.headers.traceparent))

    def _row(self, run: RunDocument, *, hierarchical: bool) -> RunRow:
        root, now = self.rows.get(run.root_run_id), datetime.now(UTC)
        return RunRow(
            run_id=run.run_id,
            root_run_id=run.root_run_id,
            parent_run_id=run.parent_run_id,
            tenant=run.tenant,
            request_id=root.request_id if root else request_id_of(run.root_run_id, run.version),
            spoke=self.spoke.profile.name,
            decision=_DECISION.model_copy(update={"hierarchical": hierarchical}),
            phase=Phase.ACCEPTED,
            external_id=f"EXTERNAL-ID-OF-{run.run_id}",
            requested=run,
            sent=run,
            created_at=now,
            updated_at=now,
            revision=1,
        )


def _expanded(root: RunDocument) -> tuple[RunDocument, ...]:
    try:
        return expand_hierarchy(root)
    except HierarchyError as error:
        raise invalid_input([str(error)]) from None
