"""What the runtime reports to observers and operators."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, assert_never

from consumers.runtime.commits.finished_offsets import NOTHING_FINISHED

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from consumers.runtime.commits.finished_offsets import FinishedOffsets
    from consumers.runtime.commits.offsets import OffsetTracker
    from consumers.runtime.handler import Outcome, Partition, Record
    from consumers.runtime.lanes import Lane, Lanes
    from schemas.problem import Problem


_MAX_KEY_LENGTH = 100


class AttemptEnded(NamedTuple):
    """One attempt at one record has ended; a dead letter is acknowledged by then."""

    record: Record
    attempt: int
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerFigures:
    """Current counts over all partitions."""

    partitions: int
    paused: int
    buffered: int
    running: int
    startable: int
    parked: int
    held: int  # of the parked ones: held back because of their source
    consecutive_dead_letters: int  # the most that one source has had
    stuck: int  # first records of their keys that do not finish for long


class Observer(Protocol):
    """Receives what the worker does, on the event loop; its methods must be quick and may not raise."""

    def received(self, topic: str, records: int) -> None:
        """Observe the number of records of one batch."""

    def attempt_ended(self, ended: AttemptEnded) -> None:
        """Observe the end of one attempt."""

    def committed(self, partitions: int, seconds: float) -> None:
        """Observe one commit, from the request to the broker's response."""

    def problem_reported(self, problem: Problem) -> None:
        """Report a problem that a person should look at."""


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


class RecordState(StrEnum):
    """What a record that is not finished waits for."""

    RUNNING = "running"  # for the end of its handler
    RETRYING = "retrying"  # for its next attempt
    HELD = "held"  # for other records of its source
    READY = "ready"  # for one of the places in flight


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRecord:
    """The first unfinished record of a key. Times are in seconds."""

    partition: Partition
    offset: int
    key: bytes | None
    state: RecordState
    attempts: int
    first_tried: float | None  # ago; None if it was not tried yet
    retry_in: float | None  # None unless it waits for its next attempt
    behind: int  # records of the same key that wait for this one
    problem: Problem | None  # of the last attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """The progress of a partition, and the record that its frontier waits for."""

    partition: Partition
    committable: int | None
    committed: int | None  # in this ownership
    finished: FinishedOffsets  # above the frontier
    next_offset: int | None
    buffered: int
    running: int
    paused: bool
    crowded: bool  # what is finished above the frontier leaves little room in the commit
    oldest: UnfinishedRecord | None


def partition_statuses(
    offsets: OffsetTracker, lanes: Lanes, paused: AbstractSet[Partition], now: float
) -> tuple[PartitionStatus, ...]:
    """Describe every owned partition. It walks over all lanes, so it is for people and not for every record."""
    oldest = _oldest_heads(lanes)
    return tuple(
        PartitionStatus(
            partition=partition,
            committable=progress.committable,
            committed=progress.committed,
            finished=commit.finished if (commit := progress.commit) else NOTHING_FINISHED,
            next_offset=progress.next_offset,
            buffered=lanes.load_of(partition).buffered,
            running=lanes.load_of(partition).running,
            paused=partition in paused,
            crowded=progress.crowded,
            oldest=unfinished_record(*oldest[partition], now) if partition in oldest else None,
        )
        for partition, progress in offsets.owned.items()
    )


def unfinished_record(lane: Lane, parked: bool, now: float) -> UnfinishedRecord:  # noqa: FBT001 - as `heads` gives it
    """Describe the head of a lane."""
    state = _state_of(lane, parked=parked)
    return UnfinishedRecord(
        partition=lane.head.partition,
        offset=lane.head.offset,
        key=lane.head.key,
        state=state,
        attempts=lane.attempts,
        first_tried=now - lane.started_at if lane.attempts else None,
        retry_in=max(0.0, lane.retry_at - now) if state is RecordState.RETRYING else None,
        behind=len(lane.queue) - 1,
        problem=lane.problem,
    )


def where_and_why(record: UnfinishedRecord) -> str:
    """Return a sentence that names an unfinished record and what it waits for."""
    partition = record.partition
    key = f" (key {key_text(record.key)})" if record.key is not None else ""
    return f"{partition.topic}[{partition.number}] offset {record.offset}{key} {_why(record)}"


def key_text(key: bytes) -> str:
    """Return the beginning of a key as text."""
    return key.decode("utf-8", "backslashreplace")[:_MAX_KEY_LENGTH]


def _why(record: UnfinishedRecord) -> str:
    match record.state:
        case RecordState.RUNNING:
            return f"is being processed for {record.first_tried or 0:.0f} s, attempt {record.attempts}"
        case RecordState.RETRYING:
            times = "once" if record.attempts == 1 else f"{record.attempts} times"
            tried = f"was tried {times} in {record.first_tried or 0:.0f} s"
            reason = record.problem.sentence if record.problem else "no reason is known"
            return f"{tried} and is tried again in {record.retry_in or 0:.0f} s: {reason}"
        case RecordState.HELD:
            return "is held back, because too many records of its source became dead letters or hang"
        case RecordState.READY:
            return "waits for the end of one of the records in flight (worker.max_in_flight)"
        case _:
            assert_never(record.state)


def worker_figures(
    offsets: OffsetTracker, lanes: Lanes, *, paused: int, held: int, consecutive_dead_letters: int, stuck: int
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
        stuck=stuck,
    )


def _oldest_heads(lanes: Lanes) -> dict[Partition, tuple[Lane, bool]]:
    oldest: dict[Partition, tuple[Lane, bool]] = {}
    for lane, parked in lanes.heads():
        found = oldest.get(lane.head.partition)
        if found is None or lane.head.offset < found[0].head.offset:
            oldest[lane.head.partition] = (lane, parked)
    return oldest


def _state_of(lane: Lane, *, parked: bool) -> RecordState:
    if lane.running:
        return RecordState.RUNNING
    if lane.held:
        return RecordState.HELD
    return RecordState.RETRYING if parked else RecordState.READY
