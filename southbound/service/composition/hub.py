"""Build the role `hub`: the workers that announce events of runs, and the deliveries to subscribers."""

from __future__ import annotations

import random
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from consumers.metrics import HUB_DELIVERIES, HUB_DELIVERY_SECONDS, HUB_OVERTAKEN, HUB_PARKED, HUB_WAITING
from consumers.northbound.api.hub import Subscribing, hub_resource
from consumers.northbound.hub.announce_events import HubEventHandler
from consumers.northbound.hub.callback import read_query
from consumers.northbound.hub.callback_client import CallbackClient
from consumers.northbound.hub.deliver import DeliverySettings, DeliveryTools
from consumers.northbound.hub.hub import DeliveryHub, Retention
from consumers.runtime.backoff import Backoff
from consumers.store.subscriptions.port import SubscriptionLimits
from router.northbound.hub.plan import DeliveryPlanner
from router.northbound.hub.signature import SigningKey
from router.northbound.hub.specification_changes import SpecificationPlanner
from router.northbound.hub.subscription import SubscriptionState
from router.northbound.resource import to_resource
from southbound.service.composition.shared_resources import utc_now
from southbound.service.composition.workers import build_worker
from southbound.service.roles import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.metrics import Metrics
    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.api.resource_routes import ResourceRoutes
    from consumers.runtime.worker import Worker
    from consumers.store.orders.port import OrderStore
    from consumers.store.subscriptions.port import SubscriptionStore
    from router.northbound.hub.delivery_result import DeliveryVerdict
    from router.northbound.hub.subscription import RunSubscription
    from southbound.service.composition.shared_resources import SharedResources
    from southbound.settings.hub import HubSettings
    from southbound.settings.settings import Settings

log = structlog.get_logger()
UNSIGNED = (
    "hub.signing_key is not set, and the role hub signs every event: set SOUTHBOUND_HUB__SIGNING_KEY to a secret of at"
    " least 32 characters, the same one in every process"
)


def hub_workers(resources: SharedResources) -> dict[str, Worker]:
    """Build the consumers of the published events, one per topic: one that waits for the other must not stop it."""
    handler = HubEventHandler(
        orders=_orders(resources),
        subscriptions=_subscriptions(resources),
        planner=delivery_planner(resources.settings),
        now=utc_now,
        on_announced=resources.new_deliveries.set,
        on_overtaken=lambda: resources.metrics.count(HUB_OVERTAKEN),
    )
    topics = resources.events.topics
    return {
        name: build_worker(resources, name, topic, lambda _: handler.handle)
        for name, topic in ((f"{Role.HUB}.inflight", topics.inflight), (f"{Role.HUB}.results", topics.results))
    }


def build_delivery_hub(resources: SharedResources) -> DeliveryHub:
    """Build the deliveries to subscribers."""
    hub = resources.settings.hub
    return DeliveryHub(
        tools=DeliveryTools(
            store=_subscriptions(resources),
            settings=DeliverySettings(
                concurrency=hub.concurrency,
                timeout=hub.timeout,
                park_after=hub.park_after,
                retry=Backoff(initial_interval=1.0, max_interval=hub.max_pause),
            ),
            now=utc_now,
            random=random.random,  # jitter, not a secret
            secrets_of=lambda subscription_id: secrets_of(hub, subscription_id),
            observer=HubMetrics(resources.metrics),
        ),
        planner=delivery_planner(resources.settings),
        specifications=specification_planner(resources.settings),
        client_for=lambda subscription: CallbackClient(
            subscription.callback, hub.policy(), timeout=hub.timeout, concurrency=hub.concurrency
        ),
        owner=uuid.uuid4().hex,
        retention=Retention(count=hub.keep_events, age=timedelta(days=hub.keep_for)),
        news=resources.new_deliveries,
        warn=lambda sentence: log.warning("delivery to subscribers", problem=sentence),
    )


def hub_resources(resources: SharedResources, reader: RequestReader) -> list[ResourceRoutes]:
    """Return the resource `hub` of the northbound interface; none without a key, because events would not be signed."""
    hub = resources.settings.hub
    if hub.signing_key is None:
        return []
    subscribing = Subscribing(
        store=_subscriptions(resources),
        policy=hub.policy(),
        limits=SubscriptionLimits(hub.max_subscriptions, hub.max_subscriptions_per_client),
        now=utc_now,
        new_id=lambda: str(uuid.uuid4()),
        secret_of=lambda subscription_id: secrets_of(hub, subscription_id)[0],
    )
    return [hub_resource(subscribing, reader)]


def delivery_planner(settings: Settings) -> DeliveryPlanner:
    """Build the planner of deliveries."""
    return DeliveryPlanner(
        show=lambda view, version: to_resource(view, version, settings.api.url or ""),
        read_query=read_query,
        thin=settings.hub.payload == "thin",
    )


def specification_planner(settings: Settings) -> SpecificationPlanner:
    """Build the planner of deliveries about specifications."""
    return SpecificationPlanner(
        base_url=settings.api.url or "", read_query=read_query, thin=settings.hub.payload == "thin"
    )


def secrets_of(hub: HubSettings, subscription_id: str) -> tuple[bytes, ...]:
    """Return the secrets that sign the events of a subscription, the present one first."""
    keys = (hub.signing_key, hub.previous_signing_key)
    return tuple([SigningKey(key.get_secret_value()).secret_of(subscription_id) for key in keys if key is not None])


class HubMetrics:
    """Counts deliveries by their outcome; a `HubObserver`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._known: dict[str, SubscriptionState] = {}

    def attempted(self, subscription_id: str, verdict: DeliveryVerdict, seconds: float) -> None:
        """Count and time one attempt."""
        self._metrics.count(HUB_DELIVERIES, subscription_id, verdict)
        self._metrics.observe_duration(HUB_DELIVERY_SECONDS, seconds)

    def expired(self, subscription_id: str, count: int) -> None:
        """Count deliveries that were dropped."""
        self._metrics.count(HUB_DELIVERIES, subscription_id, "expired", by=count)

    def listed(self, found: Sequence[tuple[RunSubscription, int]]) -> None:
        """Show what waits for each subscriber, and log which are parked."""
        states = {subscription.subscription_id: subscription.state for subscription, _ in found}
        for subscription, waiting in found:
            subscription_id, state = subscription.subscription_id, subscription.state
            self._metrics.set(HUB_WAITING, waiting, subscription_id)
            self._metrics.set(HUB_PARKED, state is SubscriptionState.PARKED, subscription_id)
            if state is SubscriptionState.PARKED and self._known.get(subscription_id) is not state:
                log.warning("subscription is parked", subscription=subscription_id, problem=subscription.problem)
        for subscription_id in self._known.keys() - states.keys():
            self._metrics.remove_gauge(HUB_WAITING, subscription_id)
            self._metrics.remove_gauge(HUB_PARKED, subscription_id)
        self._known = states


def _subscriptions(resources: SharedResources) -> SubscriptionStore:
    if resources.subscriptions is None:
        raise RuntimeError("this run store has no subscriptions")
    return resources.subscriptions


def _orders(resources: SharedResources) -> OrderStore:
    if resources.orders is None:
        raise RuntimeError("this run store has no orders")
    return resources.orders
