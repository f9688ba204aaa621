"""Tell whoever watches what the runtime does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from consumers.runtime.handler import Outcome
    from consumers.runtime.records import Record
    from schemas.problem import Trouble


class Settled(NamedTuple):
    """One attempt at one record has ended; a dead letter is acknowledged by then."""

    record: Record
    attempt: int
    outcome: Outcome
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Numbers of this moment, over all partitions."""

    partitions: int
    paused: int
    buffered: int
    running: int
    startable: int
    parked: int
    dead_letters_in_a_row: int


class Observer(Protocol):
    """Four calls on the event loop; they must be quick and may not raise."""

    def received(self, topic: str, records: int) -> None:
        """Count records that came in with one batch."""

    def settled(self, settled: Settled) -> None:
        """Count and time one attempt."""

    def committed(self, partitions: int, seconds: float) -> None:
        """Time one commit from the request to the broker's answer."""

    def complained(self, trouble: Trouble) -> None:
        """Say out loud what a person should look at."""


class Silent:
    """Nobody watches."""

    def received(self, topic: str, records: int) -> None:
        """Ignore."""

    def settled(self, settled: Settled) -> None:
        """Ignore."""

    def committed(self, partitions: int, seconds: float) -> None:
        """Ignore."""

    def complained(self, trouble: Trouble) -> None:
        """Ignore."""
