"""Delete runs that ended long ago from the run store, a little at a time, so that it does not grow for ever."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.periodic import repeat

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from consumers.periodic import ReportSentence
    from consumers.store.port import PrunePosition, Pruning

BATCH_SIZE = 500  # runs in one transaction
SHARE = 0.2  # of the time; the rest is left to those who have work to store


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePruner:
    """Deletes, every `every` seconds, the requests that ended and were not updated for `keep`."""

    pruning: Pruning
    keep: timedelta
    now: Callable[[], datetime]
    warn: ReportSentence
    on_pruned: Callable[[int], None]  # called with the number of runs of each batch
    every: float = 600.0
    batch_size: int = BATCH_SIZE

    async def run(self) -> None:
        """Prune until cancelled."""
        await repeat(self.prune, every=self.every, warn=self.warn, failure="Ended runs could not be deleted")

    async def prune(self) -> int:
        """Delete everything that is old enough now; return the number of runs."""
        before, pruned = self.now() - self.keep, 0
        last: PrunePosition | None = None
        while True:
            began = time.monotonic()
            deleted, last = await self.pruning.prune(before, self.batch_size, last)
            if deleted:
                pruned += deleted
                self.on_pruned(deleted)
            if last is None:
                return pruned
            await asyncio.sleep((time.monotonic() - began) * (1 / SHARE - 1))
