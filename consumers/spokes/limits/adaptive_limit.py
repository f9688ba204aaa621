"""Find out how many calls at once a system bears: add while it keeps up, and halve when it does not (AIMD)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.spokes.limits.slot_limit import SlotLimit

_OVERLOADED = (429, 503)
_SLOW = 3.0  # times the quickest response that was seen lately
_FORGET = 1.01  # by which the quickest response grows with each other one, so that it follows the system
_DECREASE = 0.5


class AdaptiveLimit:
    """Changes the size of a `SlotLimit` between 1 and `most` by what the calls show.

    It is halved at most once in the time of a response, because calls that were made together fail together.
    """

    def __init__(self, limit: SlotLimit, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._most = most
        self._clock = clock
        self._size = float(most)
        self._quickest = float("inf")
        self._decreased_at = float("-inf")

    @property
    def size(self) -> int:
        """How many calls may be under way at once."""
        return max(1, int(self._size))

    def ended(self, began: float, status: int | None) -> None:
        """Record the end of a call: when it began (by the clock), and the status of its response, if there was one."""
        now = self._clock()
        seconds = now - began
        if status is None or status in _OVERLOADED or seconds > _SLOW * self._quickest:
            if began >= self._decreased_at:
                self._size, self._decreased_at = max(1.0, self._size * _DECREASE), now
        else:
            self._size = min(float(self._most), self._size + 1 / self._size)
        if status is not None and status not in _OVERLOADED:
            self._quickest = min(self._quickest * _FORGET, max(seconds, 0.001))
        self._limit.resize(self.size)
