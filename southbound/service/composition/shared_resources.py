"""Hold what all roles of a process share; each resource is opened or built once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from consumers.dispatch.call import Caller
from consumers.metrics import CIRCUIT_OPEN, TIMELINE_DROPPED
from consumers.northbound.writeback.target_caller import TargetCaller
from consumers.record_timeline import TimelineRecorder
from consumers.routing.commands import CommandPublisher
from consumers.routing.decide import Decider
from consumers.routing.route_request import RequestRouter
from consumers.routing.waiting.threshold_cache import ThresholdCache
from consumers.run_updates.announce import Announcer
from consumers.run_updates.updater import RunUpdater
from consumers.spokes.limits.circuit_breaker import Breakers
from consumers.spokes.registry import spoke_for
from router.runs.hierarchy_limits import HierarchyLimits
from southbound.service.composition.observers import (
    call_observer,
    log_breaker,
    log_timeline_failure,
    log_used_up,
    log_waiting,
    missing_input_counter,
    result_counter,
    row_observer,
)
from southbound.service.specification_source import NO_SOURCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumers.inbound.registration.registrar import HubRegistrar
    from consumers.metrics import Metrics
    from consumers.northbound.writeback.target import WritebackTarget
    from consumers.spokes.port import Spoke, SpokeCaller
    from consumers.store.orders.port import OrderStore
    from consumers.store.port import RunStore
    from consumers.store.subscriptions.port import SubscriptionStore
    from producers.event_publisher import EventPublisher
    from producers.publisher import Publisher
    from router.store_continuity import TopicEnds
    from southbound.service.load_rules import RoutingRules
    from southbound.service.specification_source import SpecificationSource
    from southbound.service.store_check import ContinuityCheck
    from southbound.service.table_sources import TableSource
    from southbound.settings.settings import Settings


def utc_now() -> datetime:
    """Return the current time in UTC; all parts of the service read the clock here."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)  # without slots: a cached property is kept in the instance's dictionary
class SharedResources:
    """What all roles of a process share: each resource is opened or built once."""

    settings: Settings
    rules: RoutingRules
    tables: TableSource
    specifications: SpecificationSource = NO_SOURCE
    store: RunStore
    events: EventPublisher
    client: SpokeCaller
    metrics: Metrics
    ask_broker: Callable[[float], Awaitable[bool]] | None = None  # within these seconds; None: in tests without Kafka
    subscriptions: SubscriptionStore | None = None  # of the store, if it has them
    orders: OrderStore | None = None  # None: the store of a test without a northbound interface
    destinations: Mapping[str, Publisher] = field(default_factory=dict)  # of results that are copied, by name
    continuity: ContinuityCheck | None = None  # None: no role of this process uses the store
    recorded: TopicEnds | None = None  # of the lifecycle events that a lost store may have processed
    new_deliveries: asyncio.Event = field(default_factory=asyncio.Event)  # to subscribers
    registrars: dict[str, HubRegistrar] = field(default_factory=dict)  # by spoke, filled by the role `listener`
    threshold_cache: ThresholdCache = field(default_factory=lambda: ThresholdCache(log_used_up))

    @cached_property
    def timelines(self) -> TimelineRecorder:
        """The recorder of timelines; it stores what all roles of this process do."""
        return TimelineRecorder(
            self.store.timelines,
            warn=log_timeline_failure,
            on_dropped=lambda entries: self.metrics.count(TIMELINE_DROPPED, by=entries),
        )

    @cached_property
    def updater(self) -> RunUpdater:
        """The updater of runs. It stores concurrent updates of all handlers together (ADR-0021)."""
        announcer = Announcer(events=self.events, now=utc_now)
        return RunUpdater(
            store=self.store,
            announcer=announcer,
            now=utc_now,
            on_ended=result_counter(self.metrics),
            on_stored=row_observer(self.metrics, self.timelines),
        )

    @cached_property
    def decide(self) -> Decider:
        """The decider by the live tables, with its cache of routes."""
        return Decider(tables=self.tables.current, on_missing_input=missing_input_counter(self.metrics))

    @cached_property
    def commands(self) -> CommandPublisher:
        """The publisher of commands to dispatch."""
        return CommandPublisher(self.updater.announcer)

    @cached_property
    def limits(self) -> HierarchyLimits:
        """The largest size and depth of a hierarchy."""
        return HierarchyLimits(max_runs=self.settings.routing.max_runs, max_depth=self.settings.routing.max_depth)

    @cached_property
    def route(self) -> RequestRouter:
        """The router of whole requests."""
        return RequestRouter(
            updater=self.updater,
            commands=self.commands,
            decider=self.decide,
            limits=self.limits,
            threshold_cache=self.threshold_cache,
            specifications=self.specifications.runs,
            on_waiting=log_waiting,
        )

    @cached_property
    def spokes(self) -> Mapping[str, Spoke]:
        """The spoke of each profile, which translates commands and responses."""
        return {profile.name: spoke_for(profile) for profile in self.rules.profiles}

    @cached_property
    def breakers(self) -> Breakers:
        """The circuit breakers of all systems: what one role finds out about a system holds for all roles."""
        called = (*self.rules.profiles, *self.rules.targets)
        policies = {profile.name: profile.circuit_breaker.policy() for profile in called}
        breakers = Breakers(policies, utc_now, random.random, log_breaker)
        for name in policies:
            for calls, breaker in (("writes", breakers.of(name).writes), ("reads", breakers.of(name).reads)):
                self.metrics.track(CIRCUIT_OPEN, breaker.is_shut, name, calls)
        return breakers

    def make_caller(self, may_send: Callable[[], bool]) -> Caller:
        """Return a caller of external systems.

        `may_send` is checked before each call; it returns whether this process is still a member of its group.
        """
        return Caller(
            breakers=self.breakers,
            spokes=self.spokes,
            client=self.client,
            now=utc_now,
            random=random.random,  # jitter, not a secret
            may_send=may_send,
            on_call=call_observer(self.metrics, self.timelines),
        )

    def make_target_caller(self, target: WritebackTarget, may_send: Callable[[], bool]) -> TargetCaller:
        """Return a caller of one target; `may_send` as for `make_caller`."""
        return TargetCaller(
            breakers=self.breakers,
            targets={target.name: target},
            client=self.client,
            now=utc_now,
            random=random.random,  # jitter, not a secret
            may_send=may_send,
            on_call=call_observer(self.metrics, self.timelines),
        )
