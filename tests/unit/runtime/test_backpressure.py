"""Backpressure pauses partitions without discarding fetched records, and always resumes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumers.runtime.backpressure import Backpressure, Watermarks
from consumers.runtime.handler import Partition, Record
from consumers.runtime.lanes import Lanes, PartitionLoad
from schemas.problem import Problem

A, B = (Partition(topic="t", number=number, epoch=1) for number in (0, 1))
WATER_MARKS = Watermarks(high=10, low=5, enough_startable=8, max_records=40, max_bytes=1_000, patience=1.0)
PROBLEM = Problem(code="X", sentence="x")


def lanes_with(partition: Partition, count: int, *, lanes: Lanes | None = None, size: int = 1) -> Lanes:
    lanes = lanes or Lanes()
    for offset in range(count):
        lanes.admit(Record(partition, offset, b"%d" % offset, b"v" * size, (), 0))
    return lanes


def shares(lanes: Lanes, *partitions: Partition) -> dict[Partition, PartitionLoad]:
    return {partition: lanes.load_of(partition) for partition in partitions}


def run_and_park_all(lanes: Lanes) -> list[Record]:
    parked = []
    while started := lanes.start(0.0):
        lanes.park(started[0], 1.0, PROBLEM)
        parked.append(started[0])
    return parked


def test_with_few_records_in_memory_more_are_requested() -> None:
    flow = Backpressure(WATER_MARKS).decide(0.0, shares(lanes_with(A, 3), A))
    assert (flow.poll, flow.pause, flow.resume) == (True, frozenset(), frozenset())


def test_with_enough_records_nothing_is_requested_and_nothing_paused() -> None:
    flow = Backpressure(WATER_MARKS).decide(0.0, shares(lanes_with(A, 8), A))
    assert (flow.poll, flow.pause) == (False, frozenset())


def test_a_longer_stop_of_requests_pauses_partitions_so_that_the_client_is_polled() -> None:
    intake, lanes = Backpressure(WATER_MARKS), lanes_with(A, 8)
    intake.decide(0.0, shares(lanes, A))
    flow = intake.decide(1.0, shares(lanes, A))
    assert (flow.poll, flow.pause) == (True, frozenset({A}))
    for _ in range(4):
        lanes.start(1.0)
    flow = intake.decide(1.1, shares(lanes, A))
    assert (flow.poll, flow.resume) == (True, frozenset({A}))


def test_a_partition_that_stays_busy_is_paused_while_the_others_flow() -> None:
    intake, lanes = Backpressure(WATER_MARKS), lanes_with(A, 12)
    lanes_with(B, 1, lanes=lanes)
    for _ in range(6):
        lanes.start(0.0)
    assert intake.decide(0.0, shares(lanes, A, B)).pause == frozenset()
    assert intake.decide(1.0, shares(lanes, A, B)).pause == {A}
    assert intake.decide(1.1, shares(lanes, A, B)).poll


def test_parked_records_do_not_stop_the_intake() -> None:
    intake, lanes = Backpressure(WATER_MARKS), lanes_with(A, 30)
    run_and_park_all(lanes)
    for now in (0.0, 5.0, 10.0):
        flow = intake.decide(now, shares(lanes, A))
        assert (flow.poll, flow.pause) == (True, frozenset())


def test_a_full_memory_pauses_at_once_and_reopens_when_there_is_room() -> None:
    intake, lanes = Backpressure(WATER_MARKS), lanes_with(A, 40)
    parked = run_and_park_all(lanes)
    assert intake.decide(0.0, shares(lanes, A)).pause == {A}
    for record in parked[:10]:
        lanes.unpark(record)
        lanes.start(1.0)
        lanes.retire(record)
    assert intake.decide(1.0, shares(lanes, A)).resume == frozenset()
    lanes.unpark(parked[10])
    lanes.start(1.0)
    lanes.retire(parked[10])
    assert intake.decide(1.0, shares(lanes, A)).resume == {A}


def test_a_few_huge_records_fill_the_memory_too() -> None:
    assert Backpressure(WATER_MARKS).decide(0.0, shares(lanes_with(A, 2, size=600), A)).pause == {A}


def test_the_memory_is_shared_by_the_partitions() -> None:
    lanes = lanes_with(A, 20)
    run_and_park_all(lanes)
    assert Backpressure(WATER_MARKS).decide(0.0, shares(lanes, A, B)).pause == {A}


def test_a_stopped_intake_pauses_all_partitions_and_keeps_polling() -> None:
    intake, lanes = Backpressure(WATER_MARKS), Lanes()
    flow = intake.decide(0.0, shares(lanes, A, B), pause_all=True)
    assert (flow.pause, flow.poll) == (frozenset({A, B}), True)
    assert intake.decide(0.1, shares(lanes, A, B)).resume == {A, B}


def test_a_partition_that_is_assigned_again_is_paused_again() -> None:
    intake, lanes = Backpressure(WATER_MARKS), Lanes()
    intake.decide(0.0, shares(lanes, A), pause_all=True)
    intake.decide(0.1, {}, pause_all=True)
    assert intake.decide(0.2, shares(lanes, A), pause_all=True).pause == {A}


@given(st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.floats(0.0, 3.0)), max_size=12))
def test_an_empty_worker_always_requests_records_and_pauses_nothing(loads: list[tuple[int, bool, float]]) -> None:
    intake, now = Backpressure(WATER_MARKS), 0.0
    for count, parked, wait in loads:
        lanes = lanes_with(A, count)
        if parked:
            run_and_park_all(lanes)
        now += wait
        intake.decide(now, shares(lanes, A))
    flow = intake.decide(now, shares(Lanes(), A))
    assert flow.poll
    assert not intake.paused
