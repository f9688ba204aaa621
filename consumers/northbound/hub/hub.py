"""Run the deliveries of all subscriptions: one queue each, none of which waits for another."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from consumers.northbound.hub.deliver import SubscriberQueue
from consumers.northbound.hub.leases import Lease
from consumers.periodic import repeat
from consumers.store.port import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from consumers.northbound.hub.callback_client import SubscriberClient
    from consumers.northbound.hub.deliver import DeliveryTools
    from consumers.periodic import ReportSentence
    from router.northbound.hub.plan import DeliveryPlanner
    from router.northbound.hub.specification_changes import SpecificationPlanner
    from router.northbound.hub.subscription import RunSubscription

LOOK_EVERY = 0.5  # seconds between two searches for deliveries that are due
SPECIFICATIONS_EVERY = 2.0  # seconds between two searches for specifications that have changed
CLEAN_EVERY = 15.0  # seconds between two searches for what is too old, and for deleted runs
PAGE = 500  # announced runs that are compared with the run store at once
SPECIFICATIONS_PAGE = 50  # that are announced in one transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How many deliveries are kept for a subscriber that does not take them, and for how long."""

    count: int
    age: timedelta


class DeliveryHub:
    """Delivers until it is cancelled.

    `owner` names this process and no other one. `news` is set where there are new deliveries.
    """

    def __init__(
        self,
        *,
        tools: DeliveryTools,
        planner: DeliveryPlanner,
        specifications: SpecificationPlanner,
        client_for: Callable[[RunSubscription], SubscriberClient],
        owner: str,
        retention: Retention,
        news: asyncio.Event,
        warn: ReportSentence,
    ) -> None:
        self._tools = tools
        self._planner = planner
        self._specifications = specifications
        self._client_for = client_for
        self._owner = owner
        self._retention = retention
        self._warn = warn
        self._clients: dict[str, SubscriberClient] = {}
        self._queues: dict[str, asyncio.Task[None]] = {}
        self._new = news

    async def run(self) -> None:
        """Deliver, and drop what is too old, until cancelled."""
        failure = "deliveries to subscribers were not made"
        try:
            await asyncio.gather(
                repeat(self._start_queues, every=0, warn=self._warn, failure=failure),
                repeat(self._announce_specifications, every=SPECIFICATIONS_EVERY, warn=self._warn, failure=failure),
                repeat(self._clean, every=CLEAN_EVERY, warn=self._warn, failure=failure),
            )
        finally:
            queues = list(self._queues.values())
            for queue in queues:
                queue.cancel()
            await asyncio.gather(*queues, return_exceptions=True)
            for client in self._clients.values():
                await client.close()

    async def _start_queues(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._new.wait(), LOOK_EVERY)
        self._new.clear()
        for subscription in await self._tools.store.due(self._tools.now()):
            subscription_id = subscription.subscription_id
            if subscription_id not in self._queues:
                queue = self._queues[subscription_id] = asyncio.create_task(self._serve(subscription_id))
                queue.add_done_callback(partial(self._ended, subscription_id))

    def _ended(self, subscription_id: str, _: asyncio.Task[None]) -> None:
        self._queues.pop(subscription_id, None)

    async def _serve(self, subscription_id: str) -> None:
        lease = Lease(self._tools.store, subscription_id, self._owner, self._tools.now)
        try:
            subscription = await lease.claim()
            if subscription is not None:
                await self._deliver(subscription, lease)
        except StoreUnavailableError as error:
            self._warn(f"deliveries of subscription {subscription_id} stopped; they are repeated: {error}")
        except Exception as error:  # noqa: BLE001 - one subscription must not stop the others
            self._warn(f"deliveries of subscription {subscription_id} failed; they are repeated: {error!r}")

    async def _deliver(self, subscription: RunSubscription, lease: Lease) -> None:
        renewal = asyncio.create_task(lease.keep())
        try:
            await SubscriberQueue(subscription, self._client_of(subscription), self._tools, lease).deliver_all()
        finally:
            renewal.cancel()
            await asyncio.wait([renewal])
            await lease.release()

    def _client_of(self, subscription: RunSubscription) -> SubscriberClient:
        client = self._clients.get(subscription.subscription_id)
        if client is None:
            client = self._clients[subscription.subscription_id] = self._client_for(subscription)
        return client

    async def _clean(self) -> None:
        now = self._tools.now()
        expired = await self._tools.store.expire(now - self._retention.age, self._retention.count)
        for subscription_id, count in expired.items():
            self._tools.observer.expired(subscription_id, count)
            self._warn(f"{count} events of subscription {subscription_id} were too many or too old and were dropped")
        await self._announce_deletions()
        found = await self._tools.store.list_all()
        self._tools.observer.listed(found)
        await self._close_clients({subscription.subscription_id for subscription, _ in found})

    async def _announce_deletions(self) -> None:
        after: str | None = ""
        while after is not None:
            gone, after = await self._tools.store.gone_runs(after, PAGE)
            if gone:
                now = self._tools.now()
                run_ids = [run.run_id for run in gone]
                await self._tools.store.announce_deletions(run_ids, partial(self._planner.deletions, now), now)
                self._new.set()

    async def _announce_specifications(self) -> None:
        count = SPECIFICATIONS_PAGE
        while count == SPECIFICATIONS_PAGE:
            now = self._tools.now()
            plan = partial(self._specifications.plan, now=now)
            count = await self._tools.store.announce_specifications(plan, now, SPECIFICATIONS_PAGE)
            if count:
                self._new.set()

    async def _close_clients(self, known: set[str]) -> None:
        for subscription_id in self._clients.keys() - known - self._queues.keys():
            await self._clients.pop(subscription_id).close()
