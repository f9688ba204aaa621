"""One record as the runtime hands it to a handler."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition that this worker owns, for one ownership: a new assignment is a new epoch."""

    topic: str
    number: int
    epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """Raw bytes and where they came from. Compared by identity: offset N can live twice after a reassignment."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int
