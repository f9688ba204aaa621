"""No source stops the records of the others: neither by rubbish nor by handlers that hang."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.runtime.backpressure import Watermarks
from consumers.runtime.dead_letter_limit import DeadLetterLimitConfig
from consumers.runtime.handler import DeadLetter
from tests.harness.waiting import wait_until
from tests.harness.worker import FIRST_PARTITION, POLICY, PROBLEM, WorkerHarness, run_pending_callbacks

if TYPE_CHECKING:
    from consumers.runtime.config import WorkerConfig
    from consumers.runtime.handler import Record

JUNK, GOOD = b"junk", b"good"


def source_of(record: Record) -> str:
    return (record.value or b"").decode().partition(":")[0]


def by_source(limit: DeadLetterLimitConfig | None = None) -> WorkerConfig:
    limit = limit or DeadLetterLimitConfig(limit=100, cool_down=3_600.0)
    return replace(POLICY, source_of=source_of, dead_letter_limit=limit)


def a_flood(policy: WorkerConfig, count: int, *, is_consequence: bool = False) -> WorkerHarness:
    letter = DeadLetter(PROBLEM, is_consequence=is_consequence)
    harness = WorkerHarness(policy=policy, plan={b"junk:%d" % n: [letter] for n in range(count)})
    for n in range(count):
        harness.client.append(key=b"j%d" % n, value=b"junk:%d" % n)
    return harness


async def test_flood_of_5000_rubbish_records_does_not_delay_the_records_of_another_source() -> None:
    harness = a_flood(by_source(), 5_000)
    for n in range(20):
        harness.client.append(key=b"g%d" % n, value=b"good:%d" % n)
    async with harness.working():
        await wait_until(lambda: all(b"good:%d" % n in harness.ended for n in range(20)))
        assert harness.worker.figures().held > 4_000
        assert harness.worker.figures().paused == 0
    assert len(harness.publisher.published) < 500


async def test_flood_of_5000_rubbish_records_ends_although_its_source_is_stopped_in_between() -> None:
    harness = a_flood(by_source(DeadLetterLimitConfig(limit=100, cool_down=0.05)), 5_000)
    harness.client.append(key=b"g", value=b"junk:good")
    async with harness.working():
        await wait_until(lambda: b"junk:good" in harness.ended)
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 5_001)
    assert [problem.code for problem in harness.problems] == ["DEAD_LETTER_LIMIT_REACHED"]


async def test_a_source_that_is_limited_leaves_most_places_to_others() -> None:
    limit = DeadLetterLimitConfig(limit=1, cool_down=0.01, running_after=2)
    harness = a_flood(by_source(limit), 1)
    async with harness.working():
        await wait_until(lambda: harness.worker.warnings() != {})
        gates = [harness.gate(b"junk:later%d" % n) for n in range(5)]
        for n in range(5):
            harness.client.append(key=b"l%d" % n, value=b"junk:later%d" % n)
        await wait_until(lambda: harness.worker.figures().running == 2)
        await run_pending_callbacks()
        assert harness.worker.figures().running == 2
        for gate in gates:
            gate.set()
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 6)
    assert not harness.worker.warnings()


async def test_consequences_of_one_dead_letter_are_not_counted() -> None:
    harness = a_flood(by_source(), 500, is_consequence=True)
    async with harness.working():
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 500)
    assert harness.problems == []
    assert not harness.worker.warnings()


async def test_a_held_record_was_not_attempted() -> None:
    limit = DeadLetterLimitConfig(limit=1, cool_down=0.05)
    harness = a_flood(by_source(limit), 1)
    async with harness.working():
        await wait_until(lambda: harness.worker.warnings() != {})
        harness.client.append(key=b"l", value=b"junk:later")
        await wait_until(lambda: b"junk:later" in harness.ended)
        await wait_until(lambda: len(harness.settlements) == 2)
    assert harness.settlements[-1].attempt == 1


async def test_records_of_a_stopped_source_that_fill_the_memory_are_let_through() -> None:
    policy = replace(by_source(), watermarks=Watermarks(max_records=200, high=100, low=50))
    harness = a_flood(policy, 1_000)
    harness.client.append(key=b"g", value=b"good:0")
    async with harness.working():
        await wait_until(lambda: b"good:0" in harness.ended)


async def test_held_records_of_a_revoked_partition_are_dropped() -> None:
    harness = a_flood(by_source(), 1_000)
    async with harness.working():
        await wait_until(lambda: harness.worker.figures().held > 0)
        harness.client.revoke(FIRST_PARTITION)
        await wait_until(lambda: harness.client.released == 1)
        assert harness.worker.figures().buffered == 0


async def test_one_hanging_system_does_not_stop_the_callbacks_of_the_others() -> None:
    policy = replace(by_source(), max_in_flight=20, hanging_after=0.01, max_hanging=4)
    harness = WorkerHarness(policy=policy)
    gates = [harness.gate(b"hangs:%d" % n) for n in range(200)]
    for n in range(200):
        harness.client.append(key=b"h%d" % n, value=b"hangs:%d" % n)
    async with harness.working():
        await wait_until(lambda: harness.worker.figures().running >= 20)
        harness.client.append(key=b"g", value=b"good:0")
        await wait_until(lambda: b"good:0" in harness.ended)
        await run_pending_callbacks()
        assert harness.worker.figures().running <= 40
        for gate in gates:
            gate.set()
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 201)


async def test_a_source_whose_handlers_end_is_not_held_any_more() -> None:
    policy = replace(by_source(), max_in_flight=20, hanging_after=0.01, max_hanging=4)
    harness = WorkerHarness(policy=policy)
    gates = [harness.gate(b"hangs:%d" % n) for n in range(30)]
    for n in range(30):
        harness.client.append(key=b"h%d" % n, value=b"hangs:%d" % n)
    async with harness.working():
        await wait_until(lambda: harness.worker.figures().held > 0)
        for gate in gates:
            gate.set()
        await wait_until(lambda: len(harness.ended) == 30)
        await asyncio.sleep(0)
        assert harness.worker.figures().held == 0
