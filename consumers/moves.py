"""Move a run: decide, store, tell. The one order that survives a crash at any point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.store.port import ConflictError
from router import announcements
from router.advance import advance, allows
from router.requests import conclude
from router.transitions import ENDED
from schemas.outcomes import RunResult
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from consumers.store.port import RunStore
    from consumers.voice import Voice
    from router.advance import Step
    from router.happenings import Happening
    from router.runs import RunRow
    from schemas.envelope import Event
    from schemas.outcomes import RequestResult, RunUpdate

FACT_TRIES = 10  # a run is moved by at most a handful of consumers at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """What every handler needs to move a run."""

    store: RunStore
    voice: Voice
    now: Callable[[], datetime]
    ended: Callable[[RunResult], None] = lambda _: None

    async def intend(self, cause: Event, row: RunRow, *happenings: Happening) -> RunRow:
        """Store an intention over exactly the row that was read.

        Raises:
            ConflictError: somebody else moved the run, so the intention may be wrong now.
        """
        return await self._finish(cause, advance(row, happenings, self.now()))

    async def record(self, cause: Event, row: RunRow, *happenings: Happening) -> RunRow:
        """Store a fact; if somebody else moved the run meanwhile, apply it to where the run is now."""
        for _ in range(FACT_TRIES):
            try:
                return await self.intend(cause, row, *happenings)
            except ConflictError:
                row = await self._read_again(row, happenings[0])
        raise ConflictError(f"Run {row.run_id} is moved by others without end.")

    async def _read_again(self, row: RunRow, first: Happening) -> RunRow:
        newer = await self.store.run(row.run_id)
        if newer is None or not allows(newer, first):
            raise ConflictError(f"Run {row.run_id} has moved on; {first.kind} no longer applies.")
        return newer

    async def _finish(self, cause: Event, step: Step) -> RunRow:
        if step.moved:
            await self.store.save(step.row)
        await self.tell(cause, step.row, step.announcements)
        return step.row

    async def tell(self, cause: Event, row: RunRow, said: Sequence[RunUpdate | RunResult]) -> None:
        """Publish announcements, and the request's result if this was the last run to end."""
        results = [word for word in said if isinstance(word, RunResult)]
        closing = await self._request_result(row) if results else None
        if said:
            await self.voice.say(cause, (*said, closing) if closing else said, decision=row.decision)
        for result in results:
            self.ended(result)

    async def tell_again(self, cause: Event, row: RunRow) -> None:
        """Say what this record led to once more: a crash may have come between storing and telling."""
        said: list[RunUpdate | RunResult] = []
        if row.accepted_at is not None:
            said.append(announcements.update(row, UpdateKind.ACCEPTED))
        if row.phase in ENDED:
            said.append(announcements.result(row))
        await self.tell(cause, row, said)

    async def _request_result(self, row: RunRow) -> RequestResult | None:
        alone = row.decision is None or not row.decision.hierarchical
        return conclude((row,) if alone else await self.store.runs_of_request(row.request_id))
