"""Publish the SendRun of a run again if the run has not changed for a day: the command is perhaps gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.routing.commands import is_bundle
from consumers.routing.give_up import timer_event
from consumers.store.port import ConflictError, StoreUnavailableError
from producers.publisher import PublishError
from router.runs.events import CommandRepeated
from router.runs.transitions import COMMANDED_PHASES

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.inbound.poller import ReportSentence
    from consumers.routing.commands import CommandPublisher
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

PAGE_SIZE = 200  # runs that are read together
REPEAT_AFTER = timedelta(days=1)  # well below the week for which commands are retained


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRepeater:
    """Looks every `every` seconds for runs that wait for their `SendRun` and were not updated for a day.

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
            for request_id in dict.fromkeys(row.request_id for row in rows):
                repeated += await self._repeat(request_id, since)
            last = rows[-1]
        return repeated

    async def _repeat(self, request_id: str, since: datetime) -> int:
        """Publish the commands of a request's unmoved runs, parents first; return the number of runs."""
        family = await self.updater.store.runs_of_request(request_id)
        commanded = [row for row in family if row.phase in COMMANDED_PHASES and row.decision is not None]
        unmoved = [row for row in commanded if row.updated_at < since]
        if not unmoved:
            return 0
        cause, root = timer_event(unmoved[0], "repeat"), family[0]
        if root in unmoved:
            # The command of a bundle's root has all its children.
            unmoved = commanded if is_bundle(root) else unmoved
            await self.commands.publish(cause, unmoved)
        elif root in commanded and is_bundle(root):
            return 0
        else:
            await self.commands.publish_each(cause, unmoved)
        return sum([await self._store_repeated(cause, row) for row in unmoved])

    async def _store_repeated(self, cause: Event, row: RunRow) -> bool:
        try:
            await self.updater.store_intention(cause, row, CommandRepeated())
        except ConflictError:  # something moved it meanwhile
            return False
        return True
