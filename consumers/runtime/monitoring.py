"""What the runtime reports to observers and operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from consumers.runtime.handler import Outcome, Partition, Record
    from consumers.runtime.lanes import Lane, Lanes
    from consumers.runtime.offsets import OffsetTracker
    from schemas.problem import Problem


class AttemptEnded(NamedTuple):
    """One attempt at one record has ended; a dead letter is acknowledged by then."""

    record: Record
    attempt: int
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFigures:
    """Numbers of this moment, over all partitions."""

    partitions: int
    paused: int
    buffered: int
    running: int
    startable: int
    parked: int
    held: int  # of the parked ones: held back because of their source
    consecutive_dead_letters: int  # the most that one source has had


class Observer(Protocol):
    """Receives what the worker does, on the event loop; its methods must be quick and may not raise."""

    def received(self, topic: str, records: int) -> None:
        """Note that one batch had so many records."""

    def attempt_ended(self, ended: AttemptEnded) -> None:
        """Note the end of one attempt."""

    def committed(self, partitions: int, seconds: float) -> None:
        """Note one commit, from the request to the broker's response."""

    def problem_reported(self, problem: Problem) -> None:
        """Note a problem that a person should look at."""


class NullObserver:
    """Ignores everything."""

    def received(self, topic: str, records: int) -> None:
        """Ignore."""

    def attempt_ended(self, ended: AttemptEnded) -> None:
        """Ignore."""

    def committed(self, partitions: int, seconds: float) -> None:
        """Ignore."""

    def problem_reported(self, problem: Problem) -> None:
        """Ignore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldestRecord:
    """The first unfinished record of a partition. `retry_in` is None unless it is parked."""

    offset: int
    attempts: int
    retry_in: float | None  # seconds
    problem: Problem | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """The progress of a partition, and the record that its frontier waits for."""

    partition: Partition
    committable: int | None
    next_offset: int | None
    buffered: int
    running: int
    paused: bool
    oldest: OldestRecord | None


def partition_statuses(
    offsets: OffsetTracker, lanes: Lanes, paused: AbstractSet[Partition], now: float
) -> tuple[PartitionStatus, ...]:
    """Describe every owned partition. It walks over all lanes, so it is for people and not for every record."""
    oldest = _oldest_heads(lanes)
    return tuple(
        PartitionStatus(
            partition=partition,
            committable=progress.committable,
            next_offset=progress.next_offset,
            buffered=lanes.load_of(partition).buffered,
            running=lanes.load_of(partition).running,
            paused=partition in paused,
            oldest=_oldest_record(*oldest[partition], now) if partition in oldest else None,
        )
        for partition, progress in offsets.owned.items()
    )


def worker_figures(
    offsets: OffsetTracker, lanes: Lanes, *, paused: int, held: int, consecutive_dead_letters: int
) -> WorkerFigures:
    """Return the numbers of this moment, over all partitions."""
    return WorkerFigures(
        partitions=len(offsets.owned),
        paused=paused,
        buffered=sum(lanes.load_of(partition).buffered for partition in offsets.owned),
        running=lanes.running,
        startable=lanes.startable,
        parked=lanes.parked,
        held=held,
        consecutive_dead_letters=consecutive_dead_letters,
    )


def _oldest_heads(lanes: Lanes) -> dict[Partition, tuple[Lane, bool]]:
    oldest: dict[Partition, tuple[Lane, bool]] = {}
    for lane, parked in lanes.heads():
        found = oldest.get(lane.head.partition)
        if found is None or lane.head.offset < found[0].head.offset:
            oldest[lane.head.partition] = (lane, parked)
    return oldest


def _oldest_record(lane: Lane, parked: bool, now: float) -> OldestRecord:  # noqa: FBT001 - as `heads` gives it
    return OldestRecord(
        offset=lane.head.offset,
        attempts=lane.attempts,
        retry_in=max(0.0, lane.retry_at - now) if parked else None,
        problem=lane.problem,
    )
