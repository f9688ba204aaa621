"""Cancel the other runs of a request if its system refuses one of the children, where the profile wants that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.routing.commands import cancel_command
from consumers.spokes.profile import ChildRefused
from consumers.store.port import ConflictError
from router.runs.events import CancelRequested
from router.runs.processed_events import CANCEL, has_led_to
from router.runs.requests.compensation import COMPENSATED, compensation_reason, is_refused_child, runs_to_cancel
from router.runs.transitions import ENDED_PHASES

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.results import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """Cancels what was accepted, and what waits to be sent, after a child was refused.

    The cancellations follow the commands of the same request on the topic of its system, in its lane. So a run whose
    command is still there is cancelled before it is sent.
    """

    updater: RunUpdater
    caller: Caller

    async def after_refusal(self, event: Event, row: RunRow) -> None:
        """Cancel the other runs if this row is that of a refused child; repeated for a record that is redelivered."""
        if not is_refused_child(row):
            return
        if self.caller.spoke(row.spoke).profile.child_refused is not ChildRefused.COMPENSATE:
            return
        rows = await self.updater.store.runs_of_request(row.request_id)
        requested = [each for each in rows if has_led_to(each, event.id, CANCEL) and each.phase not in ENDED_PHASES]
        reason = compensation_reason(row)
        answers = [await self._request(event, each, reason) for each in runs_to_cancel(rows)]
        requested += [each for each in answers if each is not None]
        commands = [command for each in requested if (command := cancel_command(each, COMPENSATED)) is not None]
        if commands:
            await self.updater.announcer.publish(event, commands, decision=row.decision)

    async def _request(self, event: Event, row: RunRow, reason: Reason) -> RunRow | None:
        """Store that a run is to be cancelled; None if it has ended meanwhile."""
        try:
            return await self.updater.store_fact(event, row, CancelRequested(reason=reason))
        except ConflictError:
            newer = await self.updater.store.run(row.run_id)
            if newer is not None and newer.phase not in ENDED_PHASES:
                raise
            return None
