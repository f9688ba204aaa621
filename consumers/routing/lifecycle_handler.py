"""Consume lifecycle events: decide what is sent and where, and publish commands on the spoke's topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import event_misplaced
from consumers.runtime.handler import DeadLetter
from router.specifications.enrichment import as_ordered
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested

if TYPE_CHECKING:
    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.routing.cancel_run import RunCancelledHandler
    from consumers.routing.change_run import RunChangedHandler
    from consumers.routing.route_request import RequestRouter
    from consumers.runtime.handler import Attempt, Outcome
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleHandler:
    """Consumes `testrun.lifecycle`."""

    run_requested: RunRequestedHandler
    run_changed: RunChangedHandler
    run_cancelled: RunCancelledHandler

    async def handle(self, event: Event, attempt: Attempt) -> Outcome:  # noqa: ARG002 - nothing here counts attempts
        """Pass an event to the handler of its type."""
        match event.data:
            case RunRequested() as requested:
                return await self.run_requested.handle(event, as_ordered(requested.run))
            case RunChanged() as changed:
                return await self.run_changed.handle(event, as_ordered(changed.run), changed.reason)
            case RunCancelled() as cancelled:
                return await self.run_cancelled.handle(event, cancelled)
            case _:
                return DeadLetter(event_misplaced(event, "the lifecycle topic"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequestedHandler:
    """Handles `RunRequested`."""

    router: RequestRouter
    assembler: HierarchyAssembler

    async def handle(self, event: Event, run: RunDocument) -> Outcome:
        """Route the run, or store it until its hierarchy is complete."""
        alone = not run.child_run_ids and run.parent_run_id is None
        return await (self.router.route(event, run) if alone else self.assembler.add(event, run))
