"""Deliver the events of one subscription: in order for each run, several runs at once."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from consumers.runtime.backoff import Backoff
from consumers.store.subscriptions.port import Failure, Settlement
from router.northbound.hub.delivery_result import MAX_REFUSALS, DeliveryVerdict, delivery_result
from router.northbound.hub.signature import signature_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from consumers.northbound.hub.callback_client import SubscriberClient
    from consumers.northbound.hub.leases import Lease
    from consumers.store.subscriptions.port import SubscriptionStore
    from router.northbound.hub.delivery_result import DeliveryResult
    from router.northbound.hub.subscription import Delivery, RunSubscription

BATCH = 64  # deliveries that are read at once


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """How deliveries are made and repeated; seconds."""

    concurrency: int = 4
    timeout: float = 10.0
    park_after: float = 86_400.0
    retry: Backoff = field(default_factory=lambda: Backoff(initial_interval=1.0, max_interval=300.0))


class HubObserver(Protocol):
    """Counts deliveries by their outcome."""

    def attempted(self, subscription_id: str, verdict: DeliveryVerdict, seconds: float) -> None:
        """Observe one attempt."""

    def expired(self, subscription_id: str, count: int) -> None:
        """Observe deliveries that were dropped."""

    def listed(self, found: Sequence[tuple[RunSubscription, int]]) -> None:
        """Observe all subscriptions, with the number of deliveries that wait for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTools:
    """What every delivery needs."""

    store: SubscriptionStore
    settings: DeliverySettings
    now: Callable[[], datetime]
    random: Callable[[], float]
    secrets_of: Callable[[str], tuple[bytes, ...]]
    observer: HubObserver


class SubscriberQueue:
    """The deliveries of one subscription while this process holds its lease.

    A subscriber that fails gets one delivery at a time, of another run each time, until one succeeds: neither a
    subscriber that is down nor a single event that breaks it is called more often than that.
    """

    def __init__(
        self, subscription: RunSubscription, client: SubscriberClient, tools: DeliveryTools, lease: Lease
    ) -> None:
        self._subscription = subscription
        self._client = client
        self._tools = tools
        self._lease = lease
        self._failures = subscription.failures
        self._failing_since = subscription.failing_since
        self._failed: DeliveryResult | None = None  # of the present batch
        self._slots = asyncio.Semaphore(tools.settings.concurrency)

    async def deliver_all(self) -> None:
        """Deliver until nothing is left that may be sent now, the subscriber fails, or the lease is lost."""
        store, subscription_id = self._tools.store, self._subscription.subscription_id
        while self._lease.is_held():
            batch = await store.first_deliveries(subscription_id, self._tools.now(), BATCH)
            if not batch:
                return
            self._failed = None
            await self._deliver_batch([_least_tried(batch)] if self._failures else batch)
            if self._failed is not None:
                await self._store_failure(self._failed)
                return

    async def _deliver_batch(self, batch: Sequence[Delivery]) -> None:
        by_run: Mapping[str, list[Delivery]] = defaultdict(list)
        for delivery in batch:
            by_run[delivery.run_id].append(delivery)
        ended = await asyncio.gather(*map(self._deliver_run, by_run.values()), return_exceptions=True)
        for error in ended:
            if isinstance(error, BaseException):
                raise error

    async def _deliver_run(self, deliveries: Sequence[Delivery]) -> None:
        async with self._slots:
            for delivery in deliveries:
                if self._failed is not None or not self._lease.covers(self._tools.settings.timeout):
                    return
                if not await self._deliver(delivery):
                    return

    async def _deliver(self, delivery: Delivery) -> bool:
        """Make one attempt; return whether the next event of the run may be sent."""
        result = await self._send(delivery)
        subscription_id = self._subscription.subscription_id
        if result.verdict is DeliveryVerdict.DELIVERED:
            self._failures, self._failing_since = 0, None
            settlement = Settlement(subscription_id, delivery.sequence, delivered=True)
        elif result.verdict is DeliveryVerdict.REFUSED:
            self._failures, self._failing_since = 0, None
            settlement = self._after_refusal(delivery, result)
        else:
            self._failed = result
            settlement = Settlement(
                subscription_id,
                delivery.sequence,
                delivered=False,
                problem=result.problem,
                # Later than the next attempt at the subscriber, which is made with another run's event.
                retry_at=self._retry_at(delivery.attempts + 2, result),
                works=False,
            )
        await self._tools.store.settle(settlement, self._tools.now())
        return settlement.retry_at is None

    async def _send(self, delivery: Delivery) -> DeliveryResult:
        body = delivery.body.encode()
        now = self._tools.now()
        secrets = self._tools.secrets_of(self._subscription.subscription_id)
        headers = signature_headers(secrets, delivery.event_id, int(now.timestamp()), body)
        reply = await self._client.post(headers, body)
        ended = self._tools.now()
        result = delivery_result(reply, ended)
        seconds = (ended - now).total_seconds()
        self._tools.observer.attempted(self._subscription.subscription_id, result.verdict, seconds)
        return result

    def _after_refusal(self, delivery: Delivery, result: DeliveryResult) -> Settlement:
        attempts = delivery.attempts + 1
        problem = f"event {delivery.event_id}: {result.problem}"
        retry_at = None if attempts >= MAX_REFUSALS else self._retry_at(attempts, result)
        return Settlement(
            self._subscription.subscription_id, delivery.sequence, delivered=False, problem=problem, retry_at=retry_at
        )

    def _retry_at(self, attempt: int, result: DeliveryResult) -> datetime:
        # At least half of the longest delay: full jitter would call a subscriber that is down at once.
        delay = self._tools.settings.retry.max_delay(attempt) * (1 + self._tools.random()) / 2
        return self._tools.now() + timedelta(seconds=max(delay, result.retry_after))

    async def _store_failure(self, result: DeliveryResult) -> None:
        now = self._tools.now()
        self._failures += 1
        since = self._failing_since or now
        parked = result.verdict is DeliveryVerdict.GONE or (
            (now - since).total_seconds() >= self._tools.settings.park_after
        )
        await self._tools.store.fail(
            self._subscription.subscription_id,
            Failure(
                problem=result.problem,
                failures=self._failures,
                failing_since=since,
                next_attempt_at=self._retry_at(self._failures, result),
                parked=parked,
            ),
        )


def _least_tried(batch: Sequence[Delivery]) -> Delivery:
    """Return the delivery that finds out whether the subscriber works: the first of a run, of those tried least."""
    first_of_runs: dict[str, Delivery] = {}
    for delivery in batch:
        first_of_runs.setdefault(delivery.run_id, delivery)
    return min(first_of_runs.values(), key=lambda delivery: (delivery.attempts, delivery.sequence))
