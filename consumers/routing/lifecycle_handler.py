"""Routing: decide what is sent and where, and put it on the spoke's topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import does_not_belong
from consumers.runtime.handler import DeadLetter
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
    """The consumer of `testrun.lifecycle`."""

    request: RunRequestedHandler
    revise: RunChangedHandler
    withdraw: RunCancelledHandler

    async def __call__(self, event: Event, attempt: Attempt) -> Outcome:  # noqa: ARG002 - nothing here counts attempts
        """Hand an event to the one who knows it."""
        match event.data:
            case RunRequested() as requested:
                return await self.request(event, requested.run)
            case RunChanged() as changed:
                return await self.revise(event, changed)
            case RunCancelled() as cancelled:
                return await self.withdraw(event, cancelled)
            case _:
                return DeadLetter(does_not_belong(event, "the lifecycle topic"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequestedHandler:
    """The handler of `RunRequested`."""

    route: RequestRouter
    gather: HierarchyAssembler

    async def __call__(self, event: Event, run: RunDocument) -> Outcome:
        """Route or gather."""
        alone = not run.child_run_ids and run.parent_run_id is None
        return await (self.route(event, run) if alone else self.gather(event, run))
