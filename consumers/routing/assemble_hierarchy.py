"""Assemble a hierarchy whose children arrive as events of their own, in any order, until it is complete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import child_not_listed, reason_of, run_exists
from consumers.routing.child_rows import cancelled_children, complete_hierarchy, read_children, read_pending_children
from consumers.routing.request_rows import build_run_row, build_run_rows
from consumers.routing.route_request import ROOT_SENT_ALONE, has_different_content
from consumers.runtime.handler import DeadLetter, Done
from consumers.store.port import ConflictError
from router.runs.events import CancelledBeforeSending, GivenUp
from router.runs.hierarchy import HierarchyError, child_ids
from router.runs.hierarchy_limits import check_size
from router.runs.pending import is_pending, without_children
from router.runs.processed_events import STORE, has_led_to, with_effect
from router.runs.requests.compensation import is_left_out
from router.runs.transitions import ENDED_PHASES
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.routing.commands import CommandPublisher
    from consumers.routing.route_request import RequestRouter
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from consumers.specifications.run_specifications import RunSpecifications
    from router.runs.hierarchy_limits import HierarchyLimits
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyAssembler:
    """Stores roots that name children, and children, until all of a hierarchy are stored."""

    updater: RunUpdater
    commands: CommandPublisher
    router: RequestRouter
    limits: HierarchyLimits

    @property
    def specifications(self) -> RunSpecifications:
        """The test specifications that runs take from."""
        return self.router.specifications

    async def add(self, event: Event, run: RunDocument) -> Outcome:
        """Store this run; route its hierarchy if it was the last one missing."""
        try:
            check_size(run, self.limits)
        except HierarchyError as error:
            return DeadLetter(error.problem)
        row = await self._store_pending(event, run)
        if row is None:
            return DeadLetter(run_exists(run))
        root = row if run.run_id == run.root_run_id else await self.updater.store.run(run.root_run_id)
        if root is None:
            return Done()
        return await (
            self.route_if_complete(event, root) if is_pending(root) else self._add_to_routed_root(event, row, root)
        )

    async def route_if_complete(self, event: Event, root: RunRow) -> Outcome:
        """Route a pending root if all children that it names are stored."""
        together = await complete_hierarchy(self.updater.store, root)
        return await self.router.route(event, *together) if together else Done()

    async def children(self, root: RunRow) -> dict[str, RunRow]:
        """Return the rows of the children that the root embeds or names, by run id."""
        return {row.run_id: row for row in await read_children(self.updater.store, root.requested)}

    async def _add_to_routed_root(self, event: Event, row: RunRow, root: RunRow) -> Outcome:
        """Decide about a child whose root is already routed."""
        if not is_pending(row):
            return await self._handle_redelivery(event, row, root)
        if root.decision is None or not root.decision.hierarchical:
            await self.updater.store_intention(
                event, row, CancelledBeforeSending() if root.decision is None else ROOT_SENT_ALONE
            )
            return Done()
        if row.run_id not in child_ids(root.requested):
            problem = child_not_listed(row)
            await self.updater.store_intention(event, row, GivenUp(reasons=(reason_of(problem),)))
            return DeadLetter(problem)
        refused = await self._send_named_children(event, root)
        return DeadLetter(refused) if refused else Done()

    async def _handle_redelivery(self, event: Event, row: RunRow, root: RunRow) -> Outcome:
        """Publish again what this event led to, also if it completed the hierarchy of a root that is sent alone."""
        ended = [one for one in (row, *(await self.children(root)).values()) if one.phase in ENDED_PHASES]
        if ended:
            await self.updater.republish(event, *{one.run_id: one for one in ended}.values())
        await self.commands.publish_again(event, await self.updater.store.runs_of_request(root.request_id))
        return Done()

    async def _send_named_children(self, event: Event, root: RunRow) -> Problem | None:
        """Publish a send command for each waiting child that the root names and whose ancestors are all known."""
        joining = await self.joining_children(root)
        documents, problem = await self.apply_or_give_up(event, joining)
        _, updates = build_run_rows(event, root, documents, joining, self.updater.now())
        await self.commands.publish_each(event, await self.updater.store_intentions(event, updates))
        return problem

    async def apply_or_give_up(
        self, event: Event, joining: Mapping[str, RunRow]
    ) -> tuple[list[RunDocument], Problem | None]:
        """Apply to children their specifications; give up each child that its specification refuses.

        Return the documents of the others, and the problem of the last child that was given up.
        """
        applied = {run_id: self.specifications.apply(row.requested) for run_id, row in joining.items()}
        refused = {run_id: one for run_id, one in applied.items() if isinstance(one, Problem)}
        if refused:
            await self.updater.store_intentions(
                event, [(joining[run_id], (GivenUp(reasons=(reason_of(one),)),)) for run_id, one in refused.items()]
            )
        documents = [one for one in applied.values() if not isinstance(one, Problem)]
        return documents, next(reversed(refused.values()), None)

    async def joining_children(self, root: RunRow) -> dict[str, RunRow]:
        """Return the pending children whose ancestors up to the root are known, parents first, by run id."""
        here = {row.run_id for row in await self.updater.store.runs_of_request(root.request_id)}
        left = await read_pending_children(self.updater.store, root)
        joining: dict[str, RunRow] = {}
        while ready := [row for row in left.values() if row.parent_run_id in here]:
            joining |= {row.run_id: row for row in ready}
            here |= {row.run_id for row in ready}
            left = {run_id: row for run_id, row in left.items() if run_id not in here}
        return joining

    async def _store_pending(self, event: Event, run: RunDocument) -> RunRow | None:
        """Store a run that waits for others and return its row; None if a run of this id is stored already."""
        living = without_children(run, {row.run_id for row in await cancelled_children(self.updater.store, run)})
        row = build_run_row(living, None, self.updater.now(), maybe_sent=event.may_repeat)
        row = with_effect(row, event.id, STORE)
        try:
            await self.updater.store_intentions(event, (), (row,))
        except ConflictError:
            known = await self.updater.store.run(run.run_id)
            if known is None or has_led_to(known, event.id, STORE):
                return known
            named = without_children(living, [each for each in run.child_run_ids if is_left_out(known, each)])
            is_other = all(has_different_content(known, each) for each in (run, living, named))
            return None if is_other else known
        return row
