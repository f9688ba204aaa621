"""Runs that wait for a system that is out do not write the run store at each attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.runtime.handler import Done, RetryLater
from consumers.spokes.limits.circuit_breaker import BreakerPolicy
from consumers.spokes.port import admit_all, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase, UpdateKind
from tests.builders.runs import a_document
from tests.fakes.external_system import LOCKED, NO_RESPONSE, REFUSED_CONNECTION, FakeSystem
from tests.fakes.run_store import InMemoryRunStore
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from consumers.runtime.handler import Outcome
    from consumers.spokes.port import Admit, BeforeCall, Call
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse

DISPATCH = "testrun.dispatch.fibre-lab"
PARKED = 50
FAILURES = BreakerPolicy().failures
ROUNDS = 20
BUSY = HttpResponse(status=503)


class RowCountingStore(InMemoryRunStore):
    """A run store that counts the rows that are written."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_written = 0

    async def save(self, *rows: RunRow | RequestRow | ThresholdUse) -> None:
        self.rows_written += len(rows)
        await super().save(*rows)


@dataclass(slots=True)
class ParkedRuns:
    """Routed runs whose commands wait for one system; each round is one attempt at each of them."""

    count: int = PARKED
    store: RowCountingStore = field(default_factory=RowCountingStore)
    gateway: InMemoryGateway = field(init=False)
    attempts: int = 0
    outage_notice_after: float = 86_400.0  # longer than an outage here: what is told is written, once per run

    def __post_init__(self) -> None:
        self.gateway = InMemoryGateway(store=self.store, profile={"outage_notice_after": self.outage_notice_after})

    async def route(self) -> None:
        """Route the runs, and leave their commands unprocessed."""
        for number in range(self.count):
            run = a_document(f"TR{number:04}")
            self.gateway.produce(self.gateway.names.lifecycle, RunRequested(run=run), f"request {number}")
        for _ in range(self.count):
            await self.gateway.process_next(self.gateway.names.lifecycle)
        self.store.rows_written = 0

    async def play(
        self, rounds: int, reaction: HttpResponse | NoResponse | None, seconds: float = 60.0
    ) -> list[Outcome]:
        """Make one attempt at every command in each round; return the outcomes of the last one."""
        outcomes: list[Outcome] = []
        for _ in range(rounds):
            self.attempts += 1
            self.gateway.clock.at += timedelta(seconds=seconds)
            outcomes = []
            for record in self.gateway.waiting(DISPATCH):
                planned = len(self.gateway.system.calls_made(Purpose.SEND))
                self.gateway.system.plan(Purpose.SEND, reaction)
                outcomes.append(await self.gateway.attempt(record, self.attempts))
                if len(self.gateway.system.calls_made(Purpose.SEND)) == planned:
                    self.gateway.system.forget_plans()
        return outcomes


async def test_runs_that_wait_for_a_system_without_connection_are_written_once_for_the_whole_outage() -> None:
    runs = ParkedRuns()
    await runs.route()
    await runs.play(ROUNDS, REFUSED_CONNECTION)
    assert runs.store.rows_written == PARKED  # it was 2 * PARKED * ROUNDS
    assert {row.phase for row in runs.store.runs.values()} == {Phase.RETRYING}
    assert all(row.sent_at is None for row in runs.store.runs.values())


async def test_telling_of_an_outage_writes_each_run_once_more() -> None:
    runs = ParkedRuns(outage_notice_after=300.0)
    await runs.route()
    await runs.play(ROUNDS, REFUSED_CONNECTION)
    await runs.gateway.untried_run_notices.notify_due()
    written = runs.store.rows_written
    assert written == 2 * PARKED
    assert await runs.gateway.untried_run_notices.notify_due() == 0
    assert runs.store.rows_written == written
    kinds = {tuple(runs.gateway.updates(run_id)) for run_id in runs.store.runs}
    assert kinds == {(UpdateKind.PROGRESS,)}


async def test_runs_that_wait_for_a_busy_system_are_not_written_at_each_attempt() -> None:
    runs = ParkedRuns()
    await runs.route()
    await runs.play(1, BUSY)
    runs.store.rows_written = 0
    await runs.play(ROUNDS, BUSY)
    # One POST in each round asks whether the system is back, and is stored before and after it.
    assert runs.store.rows_written <= 2 * 2 * ROUNDS  # it was 2 * PARKED * ROUNDS
    assert {row.phase for row in runs.store.runs.values()} == {Phase.RETRYING}


async def test_all_runs_are_sent_once_the_system_is_back() -> None:
    runs = ParkedRuns()
    await runs.route()
    await runs.play(ROUNDS, BUSY)
    assert all(isinstance(outcome, Done) for outcome in await runs.play(1, None))
    assert len(runs.gateway.system.tests) == PARKED
    assert not runs.gateway.dead_lettered


async def test_attempts_that_wait_for_the_probe_of_another_run_are_not_counted() -> None:
    runs = ParkedRuns(count=FAILURES + 1)
    await runs.route()
    outcomes = await runs.play(30, BUSY)  # the profile of the gateway allows four attempts
    assert all(isinstance(outcome, RetryLater) for outcome in outcomes)


async def test_a_run_that_alone_is_turned_away_limits_nobody() -> None:
    runs = ParkedRuns(count=1)
    await runs.route()
    await runs.play(FAILURES - 1, LOCKED, seconds=1.0)
    await runs.gateway.process_request(a_document("TR1000"))
    assert runs.gateway.row("TR1000").phase is Phase.ACCEPTED


async def test_a_system_that_limits_its_rate_is_not_limited_further() -> None:
    runs = ParkedRuns(count=FAILURES)
    await runs.route()
    await runs.play(1, HttpResponse(status=429), seconds=0.0)
    assert len(runs.gateway.system.calls_made(Purpose.SEND)) == FAILURES
    await runs.play(1, None, seconds=0.0)
    assert len(runs.gateway.system.tests) == FAILURES


async def test_a_kill_during_a_post_after_an_outage_leads_to_a_look_up() -> None:
    runs = ParkedRuns(count=1)
    await runs.route()
    await runs.play(3, REFUSED_CONNECTION)
    system = runs.gateway.system
    await runs.play(1, NO_RESPONSE)
    (record,) = runs.gateway.waiting(DISPATCH)
    await runs.gateway.attempt(record, 1)  # by the next process
    assert system.calls[-1][1].purpose is Purpose.LOOK_UP
    assert len(system.calls_made(Purpose.SEND)) == 4


async def test_the_mark_is_stored_before_the_post_is_written_whatever_the_attempts_before() -> None:
    class WatchingSystem(FakeSystem):
        """Notes in which phase the run is stored when its POST arrives."""

        stored: list[Phase]

        async def call(
            self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
        ) -> HttpResponse | NoResponse:
            answer = await FakeSystem.call(self, spoke, call, before, admit)
            self.stored.append(runs.store.runs["TR0000"].phase)
            return answer

    runs = ParkedRuns(count=1)
    system = runs.gateway.system = WatchingSystem()
    system.stored = []
    await runs.route()
    await runs.play(1, REFUSED_CONNECTION)
    await runs.play(1, BUSY)
    await runs.play(1, REFUSED_CONNECTION)
    await runs.play(1, None)
    assert system.stored == [Phase.ROUTED, Phase.SENDING, Phase.RETRYING, Phase.SENDING]
