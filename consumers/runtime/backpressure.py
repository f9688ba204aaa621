"""Decide whether more records are asked for, and which partitions are paused meanwhile.

Two brakes. While enough startable lanes are on hand, nothing is asked for: librdkafka keeps what it has
fetched, and going on costs nothing. Pausing throws that away and costs up to a second on resume, so a
partition is paused only when it stays full for longer than `patience`, or at once when its part of the
memory is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.runtime.handler import Partition
    from consumers.runtime.lanes import PartitionLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """How much is enough. Parked records are no load; only memory counts them."""

    high: int = 1_000  # running and startable lanes of one partition
    low: int = 500
    enough: int = 512  # startable lanes of all partitions that are not full
    max_records: int = 50_000  # in memory, shared by the owned partitions
    max_bytes: int = 256 * 2**20
    patience: float = 1.0  # seconds

    def is_full(self, share: PartitionLoad, partitions: int) -> bool:
        """Whether a partition has its part of the memory."""
        return _reaches(share, self.max_records / partitions, self.max_bytes / partitions)

    def has_room(self, share: PartitionLoad, partitions: int) -> bool:
        """Whether a partition that was full has room enough to be worth a resume."""
        return not _reaches(share, 0.75 * self.max_records / partitions, 0.75 * self.max_bytes / partitions)


@dataclass(frozen=True, slots=True)
class FlowControl:
    """What the Kafka client shall do next."""

    pause: frozenset[Partition]
    resume: frozenset[Partition]
    ask: bool  # for one more batch; with every partition paused this only keeps the membership alive


class Backpressure:
    """Remember since when there is too much, and what was closed because of it."""

    def __init__(self, marks: Watermarks) -> None:
        self._marks = marks
        self._full: set[Partition] = set()
        self._busy_since: dict[Partition, float] = {}
        self._held_since: float | None = None
        self.paused: frozenset[Partition] = frozenset()

    @property
    def holding(self) -> bool:
        """Whether nothing is asked for because enough is on hand."""
        return self._held_since is not None

    def decide(self, now: float, shares: Mapping[Partition, PartitionLoad], *, shut: bool = False) -> FlowControl:
        """Weigh what is on hand of every owned partition; `shut` closes them all."""
        self._forget_all_but(shares)
        for partition, share in shares.items():
            self._weigh(now, partition, share, len(shares))
        tired = self._held_too_long(now, shares)
        paused = frozenset(shares if shut or tired else self._full)
        flow = FlowControl(
            pause=paused - self.paused,
            resume=(self.paused - paused) & shares.keys(),
            ask=shut or tired or not self.holding,
        )
        self.paused = paused
        return flow

    def opens_at(self) -> int:
        """How few startable lanes end the holding back."""
        return self._marks.enough // 2

    def _weigh(self, now: float, partition: Partition, share: PartitionLoad, partitions: int) -> None:
        marks = self._marks
        if partition in self._full:
            if share.load <= marks.low and marks.has_room(share, partitions):
                self._full.discard(partition)
                self._busy_since.pop(partition, None)
        elif marks.is_full(share, partitions) or self._busy_too_long(now, partition, share):
            self._full.add(partition)

    def _busy_too_long(self, now: float, partition: Partition, share: PartitionLoad) -> bool:
        if share.load < self._marks.high:
            self._busy_since.pop(partition, None)
            return False
        return now - self._busy_since.setdefault(partition, now) >= self._marks.patience

    def _held_too_long(self, now: float, shares: Mapping[Partition, PartitionLoad]) -> bool:
        startable = sum(len(share.ready) for partition, share in shares.items() if partition not in self._full)
        if startable <= self.opens_at() or (not self.holding and startable < self._marks.enough):
            self._held_since = None
            return False
        if self._held_since is None:
            self._held_since = now
        return now - self._held_since >= self._marks.patience

    def _forget_all_but(self, owned: Mapping[Partition, PartitionLoad]) -> None:
        self._full &= owned.keys()
        self.paused &= owned.keys()
        for partition in self._busy_since.keys() - owned.keys():
            del self._busy_since[partition]


def _reaches(share: PartitionLoad, records: float, size: float) -> bool:
    return share.buffered >= max(records, 1) or share.buffered_bytes >= size
