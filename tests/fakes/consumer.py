"""A Kafka client without Kafka: an in-memory log and one group member. The test acts as the group coordinator."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from consumers.runtime.commits.finished_offsets import NOTHING_FINISHED
from consumers.runtime.commits.offsets import Commit
from consumers.runtime.consumer_port import (
    Assigned,
    Closed,
    Committed,
    ConsumerFailed,
    EndReached,
    Lost,
    RecordsReceived,
    Revoked,
    Warned,
)
from consumers.runtime.handler import Partition, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.runtime.backpressure import FlowControl
    from consumers.runtime.commits.finished_offsets import FinishedOffsets
    from consumers.runtime.consumer_port import ConsumerEvent
    from consumers.runtime.kafka.offset_range import TopicAndPartition
    from schemas.problem import Problem


class FakeConsumer:
    """A `GroupConsumer` whose broker is the test.

    The test assigns, revokes and takes partitions, and may ignore commits.

    `committed` is where the next owner of a partition starts, and `finished` what it need not process again.
    """

    def __init__(self, batch: int = 100) -> None:
        self.log: dict[TopicAndPartition, list[Record]] = {}  # records of the log, without an assignment
        self.committed: dict[TopicAndPartition, int] = {}
        self.finished: dict[TopicAndPartition, FinishedOffsets] = {}
        self.paused: set[Partition] = set()
        self.released = 0
        self.closed = False
        self.answers_commits = True
        self.commits: list[Mapping[Partition, Commit]] = []
        self.proven: float | None = None  # None: the membership is proven at any time
        self.answered: float | None = None  # None: a broker responds at any time
        self._batch = batch
        self._epochs = itertools.count(1)
        self._assigned: dict[TopicAndPartition, Partition] = {}
        self._position: dict[Partition, int] = {}
        self._unanswered: list[Mapping[Partition, Commit]] = []
        self._requested = False
        self._revoking: tuple[Partition, ...] = ()
        self._on_event: Callable[[ConsumerEvent], None] | None = None

    # The port

    def start(self, on_event: Callable[[ConsumerEvent], None]) -> None:
        """Report events to `on_event` from now on."""
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event

    def control_flow(self, flow: FlowControl) -> None:
        """Pause and resume partitions, and request one more batch if `flow` asks for it."""
        self.paused = (self.paused | flow.pause) - flow.resume
        self._requested = self._requested or flow.poll
        self._loop.call_soon(self._deliver)

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        """Record a commit, and answer it if `answers_commits` is set."""
        self.commits.append(commits)
        if self.answers_commits:
            self._unanswered.append(commits)
            self._loop.call_soon(self._deliver)

    def release(self, commits: Mapping[Partition, Commit]) -> None:
        """Store the last offsets of the revoked partitions and give the partitions up."""
        self._store(commits)
        revoked, self._revoking = self._revoking, ()
        self._drop(revoked)
        self.released += 1
        self._loop.call_soon(self._deliver)

    def membership_proven_at(self) -> float:
        """Return the time that the test has set, or the present time."""
        return time.monotonic() if self.proven is None else self.proven

    def broker_answered_at(self) -> float:
        """Return the time that the test has set, or the present time."""
        return time.monotonic() if self.answered is None else self.answered

    def close(self) -> None:
        """Leave the group."""
        if not self.closed:
            self.closed = True
            self._emit(Closed())

    # What the test calls

    def append(
        self,
        topic: str = "lifecycle",
        number: int = 0,
        *,
        key: bytes | None = b"k",
        value: bytes = b"v",
        offset: int | None = None,
        headers: tuple[tuple[str, bytes | None], ...] = (),
    ) -> int:
        """Append a record to a partition. `offset` may leave a gap."""
        records = self.log.setdefault((topic, number), [])
        next_offset = records[-1].offset + 1 if records else 0
        at = next_offset if offset is None else offset
        unassigned = Partition(topic=topic, number=number, epoch=0)
        records.append(Record(unassigned, at, key, value, headers, 1_700_000_000_000))
        if self._on_event is not None:
            self._loop.call_soon(self._deliver)
        return at

    def assign(self, *spots: TopicAndPartition) -> tuple[Partition, ...]:
        """Assign partitions to the worker. Reading starts at the committed offset."""
        partitions = tuple(Partition(topic=t, number=n, epoch=next(self._epochs)) for t, n in spots)
        for partition in partitions:
            self._assigned[partition.topic, partition.number] = partition
            self._position[partition] = self._committed_of(partition).offset
        finished = {partition: self._committed_of(partition).finished for partition in partitions}
        self._emit(Assigned(partitions, finished))
        self._loop.call_soon(self._deliver)
        return partitions

    def revoke(self, *spots: TopicAndPartition) -> None:
        """Begin to revoke partitions."""
        self._revoking = tuple(self._assigned[spot] for spot in spots)
        self._emit(Revoked(self._revoking))

    def lose(self, *spots: TopicAndPartition) -> None:
        """Take partitions away without a revocation."""
        lost = tuple(self._assigned[spot] for spot in spots)
        self._drop(lost)
        self._emit(Lost(lost))

    def end(self, topic: str, number: int, offset: int) -> None:
        """Report that nothing is left to deliver below this offset."""
        self._emit(EndReached({self._assigned[topic, number]: offset}))

    def complete_commit(self, commits: Mapping[Partition, Commit], problem: Problem | None = None) -> None:
        """Answer one commit. With a problem, nothing is stored."""
        accepted = {} if problem else {p: o for p, o in commits.items() if p in self._position}
        self._store(accepted)
        self._emit(Committed(accepted, problem))

    def report_error(self, problem: Problem) -> None:
        """Report a transient problem."""
        self._emit(Warned(problem))

    def fail(self, problem: Problem) -> None:
        """Report a permanent problem and close."""
        self._emit(ConsumerFailed(problem))
        self.close()

    def _committed_of(self, partition: Partition) -> Commit:
        spot = partition.topic, partition.number
        return Commit(self.committed.get(spot, 0), self.finished.get(spot, NOTHING_FINISHED))

    def _store(self, commits: Mapping[Partition, Commit]) -> None:
        self.committed.update({(p.topic, p.number): commit.offset for p, commit in commits.items()})
        self.finished.update({(p.topic, p.number): commit.finished for p, commit in commits.items()})

    def _drop(self, partitions: tuple[Partition, ...]) -> None:
        for partition in partitions:
            del self._assigned[partition.topic, partition.number]
            del self._position[partition]
        self.paused -= set(partitions)

    def _deliver(self) -> None:
        if not self._requested or self.closed or self._revoking:
            return
        while self._unanswered:
            self.complete_commit(self._unanswered.pop(0))
        batch = [record for partition in self._assigned.values() for record in self._next_of(partition)][: self._batch]
        for record in batch:
            self._position[record.partition] = record.offset + 1
        if batch:
            self._requested = False
            self._emit(RecordsReceived(batch))

    def _next_of(self, partition: Partition) -> list[Record]:
        if partition in self.paused:
            return []
        log = self.log.get((partition.topic, partition.number), [])
        return [_with_partition(partition, r) for r in log if r.offset >= self._position[partition]][: self._batch]

    def _emit(self, event: ConsumerEvent) -> None:
        assert self._on_event is not None
        self._loop.call_soon(self._on_event, event)


def _with_partition(partition: Partition, record: Record) -> Record:
    return Record(partition, record.offset, record.key, record.value, record.headers, record.timestamp_ms)
