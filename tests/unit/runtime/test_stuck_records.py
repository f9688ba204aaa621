"""A record that does not finish for long is reported once, with the reason."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.runtime.handler import Attempt, Partition, Record, RetryLater
from consumers.runtime.lanes import Lanes
from consumers.runtime.stuck_records import MAX_REPORTED, StuckRecords
from tests.harness.waiting import wait_until
from tests.harness.worker import POLICY, PROBLEM, WorkerHarness

if TYPE_CHECKING:
    from schemas.problem import Problem

PARTITION = Partition(topic="lifecycle", number=3, epoch=1)


def a_record(offset: int, key: bytes) -> Record:
    return Record(PARTITION, offset, key, b"", (), 0)


def some_lanes(records: int) -> Lanes:
    lanes = Lanes()
    for offset in range(records):
        lanes.admit(a_record(offset, b"TR%d" % offset))
    return lanes


def sentences(problems: list[Problem]) -> list[str]:
    return [problem.sentence for problem in problems]


def start(lanes: Lanes, now: float) -> tuple[Record, Attempt]:
    started = lanes.start(now)
    assert started is not None
    return started


def test_a_record_is_reported_once_when_it_has_been_the_first_of_its_key_for_long() -> None:
    lanes, stuck = some_lanes(1), StuckRecords(300.0)
    start(lanes, 0.0)
    assert stuck.check(lanes.heads(), 0.0) == []
    assert stuck.check(lanes.heads(), 299.0) == []
    (problem,) = stuck.check(lanes.heads(), 301.0)
    assert problem.code == "RECORD_STUCK"
    assert problem.sentence == (
        "Not finished for 301 s: lifecycle[3] offset 0 (key TR0) is being processed for 301 s, attempt 1"
    )
    assert stuck.check(lanes.heads(), 400.0) == []
    assert stuck.count == 1


def test_the_reason_of_the_last_attempt_is_named() -> None:
    lanes, stuck = some_lanes(1), StuckRecords(300.0)
    record, _ = start(lanes, 0.0)
    stuck.check(lanes.heads(), 0.0)
    lanes.park(record, 330.0, PROBLEM)
    (sentence,) = sentences(stuck.check(lanes.heads(), 300.0))
    assert sentence.endswith("was tried once in 300 s and is tried again in 30 s: It did not work.")


def test_records_that_were_never_started_are_reported_too() -> None:
    lanes, stuck = some_lanes(2), StuckRecords(300.0)
    record, _ = start(lanes, 0.0)
    lanes.hold(record)
    stuck.check(lanes.heads(), 0.0)
    held, ready = sentences(stuck.check(lanes.heads(), 300.0))
    assert "is held back, because too many records of its source" in held
    assert "waits for the end of one of the records in flight" in ready


def test_an_outage_with_many_records_is_reported_in_a_bounded_number_of_sentences() -> None:
    lanes, stuck = some_lanes(MAX_REPORTED + 1_000), StuckRecords(300.0)
    stuck.check(lanes.heads(), 0.0)
    found = sentences(stuck.check(lanes.heads(), 300.0))
    assert len(found) == MAX_REPORTED + 1
    assert found[-1].startswith("1000 more records of lifecycle are not finished for as long")
    assert stuck.check(lanes.heads(), 310.0) == []
    assert stuck.count == MAX_REPORTED + 1_000


def test_the_next_record_of_a_key_has_its_own_time() -> None:
    lanes, stuck = some_lanes(1), StuckRecords(300.0)
    lanes.admit(a_record(7, b"TR0"))
    first, _ = start(lanes, 0.0)
    stuck.check(lanes.heads(), 0.0)
    lanes.retire(first)
    assert stuck.check(lanes.heads(), 300.0) == []
    assert len(stuck.check(lanes.heads(), 600.0)) == 1


def test_checks_are_rare_because_they_walk_over_all_lanes() -> None:
    stuck = StuckRecords(300.0)
    stuck.check([], 0.0)
    assert not stuck.is_due(9.0)
    assert stuck.is_due(10.0)


async def test_a_worker_reports_a_stuck_record_to_its_observer() -> None:
    harness = WorkerHarness(policy=replace(POLICY, stuck_after=0.02), plan={b"parked": [RetryLater(60.0, PROBLEM)]})
    harness.client.append(key=b"TR1", value=b"parked")
    async with harness.working():
        await wait_until(lambda: "RECORD_STUCK" in [problem.code for problem in harness.problems])
        assert harness.worker.figures().stuck == 1
        (lane,) = harness.worker.lanes_of(b"TR1")
        assert (lane.state, lane.attempts, lane.behind) == ("retrying", 1, 0)
    assert [problem.code for problem in harness.problems].count("RECORD_STUCK") == 1
