"""Notice a partition that is owned, has records, and is not read."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
STUCK_AFTER = 10.0  # seconds without progress, although there are records


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchState:
    """Where librdkafka fetches next, and the first and next offset of the log; a negative offset is unknown.

    The fetch position passes what is never delivered (control records, aborted transactions), so it reaches `high`.
    `received` is one past the last record that was received.
    """

    position: int
    low: int
    high: int
    received: int = -1

    @property
    def is_another_log(self) -> bool:
        """Whether the log is not the one that was read: it ends before what was read, or the position went back."""
        return max(self.position, self.received) > self.high or 0 <= self.position < self.received

    @property
    def has_unread(self) -> bool:
        """Whether there are records that a fetch would return, or that are skipped."""
        unread = self.high > self.low if self.position < 0 else self.position < self.high
        return unread or self.is_another_log


class FetchWatch(Generic[Key]):
    """Compares what is observed of each partition; times are of one monotonic clock."""

    def __init__(self) -> None:
        self._unread_since: dict[Key, tuple[tuple[int, int], float]] = {}

    def observe(self, partition: Key, state: FetchState, now: float) -> bool:
        """Record the state of a partition; return whether it stands still although there are records."""
        # Statistics may be older than the last record, so a record is progress, too.
        progress = state.position, state.received
        before, since = self._unread_since.get(partition, (None, now))
        if not state.has_unread:
            self._unread_since.pop(partition, None)
            return False
        if before != progress:
            self._unread_since[partition] = (progress, now)
            return False
        return now - since >= STUCK_AFTER

    def forget(self, partition: Key) -> None:
        """Forget a partition that is paused or no longer owned."""
        self._unread_since.pop(partition, None)
