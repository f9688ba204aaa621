"""Queue records by key, so that each key is processed one record at a time and many keys concurrently.

A record without a key requires no order: it gets a lane of its own.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from consumers.runtime.handler import Attempt

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from consumers.runtime.handler import Partition, Record
    from schemas.problem import Problem


class Lane:
    """The records of one key in order; the first of them is ready, running or parked."""

    __slots__ = ("attempts", "held", "name", "problem", "queue", "retry_at", "running", "started_at")

    def __init__(self, name: Hashable, record: Record) -> None:
        self.name = name
        self.queue = deque((record,))
        self.running = False
        self.held = False  # parked without an attempt
        self.attempts = 0  # of the head, in this ownership and those before it that are known
        self.started_at = 0.0  # when the head was started first
        self.problem: Problem | None = None  # why the head was parked the last time
        self.retry_at = 0.0  # when a parked head is retried

    @property
    def head(self) -> Record:
        """The record that is processed next."""
        return self.queue[0]


class PartitionLoad:
    """The records of one partition in memory; every number follows from what was received and finished."""

    __slots__ = ("admitted", "admitted_bytes", "ended", "ready", "retired", "retired_bytes", "started")

    def __init__(self) -> None:
        self.ready: deque[Lane] = deque()  # lanes whose head is of this partition and may start
        self.admitted = self.admitted_bytes = 0
        self.retired = self.retired_bytes = 0
        self.started = self.ended = 0

    @property
    def buffered(self) -> int:
        """The number of records in memory: waiting, running and parked."""
        return self.admitted - self.retired

    @property
    def buffered_bytes(self) -> int:
        """The bytes of the records in memory."""
        return self.admitted_bytes - self.retired_bytes

    @property
    def running(self) -> int:
        """The number of records whose handler runs."""
        return self.started - self.ended

    @property
    def active_lanes(self) -> int:
        """The number of lanes that run or are ready to; parked lanes are not counted."""
        return self.running + len(self.ready)


NO_LOAD = PartitionLoad()


class Lanes:
    """All lanes. Partitions take turns, so that a slow one does not block the others."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Lane] = {}
        self._parked: dict[Record, Lane] = {}
        self._loads: dict[Partition, PartitionLoad] = {}
        self._round_robin: deque[PartitionLoad] = deque()  # partitions with ready lanes, each once
        self.startable = 0  # lanes that may start, over all partitions
        self.running = 0  # records that run, over all partitions

    def load_of(self, partition: Partition) -> PartitionLoad:
        """Return the load of one partition."""
        return self._loads.get(partition, NO_LOAD)

    @property
    def parked(self) -> int:
        """The number of lanes that wait for a retry."""
        return len(self._parked)

    def heads(self) -> Iterator[tuple[Lane, bool]]:
        """Yield every lane and whether it is parked, for monitoring."""
        return ((lane, lane.head in self._parked) for lane in self._lanes.values())

    def heads_of(self, key: bytes) -> list[tuple[Lane, bool]]:
        """Return the lanes of one key, in all topics, and whether each is parked."""
        return [(lane, parked) for lane, parked in self.heads() if lane.head.key == key]

    def admit(self, record: Record) -> None:
        """Append a record to its lane."""
        load = self._loads.get(record.partition)
        if load is None:
            load = self._loads[record.partition] = PartitionLoad()
        load.admitted += 1
        load.admitted_bytes += _size(record)
        name = _lane_name(record)
        lane = self._lanes.get(name)
        if lane is not None:
            lane.queue.append(record)
        else:
            lane = self._lanes[name] = Lane(name, record)
            self._make_ready(lane)

    def start(self, now: float) -> tuple[Record, Attempt] | None:
        """Take the next record that may run; None if there is none."""
        if not self._round_robin:
            return None
        load = self._round_robin.popleft()
        lane = load.ready.popleft()
        if load.ready:
            self._round_robin.append(load)
        self.startable -= 1
        self.running += 1
        load.started += 1
        lane.running = True
        if not lane.attempts:
            lane.started_at = now
        lane.attempts += 1
        return lane.queue[0], Attempt(lane.attempts, now - lane.started_at, len(lane.queue) - 1)

    def park(self, record: Record, retry_at: float, problem: Problem, *, afresh: bool = False) -> None:
        """Keep a running record at the head of its lane until it is retried; `afresh` as in `RetryLater`."""
        lane = self._lanes[_lane_name(record)]
        if afresh:
            lane.attempts = 0
        lane.retry_at, lane.problem = retry_at, problem
        self._parked[record] = lane
        self._end_attempt(lane)

    def count_on(self, record: Record, attempt: Attempt, counted: Attempt) -> None:
        """Count the attempts at a running record from before this ownership; `attempt` is `counted` without them."""
        lane = self._lanes[_lane_name(record)]
        lane.attempts += counted.number - attempt.number
        lane.started_at -= counted.elapsed - attempt.elapsed

    def hold(self, record: Record) -> None:
        """Park a record that was taken and whose handler was not called, until `unpark`; that is no attempt."""
        lane = self._lanes[_lane_name(record)]
        lane.attempts -= 1
        lane.held = True
        self._parked[record] = lane
        self._end_attempt(lane)

    def unpark(self, record: Record) -> bool:
        """Make a parked record ready again; return False if it is no longer parked."""
        lane = self._parked.pop(record, None)
        if lane is None:
            return False
        lane.held = False
        self._make_ready(lane)
        return True

    def retire(self, record: Record) -> None:
        """Remove a running record; the next of its key may start."""
        lane = self._lanes[_lane_name(record)]
        self._end_attempt(lane)
        lane.queue.popleft()
        self._subtract(record)
        self._advance(lane)

    def drop(self, partition: Partition) -> list[Record]:
        """Remove what is waiting or parked of a partition; what runs stays until it is retired."""
        load = self._loads.get(partition)
        if load is None:
            return []
        if load.ready:
            self.startable -= len(load.ready)
            self._round_robin.remove(load)
            load.ready.clear()
        dropped = [record for lane in tuple(self._lanes.values()) for record in self._remove_from_lane(lane, partition)]
        for record in dropped:
            self._subtract(record)
        return dropped

    def _remove_from_lane(self, lane: Lane, partition: Partition) -> list[Record]:
        head = lane.head
        dropped = [r for r in lane.queue if r.partition == partition and not (lane.running and r is head)]
        if dropped:
            removed = set(dropped)
            lane.queue = deque(r for r in lane.queue if r not in removed)
            if head in removed:
                self._parked.pop(head, None)
                self._advance(lane)
        return dropped

    def _advance(self, lane: Lane) -> None:
        lane.attempts, lane.problem, lane.held = 0, None, False
        if lane.queue:
            self._make_ready(lane)
        else:
            del self._lanes[lane.name]

    def _make_ready(self, lane: Lane) -> None:
        load = self._loads[lane.queue[0].partition]
        if not load.ready:
            self._round_robin.append(load)
        load.ready.append(lane)
        self.startable += 1

    def _end_attempt(self, lane: Lane) -> None:
        lane.running = False
        self.running -= 1
        self._loads[lane.queue[0].partition].ended += 1

    def _subtract(self, record: Record) -> None:
        load = self._loads[record.partition]
        load.retired += 1
        load.retired_bytes += _size(record)
        if not load.buffered:
            del self._loads[record.partition]


def _lane_name(record: Record) -> Hashable:
    return record if record.key is None else (record.partition.topic, record.key)


def _size(record: Record) -> int:
    return len(record.value or b"") + len(record.key or b"")
