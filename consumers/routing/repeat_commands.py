"""Publish the command of a run again that nothing has moved on for so long that the command is perhaps gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.routing.give_up import timer_event
from consumers.store.port import ConflictError, StoreUnavailableError
from producers.publisher import PublishError
from router.runs.events import CommandRepeated
from router.runs.transitions import COMMANDED_PHASES
from router.selection.outbound_policy import Payload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.inbound.poller import ReportSentence
    from consumers.routing.commands import CommandPublisher
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow

PAGE_SIZE = 200  # runs that are read together
REPEAT_AFTER = timedelta(days=1)  # well below the week for which commands are retained


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRepeater:
    """Looks every `every` seconds for runs that a `SendRun` should move on and that were not updated for a day.

    A command that is still there is not harmed: the second one has the same id, is processed after it, and finds the
    run sent. A run that waits for a system that is down is commanded again once a day.
    """

    updater: RunUpdater
    commands: CommandPublisher
    warn: ReportSentence
    every: float = 600.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.repeat_overdue()
            except (StoreUnavailableError, PublishError) as error:
                self.warn(f"Commands of unmoved runs could not be published again; this will be retried: {error}")
            await asyncio.sleep(self.every)

    async def repeat_overdue(self) -> int:
        """Publish the commands again and return their number."""
        since, last, repeated = self.updater.now() - REPEAT_AFTER, None, 0
        while rows := await self.updater.store.unmoved_runs(since, PAGE_SIZE, last):
            for row in rows:
                repeated += await self._repeat(row)
            last = rows[-1]
        return repeated

    async def _repeat(self, row: RunRow) -> bool:
        sent_together = await self._sent_together(row)
        if not sent_together:
            return False
        cause = timer_event(row, "repeat")
        await self.commands.publish(cause, sent_together)
        try:
            await self.updater.store_intention(cause, row, CommandRepeated())
        except ConflictError:  # something moved it meanwhile
            return False
        return True

    async def _sent_together(self, row: RunRow) -> Sequence[RunRow]:
        """Return the runs of the command: the root of a bundle with its children; none for such a child."""
        if row.decision is None:
            return ()
        if row.decision.payload != Payload.BUNDLE:
            return (row,)
        if row.run_id != row.root_run_id:
            root = await self.updater.store.run(row.root_run_id)
            return () if root is not None and root.phase in COMMANDED_PHASES else (row,)
        family = await self.updater.store.runs_of_request(row.request_id)
        return (row, *[one for one in family if one.run_id != row.run_id and one.phase in COMMANDED_PHASES])
