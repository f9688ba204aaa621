"""Find runs that wait for a command that is perhaps gone, and publish it again.

Such a run is `routed`, `sending`, `retrying` or `inDoubt`, and was not updated for a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from consumers.routing.commands import is_bundle
from consumers.routing.give_up import timer_event
from consumers.store.port import ConflictError
from producers.publisher import PublishError
from router.runs.events import CommandRepeated
from router.runs.transitions import COMMANDED_PHASES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.periodic import ReportSentence
    from consumers.routing.commands import CommandPublisher
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

PAGE_SIZE = 200  # runs that are read together
REPEAT_AFTER = timedelta(days=1)  # well below the week for which commands are retained


def _ignore(_: RunRow) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRepeater:
    """Looks every `every` seconds for runs that wait for their `SendRun` and were not updated for a day.

    A command that is still there is not harmed: the second one has the same id, is processed after it, and finds the
    run sent. A run that waits for a system that is down is commanded again once a day.
    """

    updater: RunUpdater
    commands: CommandPublisher
    warn: ReportSentence
    on_repeated: Callable[[RunRow], None] = _ignore  # called with the row as it was before
    every: float = 600.0

    async def run(self) -> None:
        """Publish overdue commands again periodically, until cancelled."""
        await repeat(
            self.repeat_overdue,
            every=self.every,
            warn=self.warn,
            failure="Commands of unmoved runs could not be published again",
        )

    async def repeat_overdue(self) -> int:
        """Publish the commands again and return their number.

        Raises:
            PublishError: the commands for a system were not published; those for all others were.
        """
        since, last, repeated = self.updater.now() - REPEAT_AFTER, None, 0
        failures: dict[str, PublishError] = {}  # by spoke: its topic may be gone, and the others must not wait for it
        while rows := await self.updater.store.unmoved_runs(since, PAGE_SIZE, last):
            for request_id, spoke in {row.request_id: row.spoke for row in rows if row.spoke not in failures}.items():
                if spoke in failures:
                    continue
                try:
                    repeated += await self._repeat(request_id, since)
                except PublishError as error:
                    failures[spoke] = error
            last = rows[-1]
        if failures:
            raise next(iter(failures.values()))
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
        self.on_repeated(row)
        return True
