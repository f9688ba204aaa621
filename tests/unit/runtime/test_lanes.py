"""Records of one key are processed in order, one at a time; none is lost; parked lanes do not count as load."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from consumers.runtime.commits.offsets import Commit, OffsetTracker
from consumers.runtime.handler import Partition, Record
from consumers.runtime.lanes import Lanes
from schemas.problem import Problem

PROBLEM = Problem(code="X", sentence="x")
P0 = Partition(topic="t", number=0, epoch=1)
P1 = Partition(topic="t", number=1, epoch=1)


def a_record(offset: int, key: bytes | None = b"k", partition: Partition = P0, value: bytes = b"v") -> Record:
    return Record(partition, offset, key, value, (), 0)


def start(lanes: Lanes) -> Record | None:
    started = lanes.start(0.0)
    return started[0] if started else None


def test_the_next_record_of_a_key_starts_only_when_the_first_is_retired() -> None:
    lanes, first, second = Lanes(), a_record(0), a_record(1)
    lanes.admit(first)
    lanes.admit(second)
    assert start(lanes) is first
    assert start(lanes) is None
    lanes.retire(first)
    assert start(lanes) is second


def test_records_without_a_key_do_not_wait_for_each_other() -> None:
    lanes, first, second = Lanes(), a_record(0, None), a_record(1, None)
    lanes.admit(first)
    lanes.admit(second)
    assert {start(lanes), start(lanes)} == {first, second}


def test_a_parked_record_keeps_its_place_and_counts_its_attempts_and_time() -> None:
    lanes, first, second = Lanes(), a_record(0), a_record(1)
    lanes.admit(first)
    lanes.admit(second)
    lanes.start(10.0)
    lanes.park(first, 12.0, PROBLEM)
    assert lanes.start(11.0) is None
    assert lanes.unpark(first)
    again = lanes.start(13.0)
    assert again is not None
    assert again[0] is first
    assert (again[1].number, again[1].elapsed) == (2, 3.0)
    lanes.retire(first)
    after = lanes.start(14.0)
    assert after is not None
    assert (after[1].number, after[1].elapsed) == (1, 0.0)


def test_a_parked_lane_does_not_count_as_load_but_as_memory() -> None:
    lanes, first, second = Lanes(), a_record(0, value=b"12345"), a_record(1, value=b"1")
    lanes.admit(first)
    lanes.admit(second)
    assert lanes.load_of(P0).active_lanes == 1
    start(lanes)
    assert lanes.load_of(P0).active_lanes == 1
    lanes.park(first, 1.0, PROBLEM)
    assert (lanes.load_of(P0).active_lanes, lanes.load_of(P0).buffered, lanes.load_of(P0).buffered_bytes) == (0, 2, 8)
    assert (lanes.running, lanes.startable, lanes.parked) == (0, 0, 1)


def test_partitions_take_turns() -> None:
    lanes = Lanes()
    for offset in range(3):
        lanes.admit(a_record(offset, b"a%d" % offset))
    late = a_record(0, b"b", P1)
    lanes.admit(late)
    assert late in (start(lanes), start(lanes))


def test_dropping_a_partition_leaves_only_running_records() -> None:
    lanes = Lanes()
    runs, behind, parked, ready = a_record(0), a_record(1), a_record(2, b"p"), a_record(3, b"r")
    other = a_record(0, b"o", P1)
    for record in (runs, behind, parked):
        lanes.admit(record)
    assert [start(lanes), start(lanes)] == [runs, parked]
    lanes.park(parked, 1.0, PROBLEM)
    lanes.admit(ready)
    lanes.admit(other)
    assert set(lanes.drop(P0)) == {behind, parked, ready}
    assert not lanes.unpark(parked)
    assert start(lanes) is other
    assert start(lanes) is None
    lanes.retire(runs)
    assert lanes.load_of(P0).buffered == 0


def test_the_same_offset_after_a_reassignment_waits_for_the_first_one_still_running() -> None:
    lanes = Lanes()
    again = Partition(topic="t", number=0, epoch=2)
    old, new = a_record(7), a_record(7, partition=again)
    lanes.admit(old)
    start(lanes)
    lanes.drop(P0)
    lanes.admit(new)
    assert start(lanes) is None
    lanes.retire(old)
    assert start(lanes) is new


class LanesAndProgress(RuleBasedStateMachine):
    """For any sequence of operations: order per key holds, commits are safe, and no record is lost."""

    running = Bundle("running")
    parked = Bundle("parked")

    def __init__(self) -> None:
        super().__init__()
        self.lanes, self.ledger = Lanes(), OffsetTracker()
        self.partitions: dict[int, Partition] = {}
        self.log: dict[int, list[bytes | None]] = defaultdict(list)
        self.position: dict[int, int] = {}
        self.committed: dict[int, Commit] = defaultdict(lambda: Commit(0))
        self.finished: dict[int, set[int]] = defaultdict(set)
        self.busy: set[tuple[int, bytes]] = set()
        self.last: dict[tuple[Partition, bytes], int] = {}
        self.epoch = 0

    @initialize()
    def begin(self) -> None:
        for number in (0, 1):
            self._assign(number)

    def _assign(self, number: int) -> None:
        self.epoch += 1
        self.partitions[number] = Partition(topic="t", number=number, epoch=self.epoch)
        self.ledger.assign(self.partitions[number], self.committed[number].finished)
        self.position[number] = self.committed[number].offset

    @rule(number=st.integers(0, 1), key=st.sampled_from([b"a", b"b", b"c", None]), gap=st.integers(0, 2))
    def produce_and_receive(self, number: int, key: bytes | None, gap: int) -> None:
        # The keys of the two partitions differ, as with a partitioner.
        self.log[number].extend([b"", *[b""] * gap][1:])
        self.log[number].append(None if key is None else key + b"%d" % number)
        self._receive(number)

    def _receive(self, number: int) -> None:
        for offset in range(self.position[number], len(self.log[number])):
            key = self.log[number][offset]
            if key == b"":
                continue  # a gap, like a transaction marker
            record = a_record(offset, key, self.partitions[number])
            if self.ledger.receive(record):
                self.lanes.admit(record)
            else:
                assert offset in self.finished[number], "a record was skipped that nobody finished"
        self.position[number] = len(self.log[number])

    @precondition(lambda self: self.lanes.startable)
    @rule(target=running)
    def start_one(self) -> Record:
        record = start(self.lanes)
        assert record is not None
        number, key = record.partition.number, record.key
        if key is not None:
            assert (number, key) not in self.busy, "two records of one key at once"
            assert record.offset > self.last.get((record.partition, key), -1), "out of order"
            self.busy.add((number, key))
        return record

    def _ended(self, record: Record) -> None:
        if record.key is not None:
            self.busy.discard((record.partition.number, record.key))

    @rule(record=consumes(running))
    def finish(self, record: Record) -> None:
        if self.ledger.finish(record):
            self.finished[record.partition.number].add(record.offset)
            if record.key is not None:
                self.last[record.partition, record.key] = record.offset
        self.lanes.retire(record)
        self._ended(record)

    @rule(target=parked, record=consumes(running))
    def park(self, record: Record) -> Record:
        self._ended(record)
        if record.partition in self.ledger.owned:
            self.lanes.park(record, 0.0, PROBLEM)
        else:
            self.lanes.retire(record)
        return record

    @rule(record=consumes(parked))
    def unpark(self, record: Record) -> None:
        self.lanes.unpark(record)

    @rule(number=st.integers(0, 1), commit=st.booleans())
    def move_away_and_back(self, number: int, *, commit: bool) -> None:
        partition = self.partitions[number]
        if commit:
            self._commit(number)
        self.ledger.revoke(partition)
        self.lanes.drop(partition)
        self._assign(number)
        self._receive(number)

    @rule(number=st.integers(0, 1))
    def commit(self, number: int) -> None:
        self._commit(number)

    def _commit(self, number: int) -> None:
        commit = self.ledger.uncommitted().get(self.partitions[number])
        if commit is not None:
            self.committed[number] = commit
            self.ledger.mark_committed({self.partitions[number]: commit})

    @invariant()
    def every_record_below_a_commit_is_finished(self) -> None:
        for number, (offset, above) in self.committed.items():
            committed = (o for o in range(len(self.log[number])) if o < offset or o in above)
            below = {o for o in committed if self.log[number][o] != b""}
            assert below <= self.finished[number]

    @invariant()
    def numbers_agree(self) -> None:
        shares = [self.lanes.load_of(partition) for partition in self.partitions.values()]
        assert self.lanes.startable == sum(len(share.ready) for share in shares)
        assert all(share.buffered >= share.active_lanes for share in shares)

    def teardown(self) -> None:
        for lane, is_parked in tuple(self.lanes.heads()):
            if is_parked:
                self.lanes.unpark(lane.head)
            elif lane.running:
                self.finish_now(lane.head)
        while record := start(self.lanes):
            self.finish_now(record)
        for number, partition in self.partitions.items():
            self._commit(number)
            assert self.lanes.load_of(partition).buffered == 0
            everything = {o for o, key in enumerate(self.log[number]) if key != b""}
            assert self.finished[number] == everything, "a record was lost"

    def finish_now(self, record: Record) -> None:
        if self.ledger.finish(record):
            self.finished[record.partition.number].add(record.offset)
        self.lanes.retire(record)


LanesAndProgress.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_lanes_and_progress = LanesAndProgress.TestCase
