"""A handler learns how many records wait for its record, and whether their partition has room for more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from consumers.runtime.backpressure import Watermarks
from consumers.runtime.handler import Done, RetryLater
from tests.harness.waiting import wait_until
from tests.harness.worker import POLICY, PROBLEM, WorkerHarness

if TYPE_CHECKING:
    from consumers.runtime.handler import Attempt, Outcome, Record


@dataclass
class GivingWay(WorkerHarness):
    """Retries every record until it is told that its partition has no room."""

    attempts: list[Attempt] = field(default_factory=list)

    async def handle(self, record: Record, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port
        self.attempts.append(attempt)
        return Done() if attempt.crowded else RetryLater(0.01, PROBLEM)


async def test_records_that_give_way_when_their_partition_is_full_let_it_be_read_again() -> None:
    harness = GivingWay(policy=replace(POLICY, watermarks=Watermarks(max_records=8)))
    for number in range(20):
        harness.client.append(key=b"%d" % number)
    async with harness.working():
        await wait_until(lambda: sum(attempt.crowded for attempt in harness.attempts) >= 14)
        await wait_until(lambda: not harness.worker.figures().paused)


async def test_an_attempt_says_how_many_records_of_its_key_wait() -> None:
    harness = GivingWay()
    for _ in range(5):
        harness.client.append(key=b"k")
    async with harness.working():
        await wait_until(lambda: bool(harness.attempts))
        await wait_until(lambda: harness.attempts[-1].behind == 4)
        assert not harness.attempts[-1].crowded
