"""Let requests that wait for a used-up definition go in their turn, as soon as a window opens or a threshold is raised.

Every process with the role `routing` looks; who takes a request first has it, because a run is written only over the
revision that was read. No record comes again after a crash, so a request stays marked until its commands are out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.routing.waiting.foreign_waits import UNLIMITED, ForeignWaits
from consumers.routing.waiting.release_one import RequestRelease
from consumers.store.port import StoreUnavailableError
from producers.publisher import PublishError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

    from consumers.inbound.poller import Complain
    from consumers.routing.commands import CommandPublisher
    from consumers.routing.decide import Decider
    from consumers.routing.route_request import RequestRouter
    from consumers.routing.waiting.threshold_cache import ThresholdCache
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow
    from router.selection.spoke_selector import Selector

    Names = tuple[str, ...]

PAGE_SIZE = 200  # requests that are tried together
PAUSE_FACTOR, MAX_PAUSE = 10, 10.0  # rest ten times as long as a look took, and at most ten seconds
ABANDONED_AFTER = timedelta(seconds=30)  # after which nobody is about to command what he took


@dataclass(slots=True, kw_only=True)
class WaitingQueueReleaser:
    """Look every so many seconds who may go, less often if a look takes long; first come, first served."""

    updater: RunUpdater
    commands: CommandPublisher
    route: RequestRouter
    decide: Decider
    used_up: ThresholdCache
    complain: Complain
    every: float = 1.0
    waiting_requests: int = 0  # requests that waited at the end of the last look
    _decided_by: Selector | None = field(default=None, init=False)
    _foreign_waits: ForeignWaits = field(default_factory=ForeignWaits, init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            begun = self.updater.now()
            try:
                await self.release_due()
            except (StoreUnavailableError, PublishError) as error:
                self.complain(f"Requests that wait for their turn have to wait longer: {error}")
            took = (self.updater.now() - begun).total_seconds()
            await asyncio.sleep(min(max(self.every, PAUSE_FACTOR * took), MAX_PAUSE))

    async def release_due(self) -> None:
        """Let go all who may."""
        await self._command_abandoned()
        lengths = await self.updater.store.line.lengths()
        if lengths:
            await self._redecide_after_selector_change(lengths)
            lengths = await self._release_from_front(await self.updater.store.line.lengths())
        self.waiting_requests = sum(lengths.values())
        self.used_up.replace_queue(self._definitions_of(lengths))

    async def _release_from_front(self, lengths: Mapping[Names, int]) -> Mapping[Names, int]:
        """Take from the front of the line as long as there is room; give what is left."""
        last: RunRow | None = None
        while lengths:
            room = await self._free_uses(self._definitions_of(lengths))
            hopeful = [
                names for names in lengths if any(room[name] for name in self._foreign_waits.definitions_for(names))
            ]
            if not hopeful:
                break
            rows = await self.updater.store.line.first(hopeful, min(PAGE_SIZE, sum(room.values())), last)
            if not rows:
                break
            moved = await self._release_all(rows)
            last = None if moved else rows[-1]  # whoever cannot go does not keep those behind him
            lengths = await self.updater.store.line.lengths()
        return lengths

    def _definitions_of(self, line: Iterable[Names]) -> set[str]:
        return {name for names in line for name in self._foreign_waits.definitions_for(names)}

    async def _free_uses(self, names: Collection[str]) -> Mapping[str, int]:
        """Tell how many uses each definition has left now; one that our selector does not count gives no room."""
        counted, now = self.decide.counted_definitions, self.updater.now()
        counts = await self.updater.store.line.counts(names)
        used = {(count.definition, count.window.start): count.uses for count in counts}
        room = dict.fromkeys(names, 0) | ({UNLIMITED: PAGE_SIZE} if UNLIMITED in names else {})
        for name in names & counted.keys():
            use = counted[name].use_at(now)
            taken = used.get((name, use.window.start), 0)
            room[name] = max(use.at_most - taken, 0)
            if not room[name]:
                self.used_up.mark_used_up(replace(use, at_most=taken))
        return room

    async def _redecide_after_selector_change(self, lengths: Mapping[Names, int]) -> None:
        """Decide on all who wait, once for each selector: other rows may fit them now."""
        selector, now = self.decide.selector, self.updater.now()
        if selector is not self._decided_by:
            self._foreign_waits.clear(now)
            await self._free_uses(self._definitions_of(lengths))
            async for rows in self._pages(lengths):
                await self._release_all(rows, anew=True)
            self._decided_by = selector
        elif strange := self._foreign_waits.groups_to_ask_about(lengths, self.decide.counted_definitions, now):
            async for rows in self._pages(strange):
                for root in rows:
                    await self._release.learn_what_it_waits_for(root)
            self._foreign_waits.mark_asked(strange)

    async def _pages(self, parts: Collection[Names]) -> AsyncIterator[Sequence[RunRow]]:
        last: RunRow | None = None
        while rows := await self.updater.store.line.first(parts, PAGE_SIZE, last):
            yield rows
            last = rows[-1]

    async def _release_all(self, rows: Sequence[RunRow], *, anew: bool = False) -> bool:
        """Let these go, if they can; tell whether any did. Nobody is left half-way because of another."""
        answers = await asyncio.gather(
            *(self._release.release(root, anew=anew) for root in rows), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return any(answers)

    async def _command_abandoned(self) -> None:
        """Command what somebody took who died before it was commanded."""
        since = self.updater.now() - ABANDONED_AFTER
        for row in await self.updater.store.line.left_behind(since, PAGE_SIZE):
            await self._release.command_abandoned(row)

    @property
    def _release(self) -> RequestRelease:
        return RequestRelease(
            updater=self.updater,
            commands=self.commands,
            route=self.route,
            decide=self.decide,
            complain=self.complain,
            foreign_waits=self._foreign_waits,
        )
