"""Let requests that wait for a used-up definition go in their turn, as soon as a window opens or a threshold is raised.

Every process with the role `routing` looks; who takes a request first has it, because a run is written only over the
revision that was read. No record comes again after a crash, so a request stays marked until its commands are out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.routing.waiting.foreign_waits import FREELY, ForeignWaits
from consumers.routing.waiting.release_one import RequestRelease
from consumers.store.port import StoreUnavailableError
from producers.publisher import PublishError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence

    from consumers.inbound.poller import Complain
    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.updater import RunUpdater
    from router.runs.run import RunRow
    from router.selection.spoke_selector import Selector

    Names = tuple[str, ...]

AT_ONCE = 200  # requests that are tried together
REST, SELDOM = 10, 10.0  # rest ten times as long as a look took, and at most ten seconds
LEFT_BEHIND = timedelta(seconds=30)  # after which nobody is about to command what he took


@dataclass(slots=True, kw_only=True)
class WaitingQueueReleaser:
    """Look every so many seconds who may go, less often if a look takes long; first come, first served."""

    mover: RunUpdater
    gather: HierarchyAssembler
    complain: Complain
    every: float = 1.0
    in_line: int = 0  # requests that waited at the end of the last look
    _decided_by: Selector | None = field(default=None, init=False)
    _hopes: ForeignWaits = field(default_factory=ForeignWaits, init=False)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            begun = self.mover.now()
            try:
                await self.round()
            except (StoreUnavailableError, PublishError) as error:
                self.complain(f"Requests that wait for their turn have to wait longer: {error}")
            took = (self.mover.now() - begun).total_seconds()
            await asyncio.sleep(min(max(self.every, REST * took), SELDOM))

    async def round(self) -> None:
        """Let go all who may."""
        await self._command_left_behind()
        lengths = await self.mover.store.line.lengths()
        if lengths:
            await self._decide_anew(lengths)
            lengths = await self._let_go(await self.mover.store.line.lengths())
        self.in_line = sum(lengths.values())
        self.gather.route.used_up.queued = self._names(lengths)

    async def _let_go(self, lengths: Mapping[Names, int]) -> Mapping[Names, int]:
        """Take from the front of the line as long as there is room; give what is left."""
        last: RunRow | None = None
        while lengths:
            room = await self._room(self._names(lengths))
            hopeful = [names for names in lengths if any(room[name] for name in self._hopes.of(names))]
            if not hopeful:
                break
            rows = await self.mover.store.line.first(hopeful, min(AT_ONCE, sum(room.values())), last)
            if not rows:
                break
            moved = await self._take_all(rows)
            last = None if moved else rows[-1]  # whoever cannot go does not keep those behind him
            lengths = await self.mover.store.line.lengths()
        return lengths

    def _names(self, line: Iterable[Names]) -> set[str]:
        return {name for names in line for name in self._hopes.of(names)}

    async def _room(self, names: Collection[str]) -> Mapping[str, int]:
        """Tell how many uses each definition has left now; one that our selector does not count gives no room."""
        counted, used_up, now = self.gather.route.decide.counted, self.gather.route.used_up, self.mover.now()
        counts = await self.mover.store.line.counts(names)
        used = {(count.definition, count.window.start): count.uses for count in counts}
        room = dict.fromkeys(names, 0) | ({FREELY: AT_ONCE} if FREELY in names else {})
        for name in names & counted.keys():
            use = counted[name].use_at(now)
            taken = used.get((name, use.window.start), 0)
            room[name] = max(use.at_most - taken, 0)
            if not room[name]:
                used_up.learn(replace(use, at_most=taken))
        return room

    async def _decide_anew(self, lengths: Mapping[Names, int]) -> None:
        """Decide on all who wait, once for each selector: other rows may fit them now."""
        selector, now = self.gather.route.decide.selector, self.mover.now()
        if selector is not self._decided_by:
            self._hopes.forget(now)
            await self._room(self._names(lengths))
            async for rows in self._pages(lengths):
                await self._take_all(rows, anew=True)
            self._decided_by = selector
        elif strange := self._hopes.unknown(lengths, self.gather.route.decide.counted, now):
            async for rows in self._pages(strange):
                for root in rows:
                    await self._one.find_out(root)
            self._hopes.asked_about(strange)

    async def _pages(self, parts: Collection[Names]) -> AsyncIterator[Sequence[RunRow]]:
        last: RunRow | None = None
        while rows := await self.mover.store.line.first(parts, AT_ONCE, last):
            yield rows
            last = rows[-1]

    async def _take_all(self, rows: Sequence[RunRow], *, anew: bool = False) -> bool:
        """Let these go, if they can; tell whether any did. Nobody is left half-way because of another."""
        answers = await asyncio.gather(*(self._one.take(root, anew=anew) for root in rows), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return any(answers)

    async def _command_left_behind(self) -> None:
        """Command what somebody took who died before it was commanded."""
        since = self.mover.now() - LEFT_BEHIND
        for row in await self.mover.store.line.left_behind(since, AT_ONCE):
            await self._one.command(row)

    @property
    def _one(self) -> RequestRelease:
        return RequestRelease(mover=self.mover, gather=self.gather, complain=self.complain, hopes=self._hopes)
