"""Subscriptions and deliveries as their users see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from router.northbound.hub.plan import GoneRun, Plan
    from router.northbound.hub.run_changes import AnnouncedRun
    from router.northbound.hub.specification_changes import SpecificationNotice, SpecificationPlan
    from router.northbound.hub.subscription import Delivery, NewDelivery, RunSubscription


class DuplicateSubscriptionError(Exception):
    """The same subscriber has an equal subscription."""

    def __init__(self, subscription_id: str) -> None:
        super().__init__(subscription_id)
        self.subscription_id = subscription_id


class TooManySubscriptionsError(Exception):
    """No subscription can be added before another one is deleted; `of_client`: one of the same client."""

    def __init__(self, *, of_client: bool) -> None:
        super().__init__()
        self.of_client = of_client


class SubscriptionLimits(NamedTuple):
    """How many subscriptions there may be, of all clients together and of one client."""

    total: int
    per_client: int


class PlanRequest(NamedTuple):
    """One published event of a run; `plan` is called with what was announced of the run and every subscription."""

    run_id: str
    tenant: str | None
    plan: Callable[[AnnouncedRun | None, Sequence[RunSubscription]], Plan]
    at: datetime


class Settlement(NamedTuple):
    """What became of one delivery. `retry_at`: it is repeated then, with the later events of its run; else it is over.

    `works` is False if the subscriber, not the event, is the cause.
    """

    subscription_id: str
    sequence: int
    delivered: bool
    problem: str = ""
    retry_at: datetime | None = None
    works: bool = True


class Failure(NamedTuple):
    """What is stored of a subscriber that does not work at present."""

    problem: str
    failures: int
    failing_since: datetime
    next_attempt_at: datetime
    parked: bool


class SubscriptionStore(Protocol):
    """Subscriptions, deliveries and announced runs. Every method raises StoreUnavailableError during an outage."""

    async def add(self, subscription: RunSubscription, identity: str, limits: SubscriptionLimits) -> None:
        """Store a subscription.

        Raises:
            DuplicateSubscriptionError: there is one with the same identity.
            TooManySubscriptionsError: there are as many as the limits allow.
        """

    async def find(self, subscription_id: str) -> RunSubscription | None:
        """Return one subscription."""

    async def list_all(self) -> Sequence[tuple[RunSubscription, int]]:
        """Return all subscriptions, oldest first, with the number of deliveries that wait."""

    async def remove(self, subscription_id: str) -> bool:
        """Delete a subscription and its deliveries; return whether there was one."""

    async def resume(self, subscription_id: str, now: datetime) -> bool:
        """Make a subscription active, with the next attempt now; return whether there is one."""

    async def announce(self, request: PlanRequest) -> Plan:
        """Plan the deliveries, and store them with the run as last announced, in one transaction."""

    async def due(self, now: datetime) -> Sequence[RunSubscription]:
        """Return the subscriptions that have deliveries to make and for which no process delivers."""

    async def claim(self, subscription_id: str, owner: str, now: datetime, until: datetime) -> RunSubscription | None:
        """Return the subscription if this process may deliver for it until then; None if another one does."""

    async def renew(self, subscription_id: str, owner: str, now: datetime, until: datetime) -> bool:
        """Extend a claim; return False if it is lost."""

    async def release(self, subscription_id: str, owner: str) -> None:
        """Give up a claim."""

    async def first_deliveries(self, subscription_id: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """Return the first deliveries of a subscription, in order, without those that wait after a refusal.

        There are at most `limit`, and fewer if their bodies are long: about 4 MB together.
        """

    async def settle(self, settlement: Settlement, now: datetime) -> None:
        """Store the outcome of a delivery; a delivery that is not repeated is deleted."""

    async def fail(self, subscription_id: str, failure: Failure) -> None:
        """Store that a subscriber does not work."""

    async def expire(self, before: datetime, keep: int) -> Mapping[str, int]:
        """Delete deliveries older than `before` or more than `keep` of a subscription; return how many of each."""

    async def gone_runs(self, after: str, limit: int) -> tuple[Sequence[GoneRun], str | None]:
        """Read one page of announced runs; return the deleted ones, and where the next page begins (None: no more)."""

    async def announce_deletions(
        self,
        run_ids: Sequence[str],
        plan: Callable[[GoneRun, Sequence[RunSubscription]], Sequence[NewDelivery]],
        at: datetime,
    ) -> int:
        """Store the deliveries about deleted runs, and that no more are made; return how many runs were announced."""

    async def announce_specifications(
        self,
        plan: Callable[[SpecificationNotice, Sequence[RunSubscription]], SpecificationPlan],
        at: datetime,
        limit: int,
    ) -> int:
        """Plan and store the deliveries about specifications that differ from what was announced, in one transaction.

        Return for how many specifications, at most `limit`.
        """
