"""Limit the calls that are under way to one system, and grant free slots to several callers at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

# Seconds for which a free slot waits for others. Callers store what they are about to send when they have their slot,
# and what is stored together costs a fraction: slots that are granted one at a time cost a sixth more CPU per run.
GRANT_DELAY = 0.002
_MAX_GROUPS = 4  # slots are granted once so many parts of them are free


class SlotLimit:
    """A context manager that admits `size` callers at once, in the order in which they came."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._group = max(1, size // _MAX_GROUPS)
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        """Wait for a slot and take it."""
        if self._free and not self._waiting:
            self._free -= 1
            return self
        granted = asyncio.get_running_loop().create_future()
        self._waiting.append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._release()
            raise
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the slot."""
        self._release()

    def _release(self) -> None:
        self._free += 1
        if not self._waiting:
            return
        if self._free >= min(self._group, len(self._waiting)) or self._free == self._size:
            self._grant()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRANT_DELAY, self._grant)

    def _grant(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._free and self._waiting:
            granted = self._waiting.popleft()
            if not granted.done():  # its caller was cancelled
                self._free -= 1
                granted.set_result(None)
