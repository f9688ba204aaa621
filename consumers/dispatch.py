"""Dispatch: carry out commands at external systems, one topic per spoke."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.outcomes import DeadLetter
from consumers.troubles import does_not_belong
from schemas.commands import CancelRun, ChangeRun, SendRun

if TYPE_CHECKING:
    from consumers.cancelling import CancelRuns
    from consumers.changing import ChangeRuns
    from consumers.runtime.outcomes import Attempt, Outcome
    from consumers.sending import SendRuns
    from schemas.envelope import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """The consumer of `testrun.dispatch.<spoke>`."""

    send: SendRuns
    change: ChangeRuns
    cancel: CancelRuns

    async def __call__(self, event: Event, attempt: Attempt) -> Outcome:
        """Hand a command to the one who knows it."""
        match event.data:
            case SendRun() as command:
                return await self.send(event, command, attempt)
            case ChangeRun() as command:
                return await self.change(event, command, attempt)
            case CancelRun() as command:
                return await self.cancel(event, command, attempt)
            case _:
                return DeadLetter(does_not_belong(event, "a dispatch topic"))
