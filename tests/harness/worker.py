"""A worker between a fake Kafka client and a recording publisher."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.runtime.backoff import Backoff
from consumers.runtime.config import WorkerConfig
from consumers.runtime.handler import Done, Record
from consumers.runtime.worker import Worker
from schemas.problem import Problem
from tests.fakes.consumer import FakeConsumer
from tests.fakes.recording_publisher import RecordingPublisher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from consumers.runtime.handler import Attempt, Outcome
    from consumers.runtime.monitoring import AttemptEnded

FIRST_PARTITION = ("lifecycle", 0)
SECOND_PARTITION = ("lifecycle", 1)
PROBLEM = Problem(code="X", sentence="It did not work.")
POLICY = WorkerConfig(
    role="routing",
    group="g",
    dead_letter_topic="dlq",
    commit_every=0.005,
    revoke_timeout=0.05,
    drain_timeout=0.5,
    close_timeout=0.5,
    backoff=Backoff(initial_interval=0.005, max_interval=0.01),
)


@dataclass
class WorkerHarness:
    """A worker between a fake client and a fake publisher. `plan` holds the outcomes for each record value."""

    policy: WorkerConfig = POLICY
    plan: dict[bytes, list[Outcome | Exception]] = field(default_factory=dict)
    gates: dict[bytes, asyncio.Event] = field(default_factory=dict)
    uncancellable: set[bytes] = field(default_factory=set)  # values whose handler suppresses cancellation
    started: list[bytes] = field(default_factory=list)
    ended: list[bytes] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    settlements: list[AttemptEnded] = field(default_factory=list)
    client: FakeConsumer = field(default_factory=FakeConsumer)
    publisher: RecordingPublisher = field(default_factory=RecordingPublisher)

    def __post_init__(self) -> None:
        self.worker = Worker(
            consumer=self.client, handler=self.handle, publisher=self.publisher, config=self.policy, observer=self
        )

    async def handle(self, record: Record, attempt: Attempt) -> Outcome:
        value = record.value or b""
        self.started.append(value)
        while value in self.gates and not self.gates[value].is_set():
            with suppress(*([asyncio.CancelledError] if value in self.uncancellable else [])):
                await self.gates[value].wait()
        steps = self.plan.get(value, [])
        step = steps[min(attempt.number, len(steps)) - 1] if steps else Done()
        if isinstance(step, Exception):
            raise step
        self.ended.append(value)
        return step

    def gate(self, value: bytes) -> asyncio.Event:
        """Make the handler wait on a record until the returned event is set."""
        self.gates[value] = asyncio.Event()
        return self.gates[value]

    @asynccontextmanager
    async def working(self) -> AsyncIterator[asyncio.Task[bool]]:
        """Run the worker with partition 0 assigned; cancel it at the end if it still runs."""
        running = asyncio.create_task(self.worker.run())
        await asyncio.sleep(0)
        self.client.assign(FIRST_PARTITION)
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    # The observer port

    def received(self, topic: str, records: int) -> None: ...

    def committed(self, partitions: int, seconds: float) -> None: ...

    def attempt_ended(self, settled: AttemptEnded) -> None:
        self.settlements.append(settled)

    def problem_reported(self, problem: Problem) -> None:
        self.problems.append(problem)


async def run_pending_callbacks() -> None:
    """Let all callbacks that could run now run, before a claim that something does not happen."""
    for _ in range(30):
        await asyncio.sleep(0.001)
