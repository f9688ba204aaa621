"""Publish orders whose process ended between storing and publishing them, and keep the table of orders small."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.periodic import repeat
from producers.publisher import RecordTooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.northbound.orders.order_book import OrderBook
    from consumers.periodic import ReportSentence
    from consumers.store.orders.port import OrderStore

BATCH_SIZE = 100
EVERY = 2.0  # seconds
KEPT_BY_DEFAULT = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPublisher:
    """Publishes orders that have waited longer than `patience`.

    The POST that stored a younger order may still be publishing it.
    """

    store: OrderStore
    book: OrderBook
    now: Callable[[], datetime]
    warn: ReportSentence
    on_published: Callable[[int], None] = lambda _: None
    patience: timedelta = timedelta(seconds=10)
    keep: timedelta = KEPT_BY_DEFAULT  # for orders that routing refused
    every: float = EVERY

    async def run(self) -> None:
        """Publish until cancelled."""
        await repeat(self.work, every=self.every, warn=self.warn, failure="Orders could not be published")

    async def work(self) -> None:
        """Mark what was published here, publish what others left, and forget what is done."""
        await self.store.flush()
        await self.publish()
        await self.store.mark_routed()
        await self.store.expire_unrouted(self.now() - self.keep)

    async def publish(self) -> int:
        """Publish everything that waits for too long, the oldest first; return the number of orders."""
        published = 0
        while waiting := await self.store.unpublished(self.now() - self.patience, BATCH_SIZE):
            for order in waiting:
                try:
                    if not await self.book.publish([order]):
                        self.warn("an order could not be published; this will be retried: Kafka did not accept it")
                        return published
                except RecordTooLargeError as error:
                    self.warn(f"an order is deleted because Kafka does not take it: {error}")
                    await self.store.remove(order)
                    continue
                published += 1
            await self.store.flush()
        if published:
            self.on_published(published)
        return published
