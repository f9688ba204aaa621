"""Publish updates about runs that wait for a system which is down for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.handler import RetryLater
from router.runs.advance import is_allowed
from router.runs.events import SystemDown
from router.runs.ids import derive_event_id
from router.runs.notifications.outages import names_outage, system_down

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from schemas.codec.envelope import Event

_CALL_FAILED = "CALL_"  # begins the codes of problems of calls


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageNotices:
    """Publishes one update per run and outage, once a command has waited for its system for `outage_notice_after`."""

    updater: RunUpdater
    caller: Caller

    async def note(self, event: Event, run_id: str, spoke: str, outcome: Outcome) -> None:
        """Record the outcome of an attempt at a command, and publish the update if it is due.

        Raises:
            ConflictError: another consumer updated the run too often.
            StoreUnavailableError: nothing was stored; it is repeated after the next attempt.
        """
        outages, now = self.caller.outages, self.caller.now()
        if not isinstance(outcome, RetryLater) or not outcome.problem.code.startswith(_CALL_FAILED):
            outages.goes_on(event.id)
            return
        since = outages.waits_since(event.id, now)
        if since is None or (now - since).total_seconds() < self.caller.spoke(spoke).profile.outage_notice_after:
            return
        row = await self.updater.store.run(run_id)
        down = SystemDown(reason=system_down(spoke, since, outcome.problem.sentence))
        if row is not None and is_allowed(row, down) and not names_outage(row):
            # Not the id of the command: a command may wait during several outages.
            cause = event._replace(
                headers=event.headers._replace(id=derive_event_id(event.id, f"down:{since.isoformat()}"))
            )
            await self.updater.store_fact(cause, row, down)
        outages.mark_notified(event.id)
