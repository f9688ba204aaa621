"""The worker's guarantees when partitions are revoked, lost or assigned again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from consumers.runtime.consumer_port import Lost, RecordsReceived
from consumers.runtime.handler import Record, RetryLater
from tests.fakes.consumer import FakeConsumer
from tests.harness.waiting import wait_until
from tests.harness.worker import (
    FIRST_PARTITION,
    POLICY,
    PROBLEM,
    SECOND_PARTITION,
    WorkerHarness,
    run_pending_callbacks,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.handler import Attempt, Outcome


async def test_a_revocation_waits_for_running_records_commits_them_and_then_releases() -> None:
    harness = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0))
    gate = harness.gate(b"running")
    harness.client.append(key=b"a", value=b"running")
    harness.client.append(key=b"a", value=b"behind")
    async with harness.working():
        await wait_until(lambda: harness.started == [b"running"])
        harness.client.revoke(FIRST_PARTITION)
        await run_pending_callbacks()
        assert harness.client.released == 0
        gate.set()
        await wait_until(lambda: harness.client.released == 1)
        await run_pending_callbacks()
        assert harness.client.committed[FIRST_PARTITION] == 1
        assert harness.started == [b"running"], "what waited belongs to the next owner"
        assert harness.worker.figures().partitions == 0


async def test_other_partitions_keep_working_while_one_is_revoked() -> None:
    harness = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0))
    harness.gate(b"stuck")
    second = harness.gate(b"second")
    harness.client.append(*FIRST_PARTITION, key=b"a", value=b"stuck")
    harness.client.append(*SECOND_PARTITION, key=b"b", value=b"second")
    harness.client.append(*SECOND_PARTITION, key=b"b", value=b"third")
    async with harness.working():
        harness.client.assign(SECOND_PARTITION)
        await wait_until(lambda: set(harness.started) == {b"stuck", b"second"})
        harness.client.revoke(FIRST_PARTITION)
        second.set()
        await wait_until(lambda: harness.ended == [b"second", b"third"])
        assert harness.client.released == 0


async def test_a_record_that_exceeds_the_drain_budget_is_cancelled_and_its_late_completion_ignored() -> None:
    harness = WorkerHarness(uncancellable={b"late"})
    gate = harness.gate(b"late")
    harness.client.append(value=b"late")
    async with harness.working():
        await wait_until(lambda: harness.started == [b"late"])
        harness.client.revoke(FIRST_PARTITION)
        await wait_until(lambda: harness.client.released == 1)
        assert harness.client.committed.get(FIRST_PARTITION, 0) == 0
        gate.set()
        await wait_until(lambda: harness.ended == [b"late"])
        await run_pending_callbacks()
        assert harness.client.committed.get(FIRST_PARTITION, 0) == 0
        assert harness.worker.figures().running == 0


@pytest.mark.parametrize("take_away", [FakeConsumer.revoke, FakeConsumer.lose])
async def test_no_call_is_made_for_a_record_whose_partition_was_revoked_or_lost(
    take_away: Callable[[FakeConsumer, tuple[str, int]], None],
) -> None:
    harness = WorkerHarness()
    gate = harness.gate(b"about to call")
    stays = harness.gate(b"stays")
    harness.client.append(*FIRST_PARTITION, key=b"a", value=b"about to call")
    harness.client.append(*SECOND_PARTITION, key=b"b", value=b"stays")
    async with harness.working():
        harness.client.assign(SECOND_PARTITION)
        await wait_until(lambda: len(harness.started) == 2)
        take_away(harness.client, FIRST_PARTITION)
        await wait_until(lambda: harness.worker.figures().running == 1)
        assert harness.worker.may_send(), "the worker is a member, but the partition is another's"
        gate.set()
        stays.set()
        await wait_until(lambda: harness.client.committed.get(SECOND_PARTITION) == 1)
        await run_pending_callbacks()
    assert harness.ended == [b"stays"]
    assert harness.problems == []


async def test_a_redelivered_record_starts_only_after_its_cancelled_handler_has_ended() -> None:
    harness = WorkerHarness()
    gate, unwinding, unwound = harness.gate(b"v"), asyncio.Event(), asyncio.Event()
    handle = harness.handle

    async def slow_to_unwind(record: Record, attempt: Attempt) -> Outcome:
        try:
            return await handle(record, attempt)
        except asyncio.CancelledError:
            unwinding.set()
            await unwound.wait()
            raise

    harness.handle = slow_to_unwind  # type: ignore[method-assign]
    harness.__post_init__()
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.started == [b"v"])
        harness.client.lose(FIRST_PARTITION)
        harness.client.assign(FIRST_PARTITION)
        await wait_until(unwinding.is_set)
        gate.set()
        await run_pending_callbacks()
        assert harness.started == [b"v"]
        unwound.set()
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
    assert harness.started == [b"v", b"v"]


async def test_a_record_revoked_before_its_handler_began_leaves_its_lane() -> None:
    harness = WorkerHarness()
    async with harness.working():
        await wait_until(harness.worker.status)
        partition = harness.worker.status()[0].partition
        harness.worker._handle_event(RecordsReceived([Record(partition, 0, b"k", b"never", (), 0)]))
        assert harness.worker.figures().running == 1
        harness.worker._handle_event(Lost((partition,)))
        await wait_until(lambda: harness.worker.figures().running == 0)
        harness.client.append(value=b"next")
        harness.client.lose(FIRST_PARTITION)
        harness.client.assign(FIRST_PARTITION)
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
    assert harness.started == [b"next"]


async def test_a_retry_during_a_revocation_leaves_the_record_to_the_next_owner() -> None:
    harness = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0), plan={b"v": [RetryLater(60.0, PROBLEM)]})
    gate = harness.gate(b"v")
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.started == [b"v"])
        harness.client.revoke(FIRST_PARTITION)
        gate.set()
        await wait_until(lambda: harness.client.released == 1)
        figures = harness.worker.figures()
        assert (harness.client.committed.get(FIRST_PARTITION, 0), figures.parked, figures.running) == (0, 0, 0)


async def test_parked_records_do_not_hold_up_a_revocation() -> None:
    harness = WorkerHarness(policy=replace(POLICY, revoke_timeout=5.0), plan={b"v": [RetryLater(60.0, PROBLEM)]})
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.worker.figures().parked == 1)
        harness.client.revoke(FIRST_PARTITION)
        await wait_until(lambda: harness.client.released == 1)
        assert harness.worker.figures().parked == 0


async def test_of_the_same_offset_in_two_assignments_only_the_second_counts() -> None:
    harness = WorkerHarness(uncancellable={b"v"})
    gate = harness.gate(b"v")
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.started == [b"v"])
        harness.client.lose(FIRST_PARTITION)
        harness.client.assign(FIRST_PARTITION)
        await wait_until(lambda: harness.worker.figures().buffered == 1)
        await run_pending_callbacks()
        assert harness.started == [b"v"], "one record of a key at a time, whatever life it has"
        gate.set()
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
    assert harness.ended == [b"v", b"v"]


async def test_a_lost_partition_is_not_committed() -> None:
    harness = WorkerHarness(policy=replace(POLICY, commit_every=60.0))
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.ended == [b"v"])
        harness.client.lose(FIRST_PARTITION)
        await wait_until(lambda: harness.worker.figures().partitions == 0)
        harness.worker.stop()
        await wait_until(lambda: harness.client.closed)
    assert harness.client.commits == []
    assert harness.client.committed == {}


async def test_the_retry_timer_of_a_revoked_record_has_no_effect() -> None:
    harness = WorkerHarness(
        plan={b"v": [RetryLater(0.3, PROBLEM)]}
    )  # on a busy machine, the revocation must come first
    harness.client.append()
    async with harness.working() as running:
        await wait_until(lambda: harness.worker.figures().parked == 1)
        harness.client.revoke(FIRST_PARTITION)
        await wait_until(lambda: harness.client.released == 1)
        await asyncio.sleep(0.4)
        assert not running.done()
        assert harness.started == [b"v"]
        assert harness.problems == []
