"""Hold the right to deliver for a subscription, which one process has at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.store.port import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.store.subscriptions.port import SubscriptionStore
    from router.northbound.hub.subscription import RunSubscription

LEASE = 15.0  # seconds; longer than the longest timeout of a delivery, with the time until a renewal
RENEW_EVERY = 3.0  # seconds


class Lease:
    """A claim of one subscription, renewed while it is used.

    The processes compare their clocks through the store: clocks that differ by more than a few seconds let two of them
    deliver at once.
    """

    def __init__(self, store: SubscriptionStore, subscription_id: str, owner: str, now: Callable[[], datetime]) -> None:
        self._store = store
        self._subscription_id = subscription_id
        self._owner = owner
        self._now = now
        self._until: datetime | None = None

    async def claim(self) -> RunSubscription | None:
        """Return the subscription if nobody else delivers for it."""
        now = self._now()
        until = now + timedelta(seconds=LEASE)
        claimed = await self._store.claim(self._subscription_id, self._owner, now, until)
        self._until = until if claimed is not None else None
        return claimed

    async def keep(self) -> None:
        """Renew the claim until this is cancelled or the claim is lost."""
        while self.is_held():
            await asyncio.sleep(RENEW_EVERY)
            now = self._now()
            until = now + timedelta(seconds=LEASE)
            try:
                held = await self._store.renew(self._subscription_id, self._owner, now, until)
            except StoreUnavailableError:
                continue  # it ends by itself if the store does not come back
            self._until = until if held else None

    async def release(self) -> None:
        """Release the claim."""
        self._until = None
        await self._store.release(self._subscription_id, self._owner)

    def is_held(self) -> bool:
        """Return whether this process may deliver now."""
        return self.covers(0)

    def covers(self, seconds: float) -> bool:
        """Return whether a call of this length ends before the claim does."""
        return self._until is not None and self._now() + timedelta(seconds=seconds) < self._until
