"""Take in a requested run: decide once on the root, store the request, command what is to be sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.outcomes import DeadLetter, Done
from consumers.store.port import ConflictError
from consumers.troubles import run_exists
from router.advance import advance
from router.happenings import Routed
from router.hierarchy import HierarchyError, expand, missing_children, with_children
from router.identity import request_id_of
from router.runs import RequestRow, RunRow
from router.trouble import Trouble
from schemas.commands import SendRun
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.deciding import Decider, Route
    from consumers.moves import Mover
    from consumers.runtime.outcomes import Outcome
    from router.hierarchy import HierarchyLimits
    from schemas.documents import RunDocument
    from schemas.envelope import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRuns:
    """The handler of `RunRequested`."""

    mover: Mover
    decide: Decider
    limits: HierarchyLimits

    async def __call__(self, event: Event, run: RunDocument) -> Outcome:
        """Route a run at once, or keep it until the rest of its hierarchy is there."""
        if run.child_run_ids or run.parent_run_id:
            return await self._gather(event, run)
        return await self._route(event, run, waiting={})

    async def _route(self, event: Event, root: RunDocument, waiting: dict[str, RunRow]) -> Outcome:
        try:
            runs = expand(root, self.limits)
        except HierarchyError as error:
            return DeadLetter(error.trouble)
        route = self.decide(root)
        if isinstance(route, Trouble):
            return DeadLetter(route)
        request = self._request(root, route)
        rows = [self._row(run, request, waiting) for run in (runs if route.decision.hierarchical else runs[:1])]
        try:
            await self.mover.store.save(request, *rows)
        except ConflictError:
            return await self._known_already(event, root)
        await self.send(event, rows)
        return Done()

    def _request(self, root: RunDocument, route: Route) -> RequestRow:
        return RequestRow(
            request_id=request_id_of(root.run_id, root.version),
            root_run_id=root.run_id,
            tenant=root.tenant,
            spoke=route.spoke,
            decision=route.decision,
            explanation=route.explanation,
            created_at=self.mover.now(),
        )

    def _row(self, run: RunDocument, request: RequestRow, waiting: dict[str, RunRow]) -> RunRow:
        if run.run_id not in waiting:
            return self.new_row(run, request)
        routed = Routed(request_id=request.request_id, spoke=request.spoke, decision=request.decision, document=run)
        return advance(waiting[run.run_id], (routed,), request.created_at).row

    def new_row(self, run: RunDocument, request: RequestRow) -> RunRow:
        """Make the first row of a run that belongs to this request."""
        now = self.mover.now()
        return RunRow(
            run_id=run.run_id,
            root_run_id=run.root_run_id,
            parent_run_id=run.parent_run_id,
            tenant=run.tenant,
            request_id=request.request_id,
            spoke=request.spoke,
            decision=request.decision,
            phase=Phase.ROUTED,
            requested=run,
            created_at=now,
            updated_at=now,
            revision=1,
        )

    async def send(self, event: Event, rows: Sequence[RunRow]) -> None:
        """Command each of these runs to be sent; saying it twice gives the same command ids."""
        commands = [
            SendRun(run=row.requested, request_id=row.request_id, spoke=row.spoke, decision=row.decision)
            for row in rows
            if row.decision is not None
        ]
        await self.mover.voice.say(event, commands, decision=rows[0].decision)

    async def _known_already(self, event: Event, root: RunDocument) -> Outcome:
        row = await self.mover.store.run(root.run_id)
        if row is None or row.request_id != request_id_of(root.run_id, root.version) or _differs(row, root):
            return DeadLetter(run_exists(root))
        await self.send(event, await self.mover.store.runs_of_request(row.request_id))
        return Done()

    async def _gather(self, event: Event, run: RunDocument) -> Outcome:
        known = await self._kept(run)
        if known is None:
            return DeadLetter(run_exists(run))
        if known.phase is not Phase.CREATED:
            await self.send(event, await self.mover.store.runs_of_request(known.request_id))
            return Done()
        root = known if run.run_id == run.root_run_id else await self.mover.store.run(run.root_run_id)
        if root is None or root.phase is not Phase.CREATED:
            return Done()
        return await self._route_if_whole(event, root)

    async def _route_if_whole(self, event: Event, root: RunRow) -> Outcome:
        found = await asyncio.gather(*map(self.mover.store.run, root.requested.child_run_ids))
        children = {row.run_id: row for row in found if row is not None}
        if missing_children(root.requested, children):
            return Done()
        whole = with_children(root.requested, [row.requested for row in children.values()])
        return await self._route(event, whole, waiting={root.run_id: root, **children})

    async def _kept(self, run: RunDocument) -> RunRow | None:
        """Store a run that waits for others; None: another run of this id is there already."""
        now = self.mover.now()
        row = RunRow(
            run_id=run.run_id,
            root_run_id=run.root_run_id,
            parent_run_id=run.parent_run_id,
            tenant=run.tenant,
            request_id=request_id_of(run.root_run_id, run.version),
            spoke="",
            decision=None,
            phase=Phase.CREATED,
            requested=run,
            created_at=now,
            updated_at=now,
            revision=1,
        )
        try:
            await self.mover.store.save(row)
        except ConflictError:
            known = await self.mover.store.run(run.run_id)
            return known if known and known.requested.version == run.version else None
        return row


def _differs(row: RunRow, root: RunDocument) -> bool:
    """Tell whether the same id and version came with other content: a mistake, not a repetition."""
    return row.requested.version == root.version and row.requested != root.model_copy(update={"children": ()})
