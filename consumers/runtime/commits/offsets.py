"""Track which offsets are safe to commit while records finish out of order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from consumers.runtime.commits.finished_offsets import MAX_METADATA, NOTHING_FINISHED, FinishedOffsets, write_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from consumers.runtime.handler import Partition, Record

_STOP_AT = MAX_METADATA * 3 // 4  # characters of metadata above which a partition receives nothing
_CONTINUE_AT = MAX_METADATA // 2
_MAX_UNITS_PER_RANGE = 8  # characters of a range whose numbers are below 2 ** 21


class Commit(NamedTuple):
    """What is committed of a partition: everything below `offset` is finished, and these ranges above it."""

    offset: int
    finished: FinishedOffsets = NOTHING_FINISHED


class PartitionOffsets:
    """The received and finished offsets of one partition in one ownership.

    `finished_before` are offsets that the owner before this one has finished, and this one does not process again.
    """

    __slots__ = (
        "_committed",
        "_crowded",
        "_finished",
        "_finished_before",
        "_first",
        "_measured",
        "_next_offset",
        "_places",
        "_ranges",
        "_received",
        "_to_commit",
    )

    def __init__(self, finished_before: FinishedOffsets = NOTHING_FINISHED) -> None:
        self._received: deque[int] = deque()  # received, ascending; starts with the lowest unfinished
        self._places: dict[int, int] = {}  # of the received offsets, counted from the beginning of the ownership
        self._first = 0  # the place of the lowest unfinished
        self._finished: set[int] = set()  # places above the frontier
        self._finished_before = finished_before
        self._ranges = 0  # number of ranges of finished offsets above the frontier
        self._next_offset: int | None = None
        self._to_commit: Commit | None = None  # None: not known
        self._committed: Commit | None = None
        self._measured = (0, 0)  # ranges, and the characters of their metadata
        self._crowded = False

    @property
    def committable(self) -> int | None:
        """The offset to commit: every received record below it is finished. None before the first record."""
        # Offsets can have gaps (compaction, transactions), so only offsets
        # that were received count, never the numbers between them.
        return self._received[0] if self._received else self._next_offset

    @property
    def next_offset(self) -> int | None:
        """One past the last offset that was received, or that is never delivered."""
        return self._next_offset

    @property
    def commit(self) -> Commit | None:
        """What is safe to commit now."""
        offset = self.committable
        if offset is None:
            return None
        if self._to_commit is None or self._to_commit.offset != offset:
            self._to_commit = Commit(offset, FinishedOffsets(tuple(self._finished_ranges())))
        return self._to_commit

    @property
    def uncommitted(self) -> Commit | None:
        """What the broker does not have yet, if there is anything."""
        commit = self.commit
        return None if commit == self._committed else commit

    @property
    def committed(self) -> int | None:
        """The offset that the broker has accepted in this ownership, if it has one."""
        return self._committed.offset if self._committed else None

    @property
    def crowded(self) -> bool:
        """Whether nothing more is received, because the metadata of a commit had little room left at the last check."""
        return self._crowded

    @property
    def is_behind(self) -> bool:
        """Whether the broker has another offset than the one to commit."""
        return self.committable != self.committed

    def receive(self, offset: int) -> bool:
        """Mark a record as received; return False if it was finished in an earlier ownership.

        Raises:
            ValueError: the offset is not above those received before.
        """
        if self._next_offset is not None and offset < self._next_offset:
            raise ValueError(f"offset {offset} came after offset {self._next_offset - 1}: a new ownership is needed")
        self._places[offset] = self._first + len(self._received)
        self._received.append(offset)
        self._next_offset = offset + 1
        if not self._finished_before.ranges:
            return True
        return not self._was_finished(offset)

    def skip_to(self, offset: int) -> None:
        """Mark that no record will be received below this offset, except those that were."""
        self._next_offset = max(offset, self._next_offset or 0)

    def finish(self, offset: int) -> None:
        """Mark a received record as finished."""
        place, waiting, finished = self._places[offset], self._received, self._finished
        self._ranges += 1 - (place - 1 in finished) - (place + 1 in finished)
        finished.add(place)
        self._to_commit = None
        if self._first not in finished:
            return
        self._ranges -= 1  # the first range ends below the new frontier
        while waiting and self._first in finished:
            finished.remove(self._first)
            del self._places[waiting.popleft()]
            self._first += 1

    def mark_committed(self, commit: Commit) -> None:
        """Mark exactly this as committed by the broker."""
        self._committed = commit

    def is_crowded(self) -> bool:
        """Return whether the metadata of a commit has little room left, so that nothing more should be received."""
        most = self._ranges * _MAX_UNITS_PER_RANGE
        units = most if most < _CONTINUE_AT else self._units()
        if units >= _STOP_AT or units < _CONTINUE_AT:
            self._crowded = units >= _STOP_AT
        return self._crowded

    def _units(self) -> int:
        """Return how many characters the metadata takes, at most."""
        ranges, units = self._measured
        if units + (self._ranges - ranges) * _MAX_UNITS_PER_RANGE >= _STOP_AT or self._ranges < ranges:
            ranges, units = self._ranges, self._measure()
            self._measured = ranges, units
        return units + (self._ranges - ranges) * _MAX_UNITS_PER_RANGE

    def _measure(self) -> int:
        commit = self.commit
        return len(write_metadata(commit.offset, commit.finished.ranges)) if commit else 0

    def _was_finished(self, offset: int) -> bool:
        if offset >= self._finished_before.end:
            self._finished_before = NOTHING_FINISHED
            return False
        if offset in self._finished_before:
            self.finish(offset)
            return True
        return False

    def _finished_ranges(self) -> Iterator[tuple[int, int]]:
        first = end = 0
        if not self._finished:
            return
        for place, offset in enumerate(self._received, self._first):
            if place in self._finished:
                first = offset if not end else first
                end = offset + 1
            elif end:
                yield first, end
                end = 0
        if end:
            yield first, end


class OffsetTracker:
    """The offsets of every partition that this worker owns; what it gave up no longer counts."""

    def __init__(self) -> None:
        self._owned: dict[Partition, PartitionOffsets] = {}

    @property
    def owned(self) -> Mapping[Partition, PartitionOffsets]:
        """The owned partitions, each with its offsets."""
        return self._owned

    def assign(self, partition: Partition, finished_before: FinishedOffsets = NOTHING_FINISHED) -> None:
        """Start a new ownership; what the one before it finished is not processed again."""
        self._owned[partition] = PartitionOffsets(finished_before)

    def revoke(self, partition: Partition) -> None:
        """End an ownership: what completes later changes nothing."""
        self._owned.pop(partition, None)

    def receive(self, record: Record) -> bool:
        """Mark a record as received.

        Return False if there is nothing to do: its partition is no longer owned, or it was finished before.
        """
        progress = self._owned.get(record.partition)
        return progress is not None and progress.receive(record.offset)

    def skip_to(self, offsets: Mapping[Partition, int]) -> None:
        """Mark up to where partitions were read, including what is never delivered."""
        for partition, offset in offsets.items():
            if progress := self._owned.get(partition):
                progress.skip_to(offset)

    def finish(self, record: Record) -> bool:
        """Mark a record as finished; return False if its partition is no longer owned."""
        progress = self._owned.get(record.partition)
        if progress is None:
            return False
        progress.finish(record.offset)
        return True

    def crowded(self) -> frozenset[Partition]:
        """Return the partitions whose commits have little room left for what is finished."""
        return frozenset([partition for partition, progress in self._owned.items() if progress.is_crowded()])

    def behind(self) -> dict[Partition, Commit]:
        """Return what to commit of the partitions of which the broker has another offset."""
        return self._commits([partition for partition, progress in self._owned.items() if progress.is_behind])

    def uncommitted(self) -> dict[Partition, Commit]:
        """Return what to commit that the broker does not have yet."""
        found = ((partition, progress.uncommitted) for partition, progress in self._owned.items())
        return {partition: commit for partition, commit in found if commit is not None}

    def committable(self) -> dict[Partition, Commit]:
        """Return what to commit, whether the broker has it or not."""
        return self._commits(self._owned)

    def mark_committed(self, commits: Mapping[Partition, Commit]) -> None:
        """Mark exactly this as committed by the broker."""
        for partition, commit in commits.items():
            if progress := self._owned.get(partition):
                progress.mark_committed(commit)

    def _commits(self, partitions: Iterable[Partition]) -> dict[Partition, Commit]:
        found = ((partition, self._owned[partition].commit) for partition in partitions)
        return {partition: commit for partition, commit in found if commit is not None}
