"""The Kafka consumer as the worker sees it: it takes commands, and reports events in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumers.runtime.backpressure import FlowControl
    from consumers.runtime.commits.finished_offsets import FinishedOffsets
    from consumers.runtime.commits.offsets import Commit
    from consumers.runtime.handler import Partition, Record
    from schemas.problem import Problem


@dataclass(frozen=True, slots=True)
class Assigned:
    """These partitions are owned from now on. `finished`: what their owners before have finished out of order."""

    partitions: tuple[Partition, ...]
    finished: Mapping[Partition, FinishedOffsets] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordsReceived:
    """One batch; offsets of one partition ascend within an ownership. The result of one requested poll."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class EndReached:
    """Nothing is left to deliver below these offsets: the log ends there, or only open transactions follow.

    Above the last record there may be what is never delivered: markers and records of aborted transactions, and gaps.
    """

    offsets: Mapping[Partition, int]


@dataclass(frozen=True, slots=True)
class Revoked:
    """These partitions are revoked; they stay owned until `release` is called."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """These partitions are no longer owned, and another process may own them already."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """The response to one commit: what the broker accepted of exactly that request, and its error."""

    commits: Mapping[Partition, Commit]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """An error that may pass; the consumer continues."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class ConsumerFailed:
    """An error that does not pass; the consumer stops, `Closed` follows."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event: the group is left, no thread remains."""


ConsumerEvent = Assigned | RecordsReceived | EndReached | Revoked | Lost | Committed | Warned | ConsumerFailed | Closed


class GroupConsumer(Protocol):
    """A member of a consumer group. Events arrive on the event loop that called `start`.

    Everything that Kafka reports (rebalances, responses to commits, records) arrives only during a poll: a worker
    that needs no records for longer than a second should pause every partition and request a poll.
    """

    def start(self, on_event: Callable[[ConsumerEvent], None]) -> None:
        """Join the group and start to report events."""

    def control_flow(self, flow: FlowControl) -> None:
        """Pause and resume partitions; request one more batch."""

    def commit(self, commits: Mapping[Partition, Commit]) -> None:
        """Commit; `Committed` answers. One at a time."""

    def release(self, commits: Mapping[Partition, Commit]) -> None:
        """Answer `Revoked`: commit this, wait for the broker, and release the partitions."""

    def membership_proven_at(self) -> float:
        """The last time (monotonic clock) at which this process was certainly a live member of the group."""

    def broker_answered_at(self) -> float:
        """The last time (monotonic clock) at which a broker responded to anything."""

    def close(self) -> None:
        """Leave the group without committing; `Closed` follows."""
