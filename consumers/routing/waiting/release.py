"""Release queued requests in their order, as soon as a window opens or a threshold is raised.

Every process with the role `routing` tries; the first one wins, because a run is written only over the revision that
was read. No record is redelivered after a crash, so a request stays marked until its commands are published.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from consumers.routing.waiting.foreign_waits import UNLIMITED, ForeignWaits
from consumers.routing.waiting.queued_request import RequestRelease

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

    from consumers.periodic import ReportSentence
    from consumers.routing.commands import CommandPublisher
    from consumers.routing.decide import Decider
    from consumers.routing.route_request import RequestRouter
    from consumers.routing.waiting.foreign_waits import DefinitionNames
    from consumers.routing.waiting.threshold_cache import ThresholdCache
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow
    from router.selection.spoke_selector import SpokeSelector


PAGE_SIZE = 200  # requests that are tried together
PAUSE_FACTOR, MAX_PAUSE = 10, 10.0  # pause ten times as long as a round took, and at most ten seconds
ABANDONED_AFTER = timedelta(seconds=30)  # after which no process is about to publish the commands that it stored


@dataclass(slots=True, kw_only=True)
class WaitingQueueReleaser:
    """Releases queued requests, first in, first out, every `interval` seconds or less often if a round takes long."""

    updater: RunUpdater
    commands: CommandPublisher
    router: RequestRouter
    decider: Decider
    threshold_cache: ThresholdCache
    warn: ReportSentence
    interval: float = 1.0
    waiting_requests: int = 0  # at the end of the last round
    _duration: float = field(default=0.0, init=False)  # of the last round, in seconds
    _last_selector: SpokeSelector | None = field(default=None, init=False)
    _foreign_waits: ForeignWaits = field(default_factory=ForeignWaits, init=False)

    async def run(self) -> None:
        """Release requests until cancelled."""
        failure = "Queued requests could not be released"
        await repeat(self._measured_round, every=self._pause, warn=self.warn, failure=failure)

    async def _measured_round(self) -> None:
        started_at = self.updater.now()
        try:
            await self.release_due()
        finally:
            self._duration = (self.updater.now() - started_at).total_seconds()

    def _pause(self) -> float:
        return min(max(self.interval, PAUSE_FACTOR * self._duration), MAX_PAUSE)

    async def release_due(self) -> None:
        """Release every request that may go."""
        await self._command_abandoned()
        lengths = await self.updater.store.waiting_queue.read_lengths()
        if lengths:
            await self._redecide_after_selector_change(lengths)
            lengths = await self._release_from_front(await self.updater.store.waiting_queue.read_lengths())
        self.waiting_requests = sum(lengths.values())
        self.threshold_cache.replace_queue(self._definitions_of(lengths))

    async def _release_from_front(self, lengths: Mapping[DefinitionNames, int]) -> Mapping[DefinitionNames, int]:
        """Release from the front of the queue while there are free uses; return what is left."""
        last: RunRow | None = None
        while lengths:
            free_uses = await self._free_uses(self._definitions_of(lengths))
            releasable = [
                names
                for names in lengths
                if any(free_uses[name] for name in self._foreign_waits.definitions_for(names))
            ]
            if not releasable:
                break
            rows = await self.updater.store.waiting_queue.read_first(
                releasable, min(PAGE_SIZE, sum(free_uses.values())), last
            )
            if not rows:
                break
            changed = await self._release_all(rows)
            last = None if changed else rows[-1]  # a request that cannot be released does not block those behind it
            lengths = await self.updater.store.waiting_queue.read_lengths()
        return lengths

    def _definitions_of(self, groups: Iterable[DefinitionNames]) -> set[str]:
        return {name for names in groups for name in self._foreign_waits.definitions_for(names)}

    async def _free_uses(self, names: Collection[str]) -> Mapping[str, int]:
        """Return how many uses each definition has left; one that this process's selector does not count has none."""
        counted, now = self.decider.counted_definitions, self.updater.now()
        counts = await self.updater.store.waiting_queue.read_counts(names)
        used = {(count.definition, count.window.start): count.uses for count in counts}
        free = dict.fromkeys(names, 0) | ({UNLIMITED: PAGE_SIZE} if UNLIMITED in names else {})
        for name in names & counted.keys():
            use = counted[name].use_at(now)
            used_count = used.get((name, use.window.start), 0)
            free[name] = max(use.max_uses - used_count, 0)
            if not free[name]:
                self.threshold_cache.mark_used_up(replace(use, max_uses=used_count))
        return free

    async def _redecide_after_selector_change(self, lengths: Mapping[DefinitionNames, int]) -> None:
        """Decide on all queued requests, once per selector: other rows may match now."""
        selector, now = self.decider.selector, self.updater.now()
        if selector is not self._last_selector:
            self._foreign_waits.clear(now)
            await self._free_uses(self._definitions_of(lengths))
            async for rows in self._pages(lengths):
                await self._release_all(rows, anew=True)
            self._last_selector = selector
        elif undecided := self._foreign_waits.groups_to_decide(lengths, self.decider.counted_definitions, now):
            release = self._request_release()
            async for rows in self._pages(undecided):
                for root in rows:
                    await release.find_blocking_definitions(root)
            self._foreign_waits.mark_decided(undecided)

    async def _pages(self, groups: Collection[DefinitionNames]) -> AsyncIterator[Sequence[RunRow]]:
        last: RunRow | None = None
        while rows := await self.updater.store.waiting_queue.read_first(groups, PAGE_SIZE, last):
            yield rows
            last = rows[-1]

    async def _release_all(self, rows: Sequence[RunRow], *, anew: bool = False) -> bool:
        """Release these requests if possible and return whether any was; each one is isolated from the others."""
        release = self._request_release()
        answers = await asyncio.gather(*(release.release(root, anew=anew) for root in rows), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return any(answers)

    async def _command_abandoned(self) -> None:
        """Publish the commands of requests that a process released and crashed before it published them."""
        since, release = self.updater.now() - ABANDONED_AFTER, self._request_release()
        for row in await self.updater.store.waiting_queue.abandoned(since, PAGE_SIZE):
            await release.command_abandoned(row)

    def _request_release(self) -> RequestRelease:
        return RequestRelease(
            updater=self.updater,
            commands=self.commands,
            router=self.router,
            decider=self.decider,
            warn=self.warn,
            foreign_waits=self._foreign_waits,
        )
