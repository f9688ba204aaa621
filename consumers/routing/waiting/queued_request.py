"""Release one queued request if possible. An error in it affects no other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from consumers.event_handler import KNOWN, settle_known
from consumers.problems import reason_of
from consumers.routing.child_rows import complete_hierarchy, read_pending_children
from consumers.routing.decide import AllDefinitionsUsedUp
from consumers.routing.give_up import give_up, runs_to_give_up, timer_event
from consumers.routing.waiting.expire import children_missing_reason
from consumers.routing.waiting.foreign_waits import UNLIMITED
from consumers.runtime.execution import settle_unexpected
from consumers.runtime.faults import internal_problem
from consumers.store.port import ConflictError
from router.runs.events import CommandPublished
from router.runs.hierarchy import missing_children
from router.runs.pending import ended_undecided
from schemas.problem import Problem
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from consumers.periodic import ReportSentence
    from consumers.routing.commands import CommandPublisher
    from consumers.routing.decide import Decider
    from consumers.routing.route_request import RequestRouter
    from consumers.routing.waiting.foreign_waits import ForeignWaits
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.results import Reason
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRelease:
    """The steps for one queued request; each method returns whether the queue has changed."""

    updater: RunUpdater
    commands: CommandPublisher
    router: RequestRouter
    decider: Decider
    warn: ReportSentence
    foreign_waits: ForeignWaits

    async def release(self, root: RunRow, *, anew: bool) -> bool:
        """Release it if there is a free use; with `anew`, otherwise queue it by this process's selector."""
        return await self._isolated(root, self._release(root, anew=anew))

    async def command_abandoned(self, row: RunRow) -> bool:
        """Publish the commands of a request that a process released and crashed before it published them."""
        return await self._isolated(row, self._command(row))

    async def find_blocking_definitions(self, root: RunRow) -> bool:
        """Decide by this process's selector what blocks the request, and leave it where it is queued."""
        return await self._isolated(root, self._find_blocking_definitions(root))

    async def _isolated(self, root: RunRow, work: Awaitable[bool]) -> bool:
        unexpected = partial(self._unexpected, root)
        settled = settle_unexpected(work, unexpected, expected=KNOWN)
        found = await settle_known(settled, _left_as_it_is)
        if not isinstance(found, Problem):
            return found
        await self._report_unreleasable(root.run_id, reason_of(found))
        return True

    def _unexpected(self, root: RunRow, error: BaseException) -> Problem:
        """Report the exception; no record is redelivered to try the turn again, so the request is given up."""
        problem = internal_problem("UNEXPECTED", f"The turn of request {root.run_id} broke", error)
        self.warn(f"{problem.sentence}\n{problem.detail}")
        return problem

    async def _release(self, root: RunRow, *, anew: bool) -> bool:
        cause = timer_event(root, "turn")
        hierarchy = await complete_hierarchy(self.updater.store, root)
        if hierarchy is None:
            return await self._give_up_if_incomplete(cause, root)
        document, pending_rows = hierarchy
        outcome = await self.router.try_route(cause, document, pending_rows, from_queue=True)
        if isinstance(outcome, Problem):
            await self._give_up(cause, root, reason_of(outcome))
            return True
        if not isinstance(outcome, AllDefinitionsUsedUp):
            return await self._mark_commanded(root.run_id, document.children)
        if anew:
            await self.router.queue(cause, document, outcome, pending_rows)
        return anew and outcome.names != root.waits_for

    async def _find_blocking_definitions(self, root: RunRow) -> bool:
        applied = self.router.specifications.apply(root.requested)
        run = root.requested if isinstance(applied, Problem) else applied
        decided = self.decider.decide(run, lambda selector: selector.thresholds)
        self.foreign_waits.add(
            root.waits_for, decided.names if isinstance(decided, AllDefinitionsUsedUp) else (UNLIMITED,)
        )
        return False

    async def _command(self, row: RunRow) -> bool:
        if ended_undecided(row):  # a child of a root that is sent alone
            await self.updater.publish_earlier((row,))
        else:
            rows = await self.updater.store.runs_of_request(row.request_id)
            await self.commands.publish_unsent(timer_event(row, "turn"), rows)
        return await self._mark_commanded(row.run_id)

    async def _mark_commanded(self, run_id: str, children: Sequence[RunDocument] = ()) -> bool:
        row = await self.updater.store.run(run_id)
        if row is not None and row.waits_for and row.phase is not Phase.WAITING:
            await self.updater.store_fact(timer_event(row, "commanded"), row, CommandPublished())
        if row is not None and row.decision is not None and not row.decision.hierarchical:
            await asyncio.gather(*[self._mark_commanded(child.run_id) for child in children])
        return True

    async def _give_up_if_incomplete(self, cause: Event, root: RunRow) -> bool:
        missing = missing_children(root.requested, await read_pending_children(self.updater.store, root))
        newest = await self.updater.store.run(root.run_id)  # after the children
        if not missing or newest is None or newest.revision != root.revision:
            return False  # a child has come, or was cancelled, while we looked
        await self._give_up(cause, root, children_missing_reason(root, missing))
        return True

    async def _report_unreleasable(self, run_id: str, reason: Reason) -> None:
        row = await self.updater.store.run(run_id)
        if row is not None and row.phase in (Phase.WAITING, Phase.ROUTED):
            await self._give_up(timer_event(row, "turn"), row, reason)

    async def _give_up(self, cause: Event, root: RunRow, reason: Reason) -> None:
        await give_up(self.updater, cause, await runs_to_give_up(self.updater.store, root, cause), reason)


def _left_as_it_is(error: Exception) -> bool:
    """Return False for a conflict: another process took the request, or it was changed or cancelled a moment ago."""
    if isinstance(error, ConflictError):
        return False
    raise error
