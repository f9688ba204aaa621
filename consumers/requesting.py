"""Take in a requested run: route it at once, or keep it until the rest of its hierarchy is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumers.routing.assemble_hierarchy import GatherRuns
    from consumers.routing.route_request import RouteRuns
    from consumers.runtime.handler import Outcome
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRuns:
    """The handler of `RunRequested`."""

    route: RouteRuns
    gather: GatherRuns

    async def __call__(self, event: Event, run: RunDocument) -> Outcome:
        """Route or gather."""
        alone = not run.child_run_ids and run.parent_run_id is None
        return await (self.route(event, run) if alone else self.gather(event, run))
