"""Limit how often each client calls: one token bucket per client, for a bounded number of clients."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_BUCKETS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`per_second` calls on average, and up to `burst` at once after a pause."""

    per_second: float
    burst: int


class ClientLimits:
    """The buckets of all clients. Of too many clients, those are forgotten that did not call for the longest time.

    A bucket is the time at which it would be full again (as in the generic cell rate algorithm).
    """

    def __init__(self, clock: Callable[[], float], *, max_buckets: int = _MAX_BUCKETS) -> None:
        self._clock = clock  # monotonic seconds
        self._max_buckets = max_buckets
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, client: str, rate: Rate) -> float:
        """Take a token and return 0, or return in how many seconds there is one."""
        wait = self.wait(client, rate)
        if wait <= 0:
            now = self._clock()
            self._full_at[client] = max(self._full_at.get(client, now), now) + 1 / rate.per_second
            self._full_at.move_to_end(client)
            if len(self._full_at) > self._max_buckets:
                self._full_at.popitem(last=False)
        return max(0.0, wait)

    def wait(self, client: str, rate: Rate) -> float:
        """Return in how many seconds there is a token, at most 0 if there is one now; nothing is taken."""
        now = self._clock()
        tolerance = (rate.burst - 1) / rate.per_second
        return self._full_at.get(client, now) - now - tolerance
