"""Commit what is finished, one request at a time, and trust only the broker's response."""

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
    """The commits of one worker."""

    def __init__(
        self, client: GroupConsumer, ledger: OffsetTracker, observer: Observer, clock: Callable[[], float]
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._observer = observer
        self._clock = clock
        self._began: float | None = None
        self._ranges_due_at = 0.0

    def commit(self, *, sure: bool) -> None:
        """Commit what the broker does not have yet; if membership is in doubt, also what it has."""
        if self._began is not None:
            return
        now = self._clock()
        # After a stall only the broker can tell whether this process is still a member; a commit finds out.
        commits = self._due(now) if sure else self._ledger.committable()
        if commits:
            self._began = now
            self._client.commit(commits)

    def _due(self, now: float) -> Mapping[Partition, Commit]:
        if now < self._ranges_due_at:
            return self._ledger.behind()
        self._ranges_due_at = now + RANGES_EVERY
        return self._ledger.uncommitted()

    def commit_all(self) -> bool:
        """Commit everything that the broker does not have yet; return whether there is something left."""
        self._ranges_due_at = 0.0
        self.commit(sure=True)
        return bool(self._ledger.uncommitted())

    def on_response(self, answer: Committed) -> None:
        """Process the broker's response to a commit."""
        self._ledger.mark_committed(answer.commits)
        if answer.commits and self._began is not None:
            self._observer.committed(len(answer.commits), self._clock() - self._began)
        self._began = None
