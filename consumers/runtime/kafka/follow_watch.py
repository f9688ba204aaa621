"""Notice that partitions which are followed are not read, although they have records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.runtime.kafka.fetch_watch import FetchState, FetchWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.runtime.kafka.offset_range import OffsetRange, TopicAndPartition

CHECK_EVERY = 5.0  # seconds; each check asks for the watermarks of every partition
RESTART_EVERY = 60.0  # seconds between two new clients at least


class FollowWatch:
    """Compares how far each partition was read with what its broker has; times are of one monotonic clock."""

    def __init__(self, ranges: Iterable[OffsetRange], now: float) -> None:
        self.positions = {each.topic_partition: each.start for each in ranges}
        self._watch: FetchWatch[TopicAndPartition] = FetchWatch()
        self._due_at, self._restart_allowed_at = now + CHECK_EVERY, now

    def read(self, topic_partition: TopicAndPartition, next_offset: int) -> None:
        """Record how far a partition was read: behind a record, or to its end."""
        if topic_partition in self.positions:
            self.positions[topic_partition] = next_offset

    def find_unread(
        self, watermarks: Callable[[TopicAndPartition], tuple[int, int] | None], now: float
    ) -> TopicAndPartition | None:
        """Return a partition that stands still although it has records, if it is time to look and to start anew.

        `watermarks` returns the first and the next offset of a partition; None if no broker says so.
        """
        if now < self._due_at:
            return None
        self._due_at = now + CHECK_EVERY
        unread = self._find_standing(watermarks, now)
        if unread is None or now < self._restart_allowed_at:
            return None
        self._restart_allowed_at = now + RESTART_EVERY
        self._watch = FetchWatch()
        return unread

    def _find_standing(
        self, watermarks: Callable[[TopicAndPartition], tuple[int, int] | None], now: float
    ) -> TopicAndPartition | None:
        found = None
        for each in [*self.positions]:
            marks = watermarks(each)
            if marks is None:
                # It took a second to hear nothing, and nothing is read meanwhile: the next check asks it last.
                self._watch.forget(each)
                self.positions[each] = self.positions.pop(each)
                break
            low, high = marks
            if self._watch.observe(each, FetchState(position=self.positions[each], low=low, high=high), now):
                found = found or each
        return found
