"""Commit what is finished, one request at a time, and trust only the broker's response."""

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

    def commit(self, *, sure: bool) -> None:
        """Commit what the broker does not have yet; if membership is in doubt, also what it has."""
        if self._began is not None:
            return
        # After a stall only the broker can tell whether this process is still a member; a commit finds out.
        offsets = self._ledger.uncommitted() if sure else self._ledger.committable(self._ledger.owned)
        if offsets:
            self._began = self._clock()
            self._client.commit(offsets)

    def on_response(self, answer: Committed) -> None:
        """Process the broker's response to a commit."""
        self._ledger.mark_committed(answer.offsets)
        if answer.offsets and self._began is not None:
            self._observer.committed(len(answer.offsets), self._clock() - self._began)
        self._began = None
