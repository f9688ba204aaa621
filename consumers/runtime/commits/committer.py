"""Commit finished offsets, one request at a time; an offset counts as committed only when the broker confirms it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.runtime.commits.offsets import Commit, OffsetTracker
    from consumers.runtime.consumer_port import Committed, GroupConsumer
    from consumers.runtime.handler import Partition
    from consumers.runtime.monitoring import Observer


RANGES_EVERY = 1.0  # seconds between two commits that bring only finished offsets above the same frontier


class Committer:
    """Commits the finished offsets of one worker to Kafka."""

    def __init__(
        self, client: GroupConsumer, tracker: OffsetTracker, observer: Observer, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._tracker = tracker
        self._observer = observer
        self._clock = clock
        self._began: float | None = None
        self._ranges_due_at = 0.0

    def commit(self, *, only_new: bool) -> None:
        """Commit what is finished, unless a commit is under way; with `only_new`, only what the broker lacks."""
        if self._began is not None:
            return
        now = self._clock()
        # After a stall only the broker can tell whether this process is still a member; a commit finds out.
        commits = self._due(now) if only_new else self._tracker.committable()
        if commits:
            self._began = now
            self._client.commit(commits)

    def _due(self, now: float) -> Mapping[Partition, Commit]:
        if now < self._ranges_due_at:
            return self._tracker.behind()
        self._ranges_due_at = now + RANGES_EVERY
        return self._tracker.uncommitted()

    def commit_all(self) -> bool:
        """Commit everything that the broker does not have; return whether something is still uncommitted."""
        self._ranges_due_at = 0.0
        self.commit(only_new=True)
        return bool(self._tracker.uncommitted())

    def on_response(self, answer: Committed) -> None:
        """Process the broker's response to a commit."""
        self._tracker.mark_committed(answer.commits)
        if answer.commits and self._began is not None:
            self._observer.committed(len(answer.commits), self._clock() - self._began)
        self._began = None
