"""The handler of a record, and the three outcomes that it can return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.problem import Problem


@dataclass(frozen=True, slots=True)
class Done:
    """Finished; everything it caused is stored and acknowledged."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    """Not now: keep the lane's order and retry this record after `delay` seconds.

    `afresh`: what came before does not count, so that the next attempt is the first. `counted` is the attempt with
    those of other processes, if the handler knows of them.
    """

    delay: float
    problem: Problem
    afresh: bool = False
    counted: Attempt | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Never: publish the original bytes with the reason on the dead-letter topic, then continue the lane.

    `is_consequence`: the reason is another dead letter (a parent's, say), so this one is not counted as a problem.
    `counted` is the attempt with those of other processes, if the handler knows of them.
    """

    problem: Problem
    is_consequence: bool = False
    counted: Attempt | None = field(default=None, compare=False)


Outcome = Done | RetryLater | DeadLetter
NO_SOURCE = ""  # of records whose origin does not matter


class Attempt(NamedTuple):
    """The attempt at a record: `number` from 1, `elapsed` seconds since the first, of this ownership.

    An outcome may return it as `counted`, with the attempts before this ownership; later attempts count on from there,
    and `first_at` is the time of the first one. `behind` is the number of records of the same key that wait for this
    one. `crowded`: the records of its partition have used up their share of the memory, so that no others are read
    until some are finished.
    """

    number: int
    elapsed: float = 0.0
    behind: int = 0
    crowded: bool = False
    first_at: datetime | None = None


class StartGate(Protocol):
    """Decides whether records may be started at all, because all of them need something that may be out of order."""

    def is_shut(self) -> bool:
        """Return whether partitions are to be paused."""

    def shut_reason(self) -> str | None:
        """Return why it is shut, and when the next record is admitted, in a sentence without its dot; else None."""

    def admits_record(self) -> bool:
        """Return whether one more record may be started now; called once for each that is started."""


class Handler(Protocol):
    """Handles one record."""

    async def __call__(self, record: Record, attempt: Attempt) -> Outcome:
        """Make one attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition that this worker owns, for one ownership: a new assignment has a new epoch."""

    topic: str
    number: int
    epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record's bytes and origin. Compared by identity: offset N can occur twice after a reassignment."""

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int
