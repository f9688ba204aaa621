"""Commit what is finished, one request at a time, and believe only the broker's answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.runtime.consumer_port import Committed, GroupConsumer
    from consumers.runtime.monitoring import Observer
    from consumers.runtime.offsets import OffsetTracker


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

    def make(self, *, sure: bool) -> None:
        """Commit what the broker does not know; while we are not sure of our membership, also what it knows."""
        if self._began is not None:
            return
        # After a stall only the broker can tell whether we are still a member; a commit asks it.
        offsets = self._ledger.unsaved() if sure else self._ledger.committable(self._ledger.owned)
        if offsets:
            self._began = self._clock()
            self._client.commit(offsets)

    def answered(self, answer: Committed) -> None:
        """Take the broker's answer."""
        self._ledger.saved(answer.offsets)
        if answer.offsets and self._began is not None:
            self._observer.committed(len(answer.offsets), self._clock() - self._began)
        self._began = None
