"""A Kafka client without Kafka: a log in memory, one group member, and a test that plays the coordinator."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING

from consumers.runtime.consumer_port import (
    Assigned,
    Closed,
    Committed,
    ConsumerFailed,
    Lost,
    RecordsReceived,
    Revoked,
    Warned,
)
from consumers.runtime.handler import Partition, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.runtime.backpressure import FlowControl
    from consumers.runtime.consumer_port import ConsumerEvent
    from schemas.problem import Problem

TopicAndPartition = tuple[str, int]


class FakeConsumer:
    """A `GroupConsumer` whose broker is the test: it assigns, revokes, loses partitions and may not answer commits.

    `committed` is what a next owner would start from.
    """

    def __init__(self, batch: int = 100) -> None:
        self.log: dict[TopicAndPartition, list[Record]] = {}  # records as the log holds them, without an owner
        self.committed: dict[TopicAndPartition, int] = {}
        self.paused: set[Partition] = set()
        self.released = 0
        self.closed = False
        self.answers_commits = True
        self.commits: list[Mapping[Partition, int]] = []
        self.proven: float | None = None  # None: a member without doubt
        self._batch = batch
        self._epochs = itertools.count(1)
        self._lives: dict[TopicAndPartition, Partition] = {}
        self._position: dict[Partition, int] = {}
        self._unanswered: list[Mapping[Partition, int]] = []
        self._wanted = False
        self._revoking: tuple[Partition, ...] = ()
        self._on_event: Callable[[ConsumerEvent], None] | None = None

    # The port

    def start(self, on_event: Callable[[ConsumerEvent], None]) -> None:
        """Begin to report."""
        self._loop = asyncio.get_running_loop()
        self._on_event = on_event

    def control_flow(self, flow: FlowControl) -> None:
        """Pause and resume partitions; ask for one more batch."""
        self.paused = (self.paused | flow.pause) - flow.resume
        self._wanted = self._wanted or flow.poll
        self._loop.call_soon(self._deliver)

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Keep a commit; answer unless told otherwise."""
        self.commits.append(offsets)
        if self.answers_commits:
            self._unanswered.append(offsets)
            self._loop.call_soon(self._deliver)

    def release(self, offsets: Mapping[Partition, int]) -> None:
        """Keep the last commit of revoked partitions and take them away."""
        self._store(offsets)
        revoked, self._revoking = self._revoking, ()
        self._drop(revoked)
        self.released += 1
        self._loop.call_soon(self._deliver)

    def membership_proven_at(self) -> float:
        """Return what the test says, or that all is well."""
        return time.monotonic() if self.proven is None else self.proven

    def close(self) -> None:
        """Leave the group."""
        if not self.closed:
            self.closed = True
            self._emit(Closed())

    # The test's side

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
        """Put a record on the log; `offset` may leave a gap."""
        records = self.log.setdefault((topic, number), [])
        next_offset = records[-1].offset + 1 if records else 0
        at = next_offset if offset is None else offset
        nobody = Partition(topic=topic, number=number, epoch=0)
        records.append(Record(nobody, at, key, value, headers, 1_700_000_000_000))
        if self._on_event is not None:
            self._loop.call_soon(self._deliver)
        return at

    def assign(self, *spots: TopicAndPartition) -> tuple[Partition, ...]:
        """Assign partitions to the worker; it starts at the committed offset."""
        lives = tuple(Partition(topic=t, number=n, epoch=next(self._epochs)) for t, n in spots)
        for life in lives:
            self._lives[life.topic, life.number] = life
            self._position[life] = self.committed.get((life.topic, life.number), 0)
        self._emit(Assigned(lives))
        self._loop.call_soon(self._deliver)
        return lives

    def revoke(self, *spots: TopicAndPartition) -> None:
        """Ask for partitions back."""
        self._revoking = tuple(self._lives[spot] for spot in spots)
        self._emit(Revoked(self._revoking))

    def lose(self, *spots: TopicAndPartition) -> None:
        """Take partitions away without asking."""
        lost = tuple(self._lives[spot] for spot in spots)
        self._drop(lost)
        self._emit(Lost(lost))

    def complete_commit(self, offsets: Mapping[Partition, int], problem: Problem | None = None) -> None:
        """Answer one commit: taken, or refused with a trouble."""
        taken = {} if problem else {p: o for p, o in offsets.items() if p in self._position}
        self._store(taken)
        self._emit(Committed(taken, problem))

    def report_error(self, problem: Problem) -> None:
        """Report something that may pass."""
        self._emit(Warned(problem))

    def fail(self, problem: Problem) -> None:
        """Report something that does not pass, and end."""
        self._emit(ConsumerFailed(problem))
        self.close()

    def _store(self, offsets: Mapping[Partition, int]) -> None:
        self.committed.update({(p.topic, p.number): offset for p, offset in offsets.items()})

    def _drop(self, lives: tuple[Partition, ...]) -> None:
        for life in lives:
            del self._lives[life.topic, life.number]
            del self._position[life]
        self.paused -= set(lives)

    def _deliver(self) -> None:
        if not self._wanted or self.closed or self._revoking:
            return
        while self._unanswered:
            self.complete_commit(self._unanswered.pop(0))
        batch = [record for life in self._lives.values() for record in self._next_of(life)][: self._batch]
        for record in batch:
            self._position[record.partition] = record.offset + 1
        if batch:
            self._wanted = False
            self._emit(RecordsReceived(batch))

    def _next_of(self, life: Partition) -> list[Record]:
        if life in self.paused:
            return []
        log = self.log.get((life.topic, life.number), [])
        return [_with_partition(life, r) for r in log if r.offset >= self._position[life]][: self._batch]

    def _emit(self, event: ConsumerEvent) -> None:
        assert self._on_event is not None
        self._loop.call_soon(self._on_event, event)


def _with_partition(partition: Partition, record: Record) -> Record:
    return Record(partition, record.offset, record.key, record.value, record.headers, record.timestamp_ms)
