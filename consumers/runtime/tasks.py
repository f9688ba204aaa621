"""Hold the tasks of the records that run, and the timers of those that are tried again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine

    from consumers.runtime.records import Partition, Record


class Tasks:
    """A record has a task while its handler works, or a timer while it is parked. `safely` takes steps of the owner."""

    def __init__(self, safely: Callable[..., None]) -> None:
        self._safely = safely
        self._running: dict[Record, asyncio.Task[None]] = {}
        self._timers: dict[Record, asyncio.TimerHandle] = {}

    @property
    def quiet(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    def start(self, record: Record, work: Coroutine[None, None, None]) -> None:
        """Let a handler work."""
        self._running[record] = asyncio.get_running_loop().create_task(work)

    def ended(self, record: Record) -> bool:
        """Note that a handler is through with a record; False if that was noted before."""
        return self._running.pop(record, None) is not None

    def abandon(self, partitions: Collection[Partition], then: Callable[[Record], None]) -> None:
        """Cancel what runs of these partitions; `then` hears of each record whose handler has ended by that."""
        for record, task in self._running.items():
            if record.partition in partitions:
                task.cancel()
                # Not from within the task: one that has not begun yet ends without a step of its own.
                task.add_done_callback(lambda _, gone=record: self._safely(then, gone))  # type: ignore[misc]

    def later(self, record: Record, delay: float, then: Callable[[Record], None]) -> None:
        """Take a step for a parked record after `delay` seconds."""
        self._timers[record] = asyncio.get_running_loop().call_later(delay, self._ring, record, then)

    def not_later(self, record: Record) -> None:
        """Stop the timer of a record, if it has one."""
        if timer := self._timers.pop(record, None):
            timer.cancel()

    async def cancel_all(self) -> None:
        """Stop all timers and tasks, and wait until they have ended."""
        for timer in self._timers.values():
            timer.cancel()
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ring(self, record: Record, then: Callable[[Record], None]) -> None:
        del self._timers[record]
        self._safely(then, record)
