"""A worker says why no work can be expected of it."""

from __future__ import annotations

import time
from dataclasses import replace

from consumers.runtime.backpressure import Watermarks
from consumers.runtime.handler import RetryLater
from tests.harness.waiting import wait_until
from tests.harness.worker import POLICY, PROBLEM, WorkerHarness


async def test_a_working_worker_is_ready() -> None:
    harness = WorkerHarness()
    async with harness.working():
        assert harness.worker.unready_reason() is None


async def test_a_worker_that_no_broker_answers_for_ten_seconds_is_not_ready_although_its_session_goes_on() -> None:
    harness = WorkerHarness()
    async with harness.working():
        harness.client.answered = time.monotonic() - 9.0
        assert harness.worker.unready_reason() is None
        harness.client.answered = time.monotonic() - 11.0
        assert harness.worker.may_send()
        assert (harness.worker.unready_reason() or "").startswith("no broker has answered routing (group g) for 11 s")


async def test_a_worker_that_may_not_send_is_not_ready() -> None:
    harness = WorkerHarness()
    async with harness.working():
        harness.client.proven = time.monotonic() - 25.0
        assert "had no contact with Kafka for a session timeout" in (harness.worker.unready_reason() or "")


async def test_a_worker_whose_intake_is_stopped_for_ten_seconds_is_not_ready() -> None:
    clock = [1_000.0]
    watermarks = Watermarks(max_records=2)
    harness = WorkerHarness(policy=replace(POLICY, watermarks=watermarks))
    harness.worker._clock = lambda: clock[0]
    harness.client.proven = harness.client.answered = 1_000.0
    harness.plan[b"v"] = [RetryLater(60.0, PROBLEM)]
    for number in range(2):
        harness.client.append(key=b"%d" % number)
    async with harness.working():
        await wait_until(lambda: harness.worker.figures().paused == 1)
        assert harness.worker.unready_reason() is None
        clock[0] += 10.5
        harness.client.proven = harness.client.answered = clock[0]
        assert "routing (group g) read no records for 10 s" in (harness.worker.unready_reason() or "")


async def test_a_worker_that_stops_is_not_ready() -> None:
    harness = WorkerHarness()
    gate = harness.gate(b"v")
    harness.client.append()
    async with harness.working() as running:
        await wait_until(lambda: harness.started == [b"v"])
        harness.worker.stop()
        await wait_until(lambda: harness.worker.unready_reason() == "routing is stopping")
        gate.set()
        await running
