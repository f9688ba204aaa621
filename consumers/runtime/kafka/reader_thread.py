"""Run a blocking reader on a thread of its own and pass what it reads to the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class ReaderThread(Generic[T]):
    """A thread that reads from `start` to `stop`."""

    def __init__(self, name: str, read: Callable[[threading.Event], Iterator[T]], take: Callable[[T], object]) -> None:
        """`read` runs on the thread and ends soon after its event is set; `take` is called on the event loop."""
        self._read = read
        self._take = take
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start to read for the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Stop, and wait until the thread has ended."""
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        for item in self._read(self._stopped):
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._take, item)
