"""Route a request: decide once on its root, store it with its runs, and command what is to be sent.

If every definition that matches is used up, the request is stored as it arrived and waits in the queue.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from consumers.problems import reason_of, run_exists
from consumers.routing.child_rows import complete_hierarchy
from consumers.routing.commands import commands_for
from consumers.routing.decide import MustWait
from consumers.routing.give_up import with_family
from consumers.routing.request_rows import RequestBuilder, new_request, new_row, placed
from consumers.runtime.handler import DeadLetter, Done
from consumers.store.port import ConflictError, ThresholdReachedError
from router.runs.events import CancelledBeforeSending, GivenUp, ThresholdReached
from router.runs.hierarchy import HierarchyError, expand
from router.runs.ids import request_id_of
from router.runs.pending import is_pending
from router.selection.thresholds import waiting_reason
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
    from router.runs.hierarchy import HierarchyLimits
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import SendRun
    from schemas.run_document import RunDocument

NOBODY: Mapping[str, RunRow] = MappingProxyType({})
NOT_SENT = CancelledBeforeSending(
    why=Reason(code="ROOT_SENT_ALONE", message="The decision table says that only the root of this hierarchy is sent.")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRouter:
    """Routes requests. `waiting` are rows that arrived earlier, by run id; `kept` is called for each that waits."""

    updater: RunUpdater
    commands: CommandPublisher
    decide: Decider
    limits: HierarchyLimits
    used_up: ThresholdCache
    kept: Callable[[str, tuple[str, ...]], None] = lambda *_: None

    async def route(self, event: Event, root: RunDocument, waiting: Mapping[str, RunRow] = NOBODY) -> Outcome:
        """Route a whole hierarchy, or a single run."""
        outcome = await self.place(event, root, waiting)
        if isinstance(outcome, Problem):
            return await self._give_up(event, waiting.get(root.run_id), outcome)
        return await self.wait(event, root, outcome, waiting) if isinstance(outcome, MustWait) else outcome

    async def place(
        self, event: Event, root: RunDocument, waiting: Mapping[str, RunRow] = NOBODY, *, in_turn: bool = False
    ) -> Outcome | MustWait | Problem:
        """Route if it can be decided now; `in_turn`: it is first in the queue, and no record is redelivered for it."""
        try:
            runs = expand(root, self.limits)
        except HierarchyError as error:
            return error.problem
        if self.decide.selector.thresholds:
            await self.used_up.load_queue(self.updater.store.waiting_queue.lengths)
        may_not = self.used_up.blocked_for_next_in_queue if in_turn else self.used_up.blocked_for_new_request
        refused: set[str] = set()
        while True:
            now = self.updater.now()
            route = self.decide.decide(root, may_not(now, refused))
            if isinstance(route, MustWait | Problem):
                return route
            request_builder = RequestBuilder(
                request=new_request(root, route, waiting, now),
                runs=runs if route.decision.hierarchical else runs[:1],
                waiting=waiting,
                uses=(route.counted_definition.use_at(now),) if route.counted_definition else (),
                in_turn=in_turn,
            )
            try:
                return await self._store(event, request_builder)
            except ThresholdReachedError as full:
                self.used_up.mark_used_up(full.use)
                refused.add(full.use.definition)

    async def wait(self, event: Event, root: RunDocument, must: MustWait, waiting: Mapping[str, RunRow]) -> Outcome:
        """Store the whole request until a threshold of one of these definitions frees."""
        row = waiting.get(root.run_id)
        settled = all(one.phase is Phase.WAITING for one in waiting.values())
        if row is not None and row.waits_for == must.names and settled:
            await self.updater.republish(event, *waiting.values())
            return Done()
        now = self.updater.now()
        new = [] if row else [new_row(root, None, now)]
        reason = waiting_reason(must.definitions, now)
        moves: list[RowUpdate] = [
            (one, (ThresholdReached(waits_for=must.names if one.run_id == root.run_id else (), reason=reason),))
            for one in (*new, *waiting.values())
        ]
        try:
            await self.updater.store_intentions(event, moves, new)
        except ConflictError:
            if waiting:
                raise
            return await self._known_already(event, (root,))
        self.used_up.set_queued(must.names)
        self.kept(root.run_id, must.names)
        return Done()

    async def _store(self, event: Event, request_builder: RequestBuilder) -> Outcome | Problem:
        request, waiting = request_builder.request, request_builder.waiting
        new, moves = placed(
            event, request, request_builder.runs, waiting, request.created_at, in_turn=request_builder.in_turn
        )
        chosen = {run.run_id for run in request_builder.runs}

        def commands(moved: Sequence[RunRow]) -> Sequence[SendRun]:
            rows = {row.run_id: row for row in (*new, *moved)}
            return commands_for([rows[run.run_id] for run in request_builder.runs])

        aside: list[RowUpdate] = [(row, (NOT_SENT,)) for run_id, row in waiting.items() if run_id not in chosen]
        try:
            await self.updater.store_intentions(
                event, [*moves, *aside], [request, *new, *request_builder.uses], commands
            )
        except ConflictError:
            if not waiting:
                return await self._known_already(event, request_builder.runs)
            if await self._can_never_be_stored(request_builder):
                return run_exists(request_builder.runs[0])
            raise
        return Done()

    async def _can_never_be_stored(self, request_builder: RequestBuilder) -> bool:
        """Return whether a run that a pending root embeds also arrived as an event of its own."""
        run_ids = [run.run_id for run in request_builder.runs if run.run_id not in request_builder.waiting]
        found = await asyncio.gather(*map(self.updater.store.run, run_ids))
        # Read after the children: if another process has just stored them all, the root has moved too.
        root = await self.updater.store.run(request_builder.runs[0].run_id)
        return any(found) and root == request_builder.waiting.get(request_builder.runs[0].run_id)

    async def _known_already(self, event: Event, runs: Sequence[RunDocument]) -> Outcome:
        root = runs[0]
        rows = await self.updater.store.runs_of_request(request_id_of(root.run_id, root.version))
        known = {row.run_id: row for row in rows}
        row = known.get(root.run_id)
        if row is None or differs(row, root):
            return DeadLetter(run_exists(root))
        if is_pending(row):
            return await self._waits_already(event, row)
        # What a newer version has removed while the request waited has no row.
        late = root.version < row.requested.version
        if any(run.run_id not in known or differs(known[run.run_id], run) for run in runs[1:] if not late):
            return DeadLetter(run_exists(root))
        await self.commands.send_again(event, rows)
        return Done()

    async def _waits_already(self, event: Event, row: RunRow) -> Outcome:
        if row.phase is Phase.FALLOUT:
            all_there = await complete_hierarchy(self.updater.store, row)  # no table decided it when its turn came
            return await self.route(event, *all_there) if all_there else Done()
        await self.updater.republish(event, row)
        return Done()

    async def _give_up(self, event: Event, root: RunRow | None, problem: Problem) -> Outcome:
        """Return up the pending root, if there is one, and the record."""
        if root is not None:
            given_up = GivenUp(reasons=(reason_of(problem),))
            rows = await with_family(self.updater.store, root, event)
            await self.updater.store_intentions(event, [(row, (given_up,)) for row in rows])
        return DeadLetter(problem)


def differs(row: RunRow, run: RunDocument) -> bool:
    """Return whether the same id arrived with other content, which is a mistake.

    An older version is a late repetition.
    """
    known, repeated = (one.model_copy(update={"children": ()}) for one in (row.requested, run))
    return known.version < run.version or (known.version == run.version and known != repeated)
