"""Let requests that wait for a used-up definition go in their turn, as soon as a window opens or a threshold is raised.

Every process with the role `routing` looks; who takes a request first has it, because a run is written only over the
revision that was read. No record comes again after a crash, so a request stays marked until its commands are out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.deciding import MustWait
from consumers.edge import FINAL, final_trouble
from consumers.overdue import by_the_clock, children_missing, give_up
from consumers.runtime.faults import fault
from consumers.store.port import ConflictError, StoreUnavailableError
from consumers.troubles import reason_of
from producers.publisher import PublishError
from router.happenings import Commanded
from router.hierarchy import missing_children
from router.trouble import Trouble
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Mapping, Sequence

    from consumers.gathering import GatherRuns
    from consumers.moves import Mover
    from consumers.polling import Complain
    from router.runs import RunRow
    from router.selector import Selector
    from schemas.outcomes import Reason

    Names = tuple[str, ...]

AT_ONCE = 200  # requests that are tried together
REST, SELDOM = 10, 10.0  # rest ten times as long as a look took, and at most ten seconds
LEFT_BEHIND = timedelta(seconds=30)  # after which nobody is about to command what he took


@dataclass(slots=True, kw_only=True)
class Turns:
    """Look every so many seconds who may go, less often if a look takes long; first come, first served."""

    mover: Mover
    gather: GatherRuns
    complain: Complain
    every: float = 1.0
    in_line: int = 0  # requests that waited at the end of the last look
    _decided_by: Selector | None = field(default=None, init=False)

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
            await self._decide_by_a_new_selector(lengths)
            lengths = await self._let_go(await self.mover.store.line.lengths())
        self.in_line = sum(lengths.values())
        self.gather.route.used_up.queued = {name for names in lengths for name in names}

    async def _let_go(self, lengths: Mapping[Names, int]) -> Mapping[Names, int]:
        """Take from the front of the line as long as there is room; give what is left."""
        last: RunRow | None = None
        while lengths:
            room = await self._room({name for names in lengths for name in names})
            hopeful = [names for names in lengths if any(room[name] for name in names)]
            if not hopeful:
                break
            rows = await self.mover.store.line.first(hopeful, min(AT_ONCE, sum(room.values())), last)
            if not rows:
                break
            moved = await self._take_all(rows)
            last = None if moved else rows[-1]  # whoever cannot go does not keep those behind him
            lengths = await self.mover.store.line.lengths()
        return lengths

    async def _room(self, names: Collection[str]) -> Mapping[str, int]:
        """Tell how many uses each definition has left now; one that is not counted any more has no end."""
        counted, used_up, now = self.gather.route.decide.counted, self.gather.route.used_up, self.mover.now()
        counts = await self.mover.store.line.counts(names)
        used = {(count.definition, count.window.start): count.uses for count in counts}
        room = dict.fromkeys(names, AT_ONCE)
        for name in names & counted.keys():
            use = counted[name].use_at(now)
            taken = used.get((name, use.window.start), 0)
            room[name] = max(use.at_most - taken, 0)
            if not room[name]:
                used_up.learn(replace(use, at_most=taken))
        return room

    async def _decide_by_a_new_selector(self, lengths: Mapping[Names, int]) -> None:
        """Decide on all who wait, once for each selector: other rows may fit them now."""
        selector = self.gather.route.decide.selector
        if selector is self._decided_by:
            return
        await self._room({name for names in lengths for name in names})
        last: RunRow | None = None
        while rows := await self.mover.store.line.first(lengths, AT_ONCE, last):
            await self._take_all(rows)
            last = rows[-1]
        self._decided_by = selector

    async def _take_all(self, rows: Sequence[RunRow]) -> bool:
        """Let these go, if they can; tell whether any did. Nobody is left half-way because of another."""
        answers = await asyncio.gather(*(self._alone(root, self._take(root)) for root in rows), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return any(answers)

    async def _alone(self, root: RunRow, step: Awaitable[bool]) -> bool:
        """Take a step with one request, so that what is wrong with it harms no other."""
        try:
            return await step
        except ConflictError:
            return False  # another process has taken it, or it was changed or cancelled a moment ago
        except tuple(FINAL) as error:
            trouble = final_trouble(error)
        except (StoreUnavailableError, PublishError):
            raise
        except Exception as error:  # noqa: BLE001 - as Attempts does, for there is no record that could come again
            trouble = fault("UNEXPECTED", f"The turn of request {root.run_id} broke", error)
            self.complain(f"{trouble.sentence}\n{trouble.detail}")
        await self._needs_a_person(root.run_id, reason_of(trouble))
        return True

    async def _take(self, root: RunRow) -> bool:
        """Let one request go, if it can; tell whether it is in line no more, or in another one."""
        cause = by_the_clock(root, "turn")
        whole = await self.gather.whole(root)
        if whole is None:
            missing = missing_children(root.requested, await self.gather.waiting_children(root))
            await give_up(self.mover, cause, root, children_missing(root, missing))
            return True
        document, waiting = whole
        placed = await self.gather.route.place(cause, document, waiting, in_turn=True)
        if isinstance(placed, MustWait):
            await self.gather.route.wait(cause, document, placed, waiting)
            return placed.names != root.waits_for
        if isinstance(placed, Trouble):
            await give_up(self.mover, cause, root, reason_of(placed))
            return True
        return await self._commanded(root.run_id)

    async def _command_left_behind(self) -> None:
        """Command what somebody took who died before it was commanded."""
        since = self.mover.now() - LEFT_BEHIND
        for row in await self.mover.store.line.left_behind(since, AT_ONCE):
            await self._alone(row, self._command(row))

    async def _command(self, row: RunRow) -> bool:
        rows = await self.mover.store.runs_of_request(row.request_id)
        await self.gather.route.commands.send_unsent(by_the_clock(row, "turn"), rows)
        return await self._commanded(row.run_id)

    async def _commanded(self, run_id: str) -> bool:
        row = await self.mover.store.run(run_id)
        if row is not None and row.waits_for and row.phase is not Phase.WAITING:
            await self.mover.record(by_the_clock(row, "commanded"), row, Commanded())
        return True

    async def _needs_a_person(self, run_id: str, reason: Reason) -> None:
        row = await self.mover.store.run(run_id)
        if row is not None and row.phase in (Phase.WAITING, Phase.ROUTED):
            await give_up(self.mover, by_the_clock(row, "turn"), row, reason)
