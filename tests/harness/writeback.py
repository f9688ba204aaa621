"""One target with its handler, over an in-memory run store; delays between attempts pass on a clock of the test."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from consumers.northbound.writeback.handler import WritebackHandler
from consumers.northbound.writeback.target import WritebackTarget
from consumers.northbound.writeback.target_caller import TargetCaller
from consumers.runtime.handler import Attempt, RetryLater
from consumers.spokes.aiohttp_transport import AiohttpTransport
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.limits.circuit_breaker import Breakers
from router.runs.notifications.build import build_result, build_update
from router.runs.run import replace
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from tests.builders.runs import NOON, a_run
from tests.fakes.run_store import InMemoryRunStore

if TYPE_CHECKING:
    from datetime import datetime

    from consumers.northbound.writeback.write_run import WriteOutcome
    from consumers.runtime.handler import Outcome
    from consumers.spokes.transport import Transport
    from router.runs.run import RunRow
    from schemas.results import RunResult, RunUpdate
    from schemas.vocabulary import UpdateKind

MAX_ATTEMPTS = 100  # of one delivery; more is a loop


@dataclass(slots=True)
class WritebackHarness:
    """Handles events for one target. Use it as an asynchronous context."""

    base_url: str
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    transport: Transport | None = None  # None: connections to the address
    store: InMemoryRunStore = field(default_factory=InMemoryRunStore)
    now: datetime = NOON
    outcomes: list[WriteOutcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    own_ids: dict[tuple[str, str], str] = field(default_factory=dict)  # of clients, by run and client
    refusals: dict[str, RunRow] = field(default_factory=dict)  # refused orders
    target: WritebackTarget = field(init=False)
    handler: WritebackHandler = field(init=False)
    _client: SpokeClient = field(init=False)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def __aenter__(self) -> Self:
        """Open the connections."""
        self.target = WritebackTarget(name="desk", base_url=self.base_url, **self.settings)
        transport = self.transport
        transport_for = AiohttpTransport if transport is None else lambda _: transport
        self._client = SpokeClient([self.target], self.environment, transport_for)
        self.restart()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._client.close()

    def restart(self) -> None:
        """Forget everything but the store, as a new process."""
        caller = TargetCaller(
            targets={"desk": self.target},
            client=self._client,
            now=lambda: self.now,
            random=lambda: 0.5,
            may_send=lambda: True,
            breakers=Breakers({}, lambda: self.now, lambda: 0.5),
        )
        self.handler = WritebackHandler(
            target=self.target,
            caller=caller,
            runs=self.store,
            claims=self.store.write_claims,
            on_outcome=lambda _, outcome: self.outcomes.append(outcome),
            process_id=f"process {next(self._numbers)}",
            ordered_ids=self,
        )

    async def ordered_as(self, run_id: str, client_name: str) -> str | None:
        """Return the client's own id of a run, as the store of orders does."""
        return self.own_ids.get((run_id, client_name))

    async def refused(self, run_id: str) -> RunRow | None:
        """Return a refused order without a row, as the store of orders does."""
        return None if run_id in self.store.runs else self.refusals.get(run_id)

    async def stored(self, row: RunRow | None = None, **changes: Any) -> RunRow:  # noqa: ANN401 - fields of the row
        """Store the next revision of a run, and return it."""
        known = self.store.runs.get(row.run_id if row else "TR1")
        base = row or known or a_run("TR1")
        new = replace(base, **changes, revision=known.revision + 1 if known else 1)
        await self.store.save(new)
        return new

    async def deliver(self, event: Event) -> Outcome:
        """Handle an event until it is finished; the clock moves on by each delay."""
        began = self.now
        for number in range(1, MAX_ATTEMPTS):
            outcome = await self.attempt(event, number, (self.now - began).total_seconds())
            if not isinstance(outcome, RetryLater):
                return outcome
            self.problems.append(outcome.problem.code)
            self.now += timedelta(seconds=outcome.delay)
        raise AssertionError(f"the event is never finished: {self.problems[-3:]}")

    async def attempt(self, event: Event, number: int = 1, elapsed: float = 0.0) -> Outcome:
        """Make one attempt."""
        return await self.handler.handle(event, Attempt(number, elapsed))


def result_of(row: RunRow, **headers: str) -> Event:
    """Return the event about the end of a run."""
    return _event(build_result(row), headers)


def update_of(row: RunRow, kind: UpdateKind) -> Event:
    """Return the event about an update of a run."""
    return _event(build_update(row, kind), {})


def _event(data: RunResult | RunUpdate, headers: dict[str, str]) -> Event:
    identity = f"{type(data).__name__}:{data.run_id}:{data.revision}"
    return Event(headers=EventHeaders(id=identity, time=NOON, **headers), data=data)
