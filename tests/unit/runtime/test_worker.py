"""The worker's guarantees for single records: commits, retries, dead letters and failing handlers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consumers.runtime.backpressure import Watermarks
from consumers.runtime.handler import DeadLetter, Done, Record, RetryLater
from consumers.runtime.worker import Worker
from tests.fakes.consumer import FakeConsumer
from tests.harness.waiting import wait_until
from tests.harness.worker import (
    FIRST_PARTITION,
    POLICY,
    PROBLEM,
    WorkerHarness,
    run_pending_callbacks,
)

if TYPE_CHECKING:
    from consumers.runtime.handler import Attempt, Outcome


async def test_finished_records_are_committed() -> None:
    harness = WorkerHarness()
    for value in (b"1", b"2", b"3"):
        harness.client.append(key=value, value=value)
    async with harness.working():
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 3)


async def test_nothing_past_an_unfinished_record_is_committed() -> None:
    harness = WorkerHarness()
    harness.client.append(key=b"a", value=b"done")
    gate = harness.gate(b"slow")
    harness.client.append(key=b"b", value=b"slow", offset=5)
    harness.client.append(key=b"c", value=b"quick", offset=9)
    async with harness.working():
        await wait_until(lambda: harness.ended == [b"done", b"quick"])
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 5)
        await run_pending_callbacks()
        assert harness.client.committed[FIRST_PARTITION] == 5
        gate.set()
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 10)


async def test_aborted_transactions_at_the_end_of_a_partition_are_committed_behind_the_last_record() -> None:
    harness = WorkerHarness()
    gate = harness.gate(b"slow")
    harness.client.append(value=b"slow")
    async with harness.working():
        await wait_until(lambda: harness.started == [b"slow"])
        harness.client.end(*FIRST_PARTITION, 4)
        await run_pending_callbacks()
        assert harness.client.committed[FIRST_PARTITION] == 0
        gate.set()
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 4)


async def test_a_commit_counts_only_after_the_broker_has_confirmed_it() -> None:
    harness = WorkerHarness()
    harness.client.answers_commits = False
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.client.commits)
        await run_pending_callbacks()
        assert len(harness.client.commits) == 1, "one commit at a time"
        harness.client.complete_commit(harness.client.commits[0], PROBLEM)
        await wait_until(lambda: len(harness.client.commits) == 2)
        assert harness.client.committed == {}
        harness.client.complete_commit(harness.client.commits[1])
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
        assert harness.problems == [PROBLEM]


async def test_a_retry_keeps_its_place_and_other_lanes_go_on() -> None:
    harness = WorkerHarness(plan={b"1": [RetryLater(0.01, PROBLEM), RetryLater(0.01, PROBLEM), Done()]})
    for key, value in ((b"a", b"1"), (b"a", b"2"), (b"b", b"3")):
        harness.client.append(key=key, value=value)
    async with harness.working():
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 3)
    assert harness.started == [b"1", b"3", b"1", b"1", b"2"]
    assert [s.attempt for s in harness.settlements if s.record.value == b"1"] == [1, 2, 3]


async def test_retries_on_every_lane_do_not_block_the_intake() -> None:
    marks = Watermarks(high=4, low=2, enough_startable=4, max_records=30, patience=0.02)
    outcomes: list[Outcome | Exception] = [RetryLater(0.03, PROBLEM), RetryLater(0.03, PROBLEM), Done()]
    values = [b"%d" % n for n in range(120)]
    harness = WorkerHarness(
        policy=replace(POLICY, watermarks=marks, max_in_flight=4), plan=dict.fromkeys(values, outcomes)
    )
    harness.client = FakeConsumer(batch=10)
    harness.__post_init__()
    for value in values:
        harness.client.append(key=value, value=value)
    most = 0
    async with harness.working():
        while harness.client.committed.get(FIRST_PARTITION) != 120:
            most = max(most, harness.worker.figures().buffered)
            await asyncio.sleep(0.001)
    assert most <= 40, "memory is bounded by the marks and one batch"


async def test_parked_records_do_not_count_as_in_flight() -> None:
    plan: dict[bytes, list[Outcome | Exception]] = {b"parked": [RetryLater(60.0, PROBLEM)]}
    harness = WorkerHarness(policy=replace(POLICY, max_in_flight=1), plan=plan)
    harness.client.append(key=b"a", value=b"parked")
    harness.client.append(key=b"b", value=b"next")
    async with harness.working():
        await wait_until(lambda: harness.ended == [b"parked", b"next"])
        status = harness.worker.status()[0]
        assert status.oldest is not None
        assert (status.committable, status.oldest.offset, status.oldest.attempts) == (0, 0, 1)
        assert status.oldest.problem == PROBLEM
        assert 50 < (status.oldest.retry_in or 0) <= 60


async def test_no_more_than_the_policy_allows_run_at_once() -> None:
    harness = WorkerHarness(policy=replace(POLICY, max_in_flight=3))
    for n in range(6):
        harness.gate(b"%d" % n)
        harness.client.append(key=b"%d" % n, value=b"%d" % n)
    async with harness.working():
        await wait_until(lambda: len(harness.started) == 3)
        await run_pending_callbacks()
        assert harness.worker.figures().running == 3
        harness.gates[b"0"].set()
        await wait_until(lambda: len(harness.started) == 4)


async def test_a_dead_letter_is_acknowledged_before_the_next_record_of_its_key_starts() -> None:
    harness = WorkerHarness(plan={b"bad": [DeadLetter(PROBLEM)]})
    harness.publisher.block()
    harness.client.append(value=b"bad")
    harness.client.append(value=b"good")
    async with harness.working():
        await wait_until(lambda: harness.publisher.waiting)
        await run_pending_callbacks()
        assert harness.started == [b"bad"]
        assert harness.client.committed.get(FIRST_PARTITION, 0) == 0
        harness.publisher.unblock()
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 2)
    assert [letter.value for letter in harness.publisher.messages_on("dlq")] == [b"bad"]


async def test_a_refused_dead_letter_blocks_its_lane_and_is_never_dropped() -> None:
    harness = WorkerHarness(plan={b"bad": [DeadLetter(PROBLEM)]})
    harness.publisher.fail_topic("dlq")
    harness.client.append(key=b"a", value=b"bad")
    harness.client.append(key=b"a", value=b"behind")
    harness.client.append(key=b"b", value=b"elsewhere")
    async with harness.working():
        await wait_until(lambda: harness.ended == [b"bad", b"elsewhere"])
        await wait_until(lambda: len([s for s in harness.settlements if s.record.value == b"bad"]) >= 3)
        assert harness.started.count(b"bad") == 1, "the handler is not called again"
        assert harness.client.committed.get(FIRST_PARTITION, 0) == 0
        oldest = harness.worker.status()[0].oldest
        assert oldest is not None
        assert oldest.problem is not None
        assert oldest.problem.code == "DEAD_LETTER_UNDELIVERED"
        harness.publisher.restore_topic("dlq")
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 3)
    (letter,) = harness.publisher.messages_on("dlq")
    assert dict(letter.headers)["southbound-dlq-attempts"] == b"1"


async def test_a_record_whose_handler_raises_is_retried_and_then_a_dead_letter_without_the_exception_text() -> None:
    harness = WorkerHarness(
        policy=replace(POLICY, max_handler_errors=3), plan={b"bug": [ValueError("password=geheim")]}
    )
    harness.client.append(value=b"bug")
    async with harness.working():
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
    (letter,) = harness.publisher.messages_on("dlq")
    headers = dict(letter.headers)
    assert harness.started == [b"bug"] * 3
    assert headers["southbound-dlq-code"] == b"UNEXPECTED"
    assert b"ValueError" in (headers["southbound-dlq-reason"] or b"")
    assert b"geheim" not in b"".join(value or b"" for value in headers.values())


async def test_a_cancellation_inside_a_handler_is_a_failed_attempt_and_not_a_stop() -> None:
    plan: dict[bytes, list[Outcome | Exception]] = {}
    harness = WorkerHarness(plan=plan)
    handle, tries = harness.handle, 0

    async def cancelled_once(record: Record, attempt: Attempt) -> Outcome:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise asyncio.CancelledError
        return await handle(record, attempt)

    harness.handle = cancelled_once  # type: ignore[method-assign]
    harness.__post_init__()
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)


async def test_a_handler_that_returns_nothing_is_a_bug_and_does_not_stop_the_worker() -> None:
    harness = WorkerHarness(policy=replace(POLICY, max_handler_errors=1), plan={b"v": [None]})  # type: ignore[list-item]
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
    assert b"TypeError" in (dict(harness.publisher.messages_on("dlq")[0].headers)["southbound-dlq-reason"] or b"")


async def test_after_a_stall_sending_is_allowed_only_after_the_broker_accepts_a_commit() -> None:
    harness = WorkerHarness(policy=replace(POLICY, session_timeout=10.0))
    harness.client.append()
    async with harness.working():
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
        assert harness.worker.may_send()
        commits = len(harness.client.commits)
        harness.client.proven = time.monotonic() - 11.0
        assert not harness.worker.may_send()
        await wait_until(lambda: len(harness.client.commits) > commits)
        harness.client.proven = None
        assert harness.worker.may_send()


async def test_a_topics_records_without_keys_all_run_at_once() -> None:
    harness = WorkerHarness()
    for n in range(5):
        harness.gate(b"%d" % n)
        harness.client.append(key=None, value=b"%d" % n)
    async with harness.working():
        await wait_until(lambda: len(harness.started) == 5)


async def test_a_worker_that_gives_way_starts_few_while_the_other_is_full() -> None:
    full = WorkerHarness(policy=replace(POLICY, max_in_flight=1))
    gate = full.gate(b"long")
    for key in (b"a", b"b"):
        full.client.append(key=key, value=b"long")
    harness = WorkerHarness(policy=replace(POLICY, max_in_flight_yielding=2))
    gates = [harness.gate(b"%d" % number) for number in range(5)]
    for number in range(5):
        harness.client.append(key=b"%d" % number, value=b"%d" % number)
    harness.worker.yield_to([full.worker])
    async with full.working():
        await wait_until(full.worker.is_full)
        async with harness.working():
            await wait_until(lambda: len(harness.started) == 2)
            await run_pending_callbacks()
            assert len(harness.started) == 2
            gates[0].set()
            await wait_until(lambda: len(harness.started) == 3)
            gate.set()
            await wait_until(lambda: len(harness.started) == 5)
            for other_gate in gates:
                other_gate.set()
            await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 5)


async def test_attempts_of_earlier_owners_that_the_handler_knows_of_are_counted_on() -> None:
    harness = WorkerHarness()
    seen: list[Attempt] = []
    began = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    async def handle(record: Record, attempt: Attempt) -> Outcome:
        seen.append(attempt)
        if len(seen) == 1:
            return RetryLater(0.0, PROBLEM, counted=attempt._replace(number=8, elapsed=3_600.0))
        return DeadLetter(PROBLEM, counted=attempt._replace(first_at=began))

    harness.worker = Worker(
        consumer=harness.client, handler=handle, publisher=harness.publisher, config=POLICY, observer=harness
    )
    harness.client.append(key=b"a", value=b"1")
    harness.client.append(key=b"a", value=b"2")
    async with harness.working():
        await wait_until(lambda: len(harness.publisher.published) == 2)
    headers, after = [dict(message.headers) for message in harness.publisher.published]
    assert [attempt.number for attempt in seen] == [1, 9, 1]
    assert 3_600 <= seen[1].elapsed < 3_660
    assert headers["southbound-dlq-attempts"] == b"9"
    assert headers["southbound-dlq-first-time"] == b"2026-11-23T12:00:00.000+00:00"
    assert after["southbound-dlq-attempts"] == b"1"
    assert [ended.attempt for ended in harness.settlements] == [8, 9, 1]
