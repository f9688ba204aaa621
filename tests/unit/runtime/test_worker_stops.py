"""The worker's guarantees when it stops, is cancelled or loses its client."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from consumers.runtime.handler import RetryLater
from consumers.runtime.worker import WorkerFailedError
from schemas.problem import Problem
from tests.harness.waiting import wait_until
from tests.harness.worker import (
    FIRST_PARTITION,
    POLICY,
    PROBLEM,
    WorkerHarness,
    run_pending_callbacks,
)


async def test_a_stop_waits_for_running_but_not_for_parked_records() -> None:
    harness = WorkerHarness(policy=replace(POLICY, commit_every=60.0), plan={b"parked": [RetryLater(60.0, PROBLEM)]})
    gate = harness.gate(b"running")
    harness.client.append(key=b"a", value=b"done")
    harness.client.append(key=b"b", value=b"running")
    harness.client.append(key=b"c", value=b"parked")
    async with harness.working() as running:
        await wait_until(lambda: harness.worker.figures().parked == 1)
        harness.worker.stop()
        await wait_until(lambda: harness.client.paused)
        harness.client.append(key=b"d", value=b"too late")
        await run_pending_callbacks()
        assert not harness.client.closed
        gate.set()
        assert await running is True
        assert harness.client.closed
    assert harness.client.committed[FIRST_PARTITION] == 2
    assert b"too late" not in harness.started


async def test_a_stop_that_runs_out_of_time_is_not_clean_and_commits_what_is_safe() -> None:
    harness = WorkerHarness(policy=replace(POLICY, drain_timeout=0.02))
    harness.gate(b"endless")
    harness.client.append(key=b"a", value=b"done")
    harness.client.append(key=b"b", value=b"endless")
    async with harness.working() as running:
        await wait_until(lambda: harness.ended == [b"done"])
        harness.worker.stop()
        assert await running is False
    assert harness.client.committed[FIRST_PARTITION] == 1
    assert harness.client.closed


async def test_a_stop_without_an_answer_to_its_last_commit_is_not_clean() -> None:
    harness = WorkerHarness(policy=replace(POLICY, close_timeout=0.02))
    harness.client.answers_commits = False
    harness.client.append()
    async with harness.working() as running:
        await wait_until(lambda: harness.ended == [b"v"])
        harness.worker.stop()
        assert await running is False
        assert harness.client.closed


async def test_cancelling_the_worker_leaves_the_group_at_once() -> None:
    harness = WorkerHarness()
    harness.gate(b"endless")
    harness.client.append(value=b"endless")
    async with harness.working() as running:
        await wait_until(lambda: harness.started)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert harness.client.closed


async def test_a_client_that_fails_ends_the_worker_with_its_error() -> None:
    harness = WorkerHarness()
    async with harness.working() as running:
        harness.client.fail(Problem(code="KAFKA_MEMBER_FENCED", sentence="Another process uses the same id."))
        with pytest.raises(WorkerFailedError, match="Another process uses the same id"):
            await running


async def test_a_stop_starts_no_waiting_record() -> None:
    harness = WorkerHarness(policy=replace(POLICY, max_in_flight=1))
    gate = harness.gate(b"running")
    harness.client.append(key=b"a", value=b"running")
    harness.client.append(key=b"a", value=b"behind")
    harness.client.append(key=b"b", value=b"waiting")
    async with harness.working() as running:
        await wait_until(lambda: harness.started)
        harness.worker.stop()
        await run_pending_callbacks()
        gate.set()
        assert await running is True
    assert harness.started == [b"running"]
    assert harness.client.committed[FIRST_PARTITION] == 1
