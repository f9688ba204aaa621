"""Route a request: decide once on its root, store it with its runs, and command what is to be sent.

If every definition that matches is used up, the request is stored as it arrived and waits in the queue.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from dataclasses import replace as replace_fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from consumers.problems import reason_of, run_exists
from consumers.routing.child_rows import complete_hierarchy, read_rows_of_root
from consumers.routing.commands import build_send_commands
from consumers.routing.decide import AllDefinitionsUsedUp
from consumers.routing.give_up import runs_to_give_up
from consumers.routing.request_rows import RequestBuilder, build_request_row, build_run_row, build_run_rows
from consumers.runtime.handler import DeadLetter, Done
from consumers.specifications.run_specifications import NO_SPECIFICATIONS
from consumers.store.port import ConflictError, ThresholdReachedError
from router.runs.events import CancelledBeforeSending, GivenUp, ThresholdReached
from router.runs.hierarchy import HierarchyError, expand_hierarchy
from router.runs.ids import request_id_of
from router.runs.pending import is_pending
from router.runs.run import replace
from router.selection.thresholds import waiting_reason
from router.specifications.enrichment import as_routed, with_fields_of_root
from schemas.problem import Problem
from schemas.results import Reason
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumers.routing.commands import CommandPublisher
    from consumers.routing.decide import Decider
    from consumers.routing.waiting.threshold_cache import ThresholdCache
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from consumers.specifications.run_specifications import RunSpecifications
    from router.runs.hierarchy import HierarchyLimits
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import SendRun
    from schemas.run_document import RunDocument

NO_ROWS: Mapping[str, RunRow] = MappingProxyType({})
ROOT_SENT_ALONE = CancelledBeforeSending(
    reason=Reason(
        code="ROOT_SENT_ALONE", message="The decision table says that only the root of this hierarchy is sent."
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRouter:
    """Routes requests. `pending_rows` are those that arrived earlier, by run id.

    `on_waiting` is called for each request that is queued because of a threshold.
    """

    updater: RunUpdater
    commands: CommandPublisher
    decider: Decider
    limits: HierarchyLimits
    threshold_cache: ThresholdCache
    specifications: RunSpecifications = NO_SPECIFICATIONS
    on_waiting: Callable[[str, tuple[str, ...]], None] = lambda *_: None

    async def route(self, event: Event, root: RunDocument, pending_rows: Mapping[str, RunRow] = NO_ROWS) -> Outcome:
        """Route a whole hierarchy, or a single run."""
        outcome = await self.try_route(event, root, pending_rows)
        if isinstance(outcome, Problem):
            return await self._give_up(event, pending_rows.get(root.run_id), outcome)
        return (
            await self.queue(event, root, outcome, pending_rows)
            if isinstance(outcome, AllDefinitionsUsedUp)
            else outcome
        )

    async def try_route(
        self, event: Event, root: RunDocument, pending_rows: Mapping[str, RunRow] = NO_ROWS, *, from_queue: bool = False
    ) -> Outcome | AllDefinitionsUsedUp | Problem:
        """Route if it can be decided now; `from_queue`: no record is redelivered for it."""
        try:
            ordered = expand_hierarchy(root, self.limits)
        except HierarchyError as error:
            return error.problem
        applied = self.specifications.apply(ordered[0])
        if isinstance(applied, Problem):
            return await self._refuse(event, ordered, pending_rows, applied)
        root = with_fields_of_root(root, applied)
        if self.decider.selector.thresholds:
            await self.threshold_cache.load_queue(self.updater.store.waiting_queue.read_lengths)
        blocked_definitions = (
            self.threshold_cache.blocked_for_next_in_queue
            if from_queue
            else self.threshold_cache.blocked_for_new_request
        )
        refused: set[str] = set()
        while True:
            now = self.updater.now()
            route = self.decider.decide(root, blocked_definitions(now, refused))
            if isinstance(route, AllDefinitionsUsedUp | Problem):
                return route
            chosen = ordered if route.decision.hierarchical else ordered[:1]
            children = self.specifications.apply_all(chosen[1:])
            if isinstance(children, Problem):
                return await self._refuse(event, ordered, pending_rows, children)
            request_builder = RequestBuilder(
                request=build_request_row(root, route, pending_rows, now),
                ordered=ordered,
                runs=(applied, *children),
                pending_rows=pending_rows,
                uses=(route.counted_definition.use_at(now),) if route.counted_definition else (),
                from_queue=from_queue,
            )
            try:
                return await self._store(event, request_builder)
            except ThresholdReachedError as full:
                self.threshold_cache.mark_used_up(full.use)
                refused.add(full.use.definition)

    async def _refuse(
        self, event: Event, ordered: Sequence[RunDocument], pending_rows: Mapping[str, RunRow], problem: Problem
    ) -> Outcome | Problem:
        """Return the problem with a specification, unless an earlier delivery routed the request before it changed."""
        if not pending_rows and await self.updater.store.run(ordered[0].run_id) is not None:
            return await self._handle_existing_run(event, ordered)
        return problem

    async def queue(
        self, event: Event, root: RunDocument, used_up: AllDefinitionsUsedUp, pending_rows: Mapping[str, RunRow]
    ) -> Outcome:
        """Store the whole request until one of these definitions has a free use."""
        row = pending_rows.get(root.run_id)
        settled = all(pending.phase is Phase.WAITING for pending in pending_rows.values())
        if row is not None and row.waits_for == used_up.names and settled:
            await self.updater.republish(event, *pending_rows.values())
            return Done()
        now = self.updater.now()
        new = [] if row else [build_run_row(root, None, now, maybe_sent=event.may_repeat)]
        reason = waiting_reason(used_up.definitions, now)
        updates: list[RowUpdate] = [
            (
                pending,
                (ThresholdReached(waits_for=used_up.names if pending.run_id == root.run_id else (), reason=reason),),
            )
            for pending in (*new, *pending_rows.values())
        ]
        try:
            await self.updater.store_intentions(event, updates, new)
        except ConflictError:
            if pending_rows:
                raise
            return await self._handle_existing_run(event, (root,))
        self.threshold_cache.set_queued(used_up.names)
        self.on_waiting(root.run_id, used_up.names)
        return Done()

    async def _store(self, event: Event, request_builder: RequestBuilder) -> Outcome | Problem:
        request, pending_rows = request_builder.request, request_builder.pending_rows
        new, updates = build_run_rows(
            event,
            request,
            request_builder.runs,
            pending_rows,
            request.created_at,
            from_queue=request_builder.from_queue,
        )
        ended, not_sent = await self._end_left_out(request_builder)

        def commands(updated: Sequence[RunRow]) -> Sequence[SendRun]:
            rows = {row.run_id: row for row in (*new, *updated)}
            return build_send_commands([rows[run.run_id] for run in request_builder.runs])

        try:
            await self.updater.store_intentions(
                event, [*updates, *not_sent], [request, *new, *ended, *request_builder.uses], commands
            )
        except ConflictError:
            if ended and await self.updater.store.run(request.root_run_id) is None:
                raise  # another process has stored the id of a child meanwhile: the next attempt finds it
            if not pending_rows:
                return await self._handle_existing_run(event, request_builder.ordered)
            if await self._conflicts_permanently(request_builder):
                return run_exists(request_builder.runs[0])
            raise
        return Done()

    async def _end_left_out(self, request_builder: RequestBuilder) -> tuple[list[RunRow], list[RowUpdate]]:
        """Return new rows and updates that end the children of a root that is sent alone.

        A child whose id another run has, or that has ended, is left as it is.
        """
        left_out = request_builder.left_out
        if not left_out:
            return [], []
        known = dict(request_builder.pending_rows)
        unread = [run.run_id for run in left_out if run.run_id not in known]
        known |= {row.run_id: row for row in await asyncio.gather(*map(self.updater.store.run, unread)) if row}
        at, root_run_id = request_builder.request.created_at, request_builder.request.root_run_id
        new = [build_run_row(run, None, at) for run in left_out if run.run_id not in known]
        here = [known[run.run_id] for run in left_out if run.run_id in known]
        waiting = [row for row in here if is_pending(row) and row.root_run_id == root_run_id]
        sent_alone = ROOT_SENT_ALONE
        if waited_for := request_builder.waited_for:
            sent_alone = replace_fields(sent_alone, from_queue=True)
            new, waiting = ([replace(row, waits_for=waited_for) for row in rows] for rows in (new, waiting))
        return new, [(row, (sent_alone,)) for row in (*waiting, *new)]

    async def _conflicts_permanently(self, request_builder: RequestBuilder) -> bool:
        """Return whether a run that a pending root embeds also arrived as an event of its own."""
        run_ids = [run.run_id for run in request_builder.runs if run.run_id not in request_builder.pending_rows]
        found = await asyncio.gather(*map(self.updater.store.run, run_ids))
        # Read after the children: if another process has just stored them all, the root has moved too.
        root = await self.updater.store.run(request_builder.runs[0].run_id)
        return any(found) and root == request_builder.pending_rows.get(request_builder.runs[0].run_id)

    async def _handle_existing_run(self, event: Event, runs: Sequence[RunDocument]) -> Outcome:
        root = runs[0]
        rows = await self.updater.store.runs_of_request(request_id_of(root.run_id, root.version))
        known = {row.run_id: row for row in rows}
        row = known.get(root.run_id)
        if row is None or has_different_content(row, root):
            return DeadLetter(run_exists(root))
        if is_pending(row):
            return await self._handle_pending_run(event, row)
        if row.decision is None or not row.decision.hierarchical:
            children = [run.run_id for run in (*runs[1:], *root.children)]
            await self.updater.republish(event, *await read_rows_of_root(self.updater.store, root.run_id, children))
            runs = runs[:1]
        # What a newer version has removed while the request waited has no row.
        late = root.version < row.requested.version
        if any(
            run.run_id not in known or has_different_content(known[run.run_id], run) for run in runs[1:] if not late
        ):
            return DeadLetter(run_exists(root))
        await self.commands.publish_again(event, rows)
        return Done()

    async def _handle_pending_run(self, event: Event, row: RunRow) -> Outcome:
        if row.phase is Phase.FALLOUT:
            hierarchy = await complete_hierarchy(
                self.updater.store, row
            )  # it was given up when it was first in the queue
            return await self.route(event, *hierarchy) if hierarchy else Done()
        await self.updater.republish(event, row)
        return Done()

    async def _give_up(self, event: Event, root: RunRow | None, problem: Problem) -> Outcome:
        """Give up the pending root, if there is one, and the record."""
        if root is not None:
            given_up = GivenUp(reasons=(reason_of(problem),))
            rows = await runs_to_give_up(self.updater.store, root, event)
            await self.updater.store_intentions(event, [(row, (given_up,)) for row in rows])
        return DeadLetter(problem)


def has_different_content(row: RunRow, run: RunDocument) -> bool:
    """Return whether the same id arrived with other content, which is a mistake.

    An older version is a late repetition.
    """
    run = as_routed(run, row.requested)
    known, repeated = (one.model_copy(update={"children": ()}) for one in (row.requested, run))
    return known.version < run.version or (known.version == run.version and known != repeated)
