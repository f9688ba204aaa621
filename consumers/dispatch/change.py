"""Send an in-flight change: bring what the external system knows up to what is requested now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.follow_up import call_about_run, wait_for_id
from consumers.problems import run_unknown
from consumers.runtime.handler import DeadLetter, Done
from consumers.spokes.port import NotUnderstoodError
from router.runs.changes import PermittedChanges, find_field_changes, permit_changes, run_has_ended
from router.runs.events import ChangeAccepted, ChangeRefused, Reported
from router.runs.processed_events import has_led_to
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.changes import FieldChange
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import ChangeRun
    from schemas.results import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRunHandler:
    """Handles `ChangeRun`."""

    noun: ClassVar[str] = "change"
    updater: RunUpdater
    caller: Caller

    async def handle(self, event: Event, command: ChangeRun, attempt: Attempt) -> Outcome:
        """Send what differs from what was sent last, if profile and phase allow it."""
        row = await self.updater.store.run(command.run.run_id)
        if row is None:
            return DeadLetter(run_unknown(command.run.run_id, "change"))
        if has_led_to(row, event.id, UpdateKind.CHANGE_ACCEPTED):
            await self.updater.republish(event, row)
            return Done()
        if _has_nothing_to_send(row, command):
            return Done()
        if row.phase in ENDED_PHASES:
            return await self.refused(event, row, (run_has_ended(row),))
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        row = await finder.find(event, row)
        if row.external_id is None:
            return await wait_for_id(self, event, row, finder.delay(row, attempt))
        return await self._send_change(event, row, attempt)

    async def _send_change(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        changes = find_field_changes(row.sent or row.requested, row.requested)
        profile = self.caller.spoke(row.spoke).profile
        permission = permit_changes(changes, profile.patchable, profile.changeable_states, row.state)
        if not isinstance(permission, PermittedChanges):
            return await self.refused(event, row, permission.reasons)
        return await self._patch(event, row, changes, attempt)

    async def _patch(self, event: Event, row: RunRow, changes: tuple[FieldChange, ...], attempt: Attempt) -> Outcome:
        call = self.caller.spoke(row.spoke).to_change(row, changes, event.id)
        return await call_about_run(self, event, row, call, attempt)

    async def accepted(self, event: Event, row: RunRow, result: CallResult) -> Outcome:
        """Store what was accepted, and what the response reports."""
        accepted = ChangeAccepted(document=row.requested)
        try:
            report = replace(self.caller.spoke(row.spoke).read_reply(result.accepted_response()), as_of=result.asked_at)
        except NotUnderstoodError:
            # The status says yes; nothing of the body is needed.
            await self.updater.store_fact(event, row, accepted)
            return Done()
        await self.updater.store_fact(event, row, accepted, Reported(report_id=event.id, report=report))
        return Done()

    async def refused(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store why the change is not made."""
        refused = ChangeRefused(version=row.requested.version, reasons=reasons)
        await self.updater.store_fact(event, row, refused)
        return Done()


def _has_nothing_to_send(row: RunRow, command: ChangeRun) -> bool:
    """Return whether there is nothing to send, or whether another command will send it."""
    if row.sent is None or not find_field_changes(row.sent, row.requested):
        return True
    # A newer change is queued behind this one and carries the whole document; a POST includes the newest document.
    return row.phase not in ENDED_PHASES and (
        command.run.version < row.requested.version or row.phase not in ACCEPTED_PHASES
    )
