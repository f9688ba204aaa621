"""Consume commands: carry them out at external systems, one topic per spoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import event_misplaced
from consumers.runtime.handler import DeadLetter
from schemas.commands import CancelRun, ChangeRun, SendRun

if TYPE_CHECKING:
    from consumers.dispatch.cancel import CancelRunHandler
    from consumers.dispatch.change import ChangeRunHandler
    from consumers.dispatch.outage_notices import OutageNotices
    from consumers.dispatch.send import SendRunHandler
    from consumers.runtime.handler import Attempt, Outcome
    from schemas.codec.envelope import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandHandler:
    """Consumes `testrun.dispatch.<spoke>`."""

    send: SendRunHandler
    change: ChangeRunHandler
    cancel: CancelRunHandler
    outage_notices: OutageNotices

    async def handle(self, event: Event, attempt: Attempt) -> Outcome:
        """Pass a command to the handler of its type; publish an update if its system is down for long."""
        outcome = await self._handle(event, attempt)
        match event.data:
            case SendRun() | ChangeRun() as command:
                await self.outage_notices.note(event, command.run.run_id, command.spoke, outcome)
            case CancelRun() as command:
                await self.outage_notices.note(event, command.run_id, command.spoke, outcome)
        return outcome

    async def _handle(self, event: Event, attempt: Attempt) -> Outcome:
        match event.data:
            case SendRun() as command:
                return await self.send.handle(event, command, attempt)
            case ChangeRun() as command:
                return await self.change.handle(event, command, attempt)
            case CancelRun() as command:
                return await self.cancel.handle(event, command, attempt)
            case _:
                return DeadLetter(event_misplaced(event, "a dispatch topic"))
