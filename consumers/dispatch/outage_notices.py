"""Publish updates about runs that wait for a system which is down for long."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from consumers.routing.give_up import timer_event
from consumers.runtime.handler import RetryLater
from consumers.store.port import ConflictError
from router.runs.advance import is_allowed
from router.runs.events import SystemDown
from router.runs.ids import derive_event_id
from router.runs.notifications.outages import names_outage, system_down

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.dispatch.call import Caller
    from consumers.periodic import ReportSentence
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

PAGE_SIZE = 200  # runs that are read together
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
        if row is not None:
            # Not the id of the command: a command may wait during several outages.
            event_id = derive_event_id(event.id, f"down:{since.isoformat()}")
            cause = event._replace(headers=event.headers._replace(id=event_id))
            await _publish_notice(self.updater, cause, row, since, outcome.problem.sentence)
        outages.mark_notified(event.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UntriedRunNotices:
    """Publishes one update about each run that is not sent because the circuit breaker of its system is open."""

    updater: RunUpdater
    caller: Caller
    warn: ReportSentence
    every: float = 10.0  # seconds
    _seen: dict[str, tuple[datetime, RunRow]] = field(default_factory=dict)  # by spoke: the outage, and the last run

    async def run(self) -> None:
        """Publish the updates that are due periodically, until cancelled."""
        await repeat(
            self.notify_due,
            every=self.every,
            warn=self.warn,
            failure="Updates about runs whose system is down could not be published",
        )

    async def notify_due(self) -> int:
        """Publish the updates that are due, and return their number."""
        notified = 0
        for name, spoke in self.caller.spokes.items():
            down_since = self.caller.breakers.of(name).writes.opened_at
            patience = timedelta(seconds=spoke.profile.outage_notice_after)
            if down_since is not None and self.caller.now() - down_since >= patience:
                notified += await self._notify(name, down_since, self.caller.now() - patience)
        return notified

    async def _notify(self, spoke: str, down_since: datetime, unmoved_since: datetime) -> int:
        # A run that has its update comes once more, after all others.
        outage, last = self._seen.get(spoke, (None, None))
        notified, last = 0, last if outage == down_since else None
        while rows := await self.updater.store.unmoved_runs(unmoved_since, PAGE_SIZE, last, spoke):
            for row in rows:
                notified += await self._notify_run(row, down_since)
            last = rows[-1]
            self._seen[spoke] = down_since, last
        return notified

    async def _notify_run(self, row: RunRow, down_since: datetime) -> bool:
        cause = timer_event(row, f"down:{down_since.isoformat()}")
        sentence = self.caller.breakers.of(row.spoke).writes.reason
        try:
            return await _publish_notice(self.updater, cause, row, down_since, sentence)
        except ConflictError:  # something moved it meanwhile
            return False


async def _publish_notice(updater: RunUpdater, cause: Event, row: RunRow, since: datetime, sentence: str) -> bool:
    """Store and publish that the run waits for its system, unless that was done; return whether it was now."""
    down = SystemDown(reason=system_down(row.spoke, since, sentence))
    if names_outage(row) or not is_allowed(row, down):
        return False
    await updater.store_fact(cause, row, down)
    return True
