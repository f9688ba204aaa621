"""Limit the concurrent calls to one system, and share its slots among the kinds of calls.

Each kind waits in a queue of its own, so that calls of one kind that hang do not stop those of another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

# Seconds for which a free slot waits for others. A caller stores the run when it has its slot,
# and runs that are stored together cost a fraction: slots that are granted one at a time cost a sixth more CPU per run.
GRANT_DELAY = 0.002
_MIN_SHARED = 4  # slots, of which a quarter is left to writes
_MAX_GROUPS = 4  # slots are granted once so many parts of them are free


class CallKind(Enum):
    """The kinds of calls that share the slots."""

    WRITE = "POST, PATCH and cancellations"
    LOOK_UP = "whether a run is there"
    READ = "the state of a run, after a report or a check"
    POLL = "the state of a run that was not reported lately"


class SlotShare:
    """A context manager that admits the calls of one kind, in the order in which they came.

    At most `most` of them are in progress. A kind with fewer than `least` in progress comes first when a slot is free.
    """

    __slots__ = ("_limit", "granted_at", "least", "most", "taken", "waiting")

    def __init__(self, limit: SlotLimit, *, least: int, most: int) -> None:
        self._limit = limit
        self.least = least
        self.most = most
        self.taken = 0
        self.granted_at = 0  # the number of the last grant
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> Self:
        """Wait for a slot and take it."""
        if self._limit.take_free(self):
            return self
        granted = asyncio.get_running_loop().create_future()
        self.waiting.append(granted)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._limit.release(self)
            raise
        return self

    async def __aexit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the slot."""
        self._limit.release(self)


class SlotLimit:
    """Limits the concurrent calls to `size` slots, shared by the kinds of calls.

    A quarter is reserved for writes, which may use every slot; look-ups and reads use at most half each, polls a
    quarter. A free slot goes first to a kind that waits while it uses less than a quarter, then to the kind whose last
    grant is oldest. With fewer than four slots nothing is reserved, and only this order holds.
    """

    def __init__(self, size: int) -> None:
        self._size = self._free = 0
        self._grants = 0
        self._timer: asyncio.TimerHandle | None = None
        self._shares = {kind: SlotShare(self, least=0, most=0) for kind in CallKind}
        self._writes = self._shares[CallKind.WRITE]
        self.resize(size)

    def resize(self, size: int) -> None:
        """Admit another number of calls at once; those that are under way go on."""
        if size == self._size:
            return
        self._free += size - self._size
        self._size = size
        self._group = max(1, size // _MAX_GROUPS)
        # With fewer than four slots, none is kept back: the kinds take turns.
        quarter, half = (size // 4, size // 2) if size >= _MIN_SHARED else (size, size)
        self._left_to_writes = quarter if size >= _MIN_SHARED else 0
        most = {CallKind.WRITE: size, CallKind.LOOK_UP: half, CallKind.READ: half, CallKind.POLL: quarter}
        for kind, share in self._shares.items():
            share.least, share.most = max(1, size // 4), most[kind]
        if self._free > 0:
            self._grant()

    def share_of(self, kind: CallKind) -> SlotShare:
        """Return the share of one kind of calls, to be entered for each call."""
        return self._shares[kind]

    def take_free(self, share: SlotShare) -> bool:
        """Take a free slot, unless other calls wait for it."""
        if not self._admits(share) or self._grantable():
            return False
        self._give(share)
        return True

    def release(self, share: SlotShare) -> None:
        """Release a slot, and grant the free slots once there are enough of them."""
        self._free += 1
        share.taken -= 1
        grantable = self._grantable()
        if not grantable:
            return
        if self._free >= min(self._group, grantable) or self._free == self._size:
            self._grant()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GRANT_DELAY, self._grant)

    def _grant(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (share := self._next_share()) is not None:
            granted = share.waiting.popleft()
            if not granted.done():  # its caller was cancelled
                self._give(share)
                granted.set_result(None)

    def _give(self, share: SlotShare) -> None:
        self._free -= 1
        self._grants += 1
        share.taken += 1
        share.granted_at = self._grants

    def _next_share(self) -> SlotShare | None:
        """Return the kind that gets the next slot: one below its share first, then the one with the oldest grant."""
        shares = [share for share in self._shares.values() if share.waiting and self._admits(share)]
        return min(shares, key=lambda share: (share.taken >= share.least, share.granted_at), default=None)

    def _grantable(self) -> int:
        return sum([len(share.waiting) for share in self._shares.values() if share.waiting and self._admits(share)])

    def _admits(self, share: SlotShare) -> bool:
        if self._free <= 0 or share.taken >= share.most:
            return False
        if share is self._writes:
            return True
        others = self._size - self._free - self._writes.taken
        return others < self._size - self._left_to_writes
