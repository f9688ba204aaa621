"""Wake requests that wait for a run when something is published about it, and bound how many wait."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from schemas.results import Reason


class TooManyWaitingError(Exception):
    """As many requests wait as may wait."""


class RunWatch:
    """What one request waits for; it belongs to one task."""

    def __init__(self, signals: RunSignals) -> None:
        self._signals = signals
        self._changed = asyncio.Event()
        self.root_ids: set[str] = set()
        self.refusals: dict[str, Sequence[Reason]] = {}

    def also(self, root_run_id: str) -> None:
        """Wait for what is published about the hierarchy of this root, too."""
        self._signals.add(root_run_id, self)

    def clear(self) -> None:
        """Forget what was published until now: the run is read after this."""
        self._changed.clear()

    def wake(self) -> None:
        """Let the request read its run again."""
        self._changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait until something was published since `clear`, or the process stops, for at most this time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return


class RunSignals:
    """The requests that wait in this process, by the root run that they wait for. Nothing is stored."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._watches: dict[str, set[RunWatch]] = {}
        self._count = 0
        self.is_closed = False

    @property
    def waiting(self) -> int:
        """The number of requests that wait."""
        return self._count

    @property
    def watched(self) -> Mapping[str, object]:
        """The root runs that are waited for; another thread may look a key up."""
        return self._watches

    @contextmanager
    def watch(self, root_run_id: str) -> Iterator[RunWatch]:
        """Wait for a run within the block.

        Raises:
            TooManyWaitingError: too many requests wait already.
        """
        if self._count >= self._limit or self.is_closed:
            raise TooManyWaitingError
        watch = RunWatch(self)
        self._count += 1
        self.add(root_run_id, watch)
        try:
            yield watch
        finally:
            self._count -= 1
            for each in watch.root_ids:
                self._remove(each, watch)

    def add(self, root_run_id: str, watch: RunWatch) -> None:
        """Let a watch wait for this root run."""
        watch.root_ids.add(root_run_id)
        self._watches.setdefault(root_run_id, set()).add(watch)

    def notify(self, root_run_id: str, refusals: Mapping[str, Sequence[Reason]]) -> None:
        """Wake the requests that wait for a root run.

        `refusals` are the reasons of runs that no store has, by their ids.
        """
        for watch in self._watches.get(root_run_id, ()):
            watch.refusals.update(refusals)
            watch.wake()

    def close(self) -> None:
        """Let every request answer without waiting any longer: the process stops."""
        self.is_closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.wake()

    def _remove(self, root_run_id: str, watch: RunWatch) -> None:
        watches = self._watches[root_run_id]
        watches.discard(watch)
        if not watches:
            del self._watches[root_run_id]
