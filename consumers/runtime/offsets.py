"""Track which offsets are safe to commit while records finish out of order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumers.runtime.handler import Partition, Record


class PartitionOffsets:
    """The received and finished offsets of one partition in one ownership."""

    __slots__ = ("_committed", "_finished", "_next_offset", "_received")

    def __init__(self) -> None:
        self._received: deque[int] = deque()  # received, ascending; starts with the lowest unfinished
        self._finished: set[int] = set()  # finished offsets above the frontier
        self._next_offset: int | None = None
        self._committed: int | None = None

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
    def uncommitted(self) -> int | None:
        """The offset that the broker does not have yet, if there is one."""
        offset = self.committable
        return None if offset == self._committed else offset

    def receive(self, offset: int) -> None:
        """Note that a record was received.

        Raises:
            ValueError: the offset is not above those received before.
        """
        if self._next_offset is not None and offset < self._next_offset:
            raise ValueError(f"offset {offset} came after offset {self._next_offset - 1}: a new ownership is needed")
        self._received.append(offset)
        self._next_offset = offset + 1

    def skip_to(self, offset: int) -> None:
        """Note that no record will be received below this offset, except those that were."""
        self._next_offset = max(offset, self._next_offset or 0)

    def finish(self, offset: int) -> None:
        """Note that a received record is finished."""
        waiting, finished = self._received, self._finished
        finished.add(offset)
        while waiting and waiting[0] in finished:
            finished.remove(waiting.popleft())

    def mark_committed(self, offset: int) -> None:
        """Note that the broker has committed exactly this offset."""
        self._committed = offset


class OffsetTracker:
    """The offsets of every partition that this worker owns; what it gave up no longer counts."""

    def __init__(self) -> None:
        self._owned: dict[Partition, PartitionOffsets] = {}

    @property
    def owned(self) -> Mapping[Partition, PartitionOffsets]:
        """The owned partitions, each with its offsets."""
        return self._owned

    def assign(self, partition: Partition) -> None:
        """Start a new ownership."""
        self._owned[partition] = PartitionOffsets()

    def revoke(self, partition: Partition) -> None:
        """End an ownership: what completes later changes nothing."""
        self._owned.pop(partition, None)

    def receive(self, record: Record) -> bool:
        """Note a record that was received; return False if its partition is no longer owned."""
        progress = self._owned.get(record.partition)
        if progress is None:
            return False
        progress.receive(record.offset)
        return True

    def skip_to(self, offsets: Mapping[Partition, int]) -> None:
        """Note up to where partitions were read, including what is never delivered."""
        for partition, offset in offsets.items():
            if progress := self._owned.get(partition):
                progress.skip_to(offset)

    def finish(self, record: Record) -> bool:
        """Note a record that is finished; return False if its partition is no longer owned."""
        progress = self._owned.get(record.partition)
        if progress is None:
            return False
        progress.finish(record.offset)
        return True

    def uncommitted(self) -> dict[Partition, int]:
        """Return the offsets to commit that the broker does not have yet."""
        found = ((partition, progress.uncommitted) for partition, progress in self._owned.items())
        return {partition: offset for partition, offset in found if offset is not None}

    def committable(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Return the offsets to commit for these partitions, whether the broker has them or not."""
        found = ((partition, self._owned.get(partition)) for partition in partitions)
        return {p: progress.committable for p, progress in found if progress and progress.committable is not None}

    def mark_committed(self, offsets: Mapping[Partition, int]) -> None:
        """Note that the broker has committed exactly these offsets."""
        for partition, offset in offsets.items():
            if progress := self._owned.get(partition):
                progress.mark_committed(offset)
