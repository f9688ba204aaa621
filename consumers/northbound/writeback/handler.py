"""Handle results and updates: write the run that each is about to a target, as the run store has it by then."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from consumers.northbound.writeback.problems import run_behind, run_not_stored
from consumers.northbound.writeback.write_run import RunWriter, WriteOutcome
from consumers.problems import event_misplaced
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from schemas.results import RequestResult, RunResult, RunUpdate
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.northbound.writeback.target_caller import TargetCaller
    from consumers.runtime.handler import Attempt, Outcome
    from consumers.store.claims.write_claims import WriteClaims
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

MAX_READS_BEHIND = 10  # attempts until a run is written as the store has it, although the event is newer
READ_AGAIN_AFTER = 0.5  # seconds


class RunReader(Protocol):
    """Reads runs: the part of the run store that is needed here."""

    async def run(self, run_id: str) -> RunRow | None:
        """Return one run."""


class OrderedIds(Protocol):
    """Finds the id with which a client ordered a run."""

    async def ordered_as(self, run_id: str, client_name: str) -> str | None:
        """Return the client's own id of a run; None if another client ordered it, or without an id."""

    async def refused(self, run_id: str) -> RunRow | None:
        """Return a refused order as the row of a rejected run; None if no client ordered the run, or it has a row."""


class OnOutcome(Protocol):
    """Observes the outcome of each event."""

    def __call__(self, target: str, outcome: WriteOutcome) -> None:
        """Observe one event."""


class RunLocks:
    """One lock for each run that is being written in this process: its events come from two topics."""

    def __init__(self) -> None:
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._users: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def of(self, run_id: str) -> AsyncIterator[None]:
        """Hold the lock of a run."""
        self._users[run_id] += 1
        try:
            async with self._locks[run_id]:
                yield
        finally:
            self._users[run_id] -= 1
            if not self._users[run_id]:
                del self._users[run_id], self._locks[run_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class WritebackHandler:
    """Handles the events of `testrun.results` and `testrun.inflight` for one target."""

    target: WritebackTarget
    caller: TargetCaller
    runs: RunReader
    claims: WriteClaims
    on_outcome: OnOutcome
    process_id: str
    ordered_ids: OrderedIds
    locks: RunLocks = field(default_factory=RunLocks)

    async def handle(self, event: Event, attempt: Attempt) -> Outcome:
        """Write the run of the event, if the target's profile chooses it."""
        data = event.data
        if isinstance(data, RequestResult):
            return Done()
        if not isinstance(data, RunUpdate | RunResult):
            return DeadLetter(event_misplaced(event, "the topics of results and updates"))
        is_chosen, is_refusal = self._chooses(data), self._is_refusal(data)
        if not (is_chosen or is_refusal):
            return self._skipped()
        async with self.locks.of(data.run_id):
            refused = await self.ordered_ids.refused(data.run_id) if is_refusal else None
            if refused is not None:
                return await self._write_row(event, refused, attempt)
            return await self._write(event, data, attempt) if is_chosen else self._skipped()

    def _is_refusal(self, data: RunUpdate | RunResult) -> bool:
        """Return whether an update is the last word about a request that became a dead letter before it had a row."""
        is_fallout = isinstance(data, RunUpdate) and data.kind is UpdateKind.FALLOUT and data.revision == 0
        return is_fallout and not self.target.spokes  # none was chosen

    def _chooses(self, data: RunUpdate | RunResult) -> bool:
        if self.target.spokes and data.spoke not in self.target.spokes:
            return False
        return isinstance(data, RunResult) or data.kind in self.target.updates

    async def _write(self, event: Event, data: RunUpdate | RunResult, attempt: Attempt) -> Outcome:
        row = await self.runs.run(data.run_id)
        if row is None:
            return DeadLetter(run_not_stored(data, self.target.name))
        if row.revision < data.revision and attempt.number < MAX_READS_BEHIND and self._is_of_tenant(row):
            return RetryLater(READ_AGAIN_AFTER, run_behind(data, row.revision))
        return await self._write_row(event, row, attempt)

    def _is_of_tenant(self, row: RunRow) -> bool:
        return not self.target.tenants or row.tenant in self.target.tenants

    async def _write_row(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        if not self._is_of_tenant(row):
            return self._skipped()
        client = self.target.ordering_client
        run_writer = RunWriter(
            target=self.target,
            caller=self.caller,
            claims=self.claims,
            row=row,
            writer=f"{self.process_id}:{event.id}",
            event=event,
            attempt=attempt,
            ordered_as=await self.ordered_ids.ordered_as(row.run_id, client) if client is not None else None,
        )
        result = await run_writer.write()
        if isinstance(result, WriteOutcome):
            self.on_outcome(self.target.name, result)
            return Done()
        return result

    def _skipped(self) -> Done:
        self.on_outcome(self.target.name, WriteOutcome.SKIPPED)
        return Done()
