"""Limit how many calls per second are made to one system."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_ROUNDING = 1e-6  # seconds; sums of intervals are not exact


class RateLimit:
    """A token bucket: `rate` calls per second on average, and up to `burst` at once after a pause.

    Callers are admitted in the order in which they came.
    """

    def __init__(
        self,
        rate: float,
        burst: int = 1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._interval = 1 / rate
        self._tolerance = (burst - 1) * self._interval
        self._clock = clock
        self._sleep = sleep
        self._next_at = float("-inf")  # when the next token would be there with a burst of one

    def try_take(self) -> float:
        """Take a token if there is one, and return 0; else return the seconds until there is one."""
        now = self._clock()
        due = max(self._next_at, now - self._tolerance)
        if due - now > _ROUNDING:
            return due - now
        self._next_at = due + self._interval
        return 0.0

    async def take(self) -> None:
        """Wait for a token and take it."""
        now = self._clock()
        due = max(self._next_at, now - self._tolerance)
        self._next_at = due + self._interval
        if (wait := due - now) > 0:
            await self._sleep(wait)
