"""Decide whether more records are polled, and which partitions are paused.

There are two measures. While enough startable lanes are in memory, no batch is polled: librdkafka keeps what it has
fetched, and continuing costs nothing. Pausing discards that and costs up to a second on resume, so a partition is
paused only when it stays full for longer than `patience`, or at once when its share of the memory is used up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consumers.runtime.handler import Partition
    from consumers.runtime.lanes import PartitionLoad


@dataclass(frozen=True, slots=True, kw_only=True)
class Watermarks:
    """The limits. Parked records are no load; they count only as memory."""

    high: int = 1_000  # running and startable lanes of one partition
    low: int = 500
    enough_startable: int = 512  # startable lanes of all partitions that are not full
    max_records: int = 50_000  # in memory, shared by the owned partitions
    max_bytes: int = 256 * 2**20
    patience: float = 1.0  # seconds

    def is_full(self, load: PartitionLoad, partitions: int) -> bool:
        """Return whether a partition has used up its share of the memory."""
        return _reaches(load, self.max_records / partitions, self.max_bytes / partitions)

    def has_room(self, load: PartitionLoad, partitions: int) -> bool:
        """Return whether a partition that was full has enough room to be worth a resume."""
        return not _reaches(load, 0.75 * self.max_records / partitions, 0.75 * self.max_bytes / partitions)


@dataclass(frozen=True, slots=True)
class FlowControl:
    """What the Kafka consumer does next."""

    pause: frozenset[Partition]
    resume: frozenset[Partition]
    poll: bool  # one more batch; with every partition paused, polling only keeps the membership alive


class Backpressure:
    """Tracks since when there is too much, and which partitions were paused because of it."""

    def __init__(self, limits: Watermarks) -> None:
        self._limits = limits
        self._full: set[Partition] = set()
        self._busy_since: dict[Partition, float] = {}
        self._holding_back_since: float | None = None
        self.paused: frozenset[Partition] = frozenset()

    @property
    def full(self) -> frozenset[Partition]:
        """The partitions that receive nothing, because they have too much in memory."""
        return frozenset(self._full)

    @property
    def is_holding_back(self) -> bool:
        """Whether no batch is polled because enough records are in memory."""
        return self._holding_back_since is not None

    def decide(
        self,
        now: float,
        loads: Mapping[Partition, PartitionLoad],
        *,
        crowded: Collection[Partition] = (),
        pause_all: bool = False,
    ) -> FlowControl:
        """Decide by the load of every owned partition.

        `crowded`: a commit of these has little room left for what is finished out of order, so they receive nothing.
        `pause_all` pauses all partitions.
        """
        self._keep_only(loads)
        for partition, load in loads.items():
            self._update(now, partition, load, len(loads))
        self._full |= set(crowded)
        held_back_too_long = self._held_back_too_long(now, loads)
        paused = frozenset(loads if pause_all or held_back_too_long else self._full)
        flow = FlowControl(
            pause=paused - self.paused,
            resume=(self.paused - paused) & loads.keys(),
            poll=pause_all or held_back_too_long or not self.is_holding_back,
        )
        self.paused = paused
        return flow

    def poll_again_below(self) -> int:
        """The number of startable lanes below which the next batch is polled."""
        return self._limits.enough_startable // 2

    def _update(self, now: float, partition: Partition, load: PartitionLoad, partitions: int) -> None:
        limits = self._limits
        if partition in self._full:
            if load.active_lanes <= limits.low and limits.has_room(load, partitions):
                self._full.discard(partition)
                self._busy_since.pop(partition, None)
        elif limits.is_full(load, partitions) or self._busy_too_long(now, partition, load):
            self._full.add(partition)

    def _busy_too_long(self, now: float, partition: Partition, load: PartitionLoad) -> bool:
        if load.active_lanes < self._limits.high:
            self._busy_since.pop(partition, None)
            return False
        return now - self._busy_since.setdefault(partition, now) >= self._limits.patience

    def _held_back_too_long(self, now: float, loads: Mapping[Partition, PartitionLoad]) -> bool:
        startable = sum(len(load.ready) for partition, load in loads.items() if partition not in self._full)
        if startable <= self.poll_again_below() or (
            not self.is_holding_back and startable < self._limits.enough_startable
        ):
            self._holding_back_since = None
            return False
        if self._holding_back_since is None:
            self._holding_back_since = now
        return now - self._holding_back_since >= self._limits.patience

    def _keep_only(self, owned: Mapping[Partition, PartitionLoad]) -> None:
        self._full &= owned.keys()
        self.paused &= owned.keys()
        for partition in self._busy_since.keys() - owned.keys():
            del self._busy_since[partition]


def _reaches(load: PartitionLoad, records: float, size: float) -> bool:
    return load.buffered >= max(records, 1) or load.buffered_bytes >= size
