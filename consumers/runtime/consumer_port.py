"""The Kafka client as the loop sees it: it is told what to do, and says what happened, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from consumers.runtime.backpressure import FlowControl
    from consumers.runtime.handler import Partition, Record
    from schemas.problem import Problem


@dataclass(frozen=True, slots=True)
class Assigned:
    """These partitions are ours from now on."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class RecordsReceived:
    """One batch; offsets of one partition ascend within an ownership. Answers one `ask`."""

    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Revoked:
    """These partitions are wanted by others; they stay ours until `release` is called."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """These partitions are not ours any more, and perhaps already somebody else's."""

    partitions: tuple[Partition, ...]


@dataclass(frozen=True, slots=True)
class Committed:
    """The answer to one commit: what the broker took of exactly that request, and what it said otherwise."""

    offsets: Mapping[Partition, int]
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class Warned:
    """Something is wrong that may pass; the client goes on."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class ConsumerFailed:
    """Something is wrong that does not pass; the client stops, `Closed` follows."""

    problem: Problem


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event: the group is left, no thread remains."""


Event = Assigned | RecordsReceived | Revoked | Lost | Committed | Warned | ConsumerFailed | Closed


class GroupConsumer(Protocol):
    """A member of a consumer group. Events arrive on the event loop that called `start`.

    Everything that Kafka has to say (rebalances, answers to commits, records) is heard only while a batch is
    asked for: whoever does not ask for longer than a second should pause everything and ask.
    """

    def start(self, on_event: Callable[[Event], None]) -> None:
        """Join the group and begin to report."""

    def regulate(self, flow: FlowControl) -> None:
        """Pause and resume partitions; ask for one more batch."""

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit; `Committed` answers. One at a time."""

    def release(self, offsets: Mapping[Partition, int]) -> None:
        """Answer `Revoked`: commit these offsets, wait for the broker, and let the partitions go."""

    def proven_at(self) -> float:
        """When (monotonic clock) this process could last be sure that it is a live member of the group."""

    def close(self) -> None:
        """Leave the group without committing; `Closed` follows."""
