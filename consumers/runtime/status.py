"""Answer "why is it not moving": per partition, what its frontier waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.monitoring import Figures

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from consumers.runtime.lanes import Lane, Lanes
    from consumers.runtime.offsets import Ledger
    from consumers.runtime.records import Partition
    from schemas.problem import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class OldestRecord:
    """The first unfinished record of a partition. `retry_in` is None unless it is parked."""

    offset: int
    attempts: int
    retry_in: float | None  # seconds
    trouble: Trouble | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
    """How far a partition is, and the record that its frontier waits for."""

    partition: Partition
    frontier: int | None
    received_to: int | None
    buffered: int
    running: int
    paused: bool
    oldest: OldestRecord | None


def partition_statuses(
    ledger: Ledger, lanes: Lanes, paused: AbstractSet[Partition], now: float
) -> tuple[PartitionStatus, ...]:
    """Describe every owned partition; walks over all lanes, so it is for people and not for every record."""
    oldest = _oldest_heads(lanes)
    return tuple(
        PartitionStatus(
            partition=partition,
            frontier=progress.committable,
            received_to=progress.received_to,
            buffered=lanes.share(partition).buffered,
            running=lanes.share(partition).running,
            paused=partition in paused,
            oldest=_oldest(*oldest[partition], now) if partition in oldest else None,
        )
        for partition, progress in ledger.owned.items()
    )


def figures_of(ledger: Ledger, lanes: Lanes, paused: int, dead_letters_in_a_row: int) -> Figures:
    """Give the numbers of this moment, over all partitions."""
    return Figures(
        partitions=len(ledger.owned),
        paused=paused,
        buffered=sum(lanes.share(partition).buffered for partition in ledger.owned),
        running=lanes.running,
        startable=lanes.startable,
        parked=lanes.parked,
        dead_letters_in_a_row=dead_letters_in_a_row,
    )


def _oldest_heads(lanes: Lanes) -> dict[Partition, tuple[Lane, bool]]:
    oldest: dict[Partition, tuple[Lane, bool]] = {}
    for lane, parked in lanes.heads():
        found = oldest.get(lane.head.partition)
        if found is None or lane.head.offset < found[0].head.offset:
            oldest[lane.head.partition] = (lane, parked)
    return oldest


def _oldest(lane: Lane, parked: bool, now: float) -> OldestRecord:  # noqa: FBT001 - as `heads` gives it
    return OldestRecord(
        offset=lane.head.offset,
        attempts=lane.attempts,
        retry_in=max(0.0, lane.until - now) if parked else None,
        trouble=lane.trouble,
    )
