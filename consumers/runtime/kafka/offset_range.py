"""Decide which records belong to given offset ranges, and when all of them have been read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TopicAndPartition = tuple[str, int]  # topic and partition

LOG_END = sys.maxsize  # as the end of a range: the end of the partition at the time when the reader gets there


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """Offsets of one partition: from `start` up to, but not including, `end`."""

    topic: str
    partition: int
    start: int
    end: int = LOG_END

    @property
    def topic_partition(self) -> TopicAndPartition:
        """Topic and partition."""
        return self.topic, self.partition

    @property
    def length(self) -> int:
        """The number of offsets; compaction and transactions leave some of them without a record."""
        return self.end - self.start


class RangeProgress:
    """Track how far ranges of different partitions, none of them empty, have been read.

    A range is at its end when its last offset was read, or any offset after it, or when Kafka reports the end of the
    partition: the last offsets of a partition may be control records of transactions, which no consumer receives.
    With `follow`, ranges have no end: they leave the end of their partition when another record arrives.
    """

    def __init__(self, ranges: Iterable[OffsetRange], *, follow: bool = False) -> None:
        self._ends = {offset_range.topic_partition: offset_range.end for offset_range in ranges}
        self._follow = follow
        self._at_end: set[TopicAndPartition] = set()

    @property
    def at_end(self) -> bool:
        """Whether every range has been read to its end."""
        return len(self._at_end) == len(self._ends)

    @property
    def ended(self) -> frozenset[TopicAndPartition]:
        """The partitions whose ranges have been read to their end."""
        return frozenset(self._at_end)

    def accept(self, topic_partition: TopicAndPartition, offset: int) -> bool:
        """Mark a record as read; return whether it belongs to a range."""
        if self._follow:
            self._at_end.discard(topic_partition)
            return True
        if topic_partition in self._at_end or topic_partition not in self._ends:
            return False
        end = self._ends[topic_partition]
        if offset >= end - 1:
            self._at_end.add(topic_partition)
        return offset < end

    def begin_anew(self) -> None:
        """Forget how far every range was read, because all of them are read again."""
        self._at_end.clear()

    def reach_end(self, topic_partition: TopicAndPartition) -> None:
        """Record that Kafka reported the end of a partition."""
        if topic_partition in self._ends:
            self._at_end.add(topic_partition)
