"""A subscription to the events of runs, and one event that is to be delivered to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from router.northbound.api_version import ApiVersion


class SubscriptionState(StrEnum):
    """Whether events are delivered."""

    ACTIVE = "active"
    PARKED = "parked"  # nothing is sent until an operator resumes it; its events are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSubscription:
    """One subscriber: where its events are sent, which ones, and how its deliveries went.

    `version` is that of the path on which it subscribed. `tenant` limits it to the runs of one tenant; None: all runs.
    `failures` counts the deliveries in a row that failed because of the subscriber, not because of one event.
    """

    subscription_id: str
    principal: str
    tenant: str | None
    callback: str
    query: str
    version: ApiVersion
    created_at: datetime
    state: SubscriptionState = SubscriptionState.ACTIVE
    problem: str = ""  # why the last delivery failed; empty after one that succeeded
    failures: int = 0
    failing_since: datetime | None = None
    next_attempt_at: datetime
    last_delivered_at: datetime | None = None
    delivered: int = 0
    refused: int = 0  # events that the subscriber refused as often as is tried, and that were given up
    expired: int = 0  # events that were too many or too old, and were dropped

    def covers(self, tenant: str | None) -> bool:
        """Return whether runs of this tenant exist for the subscriber."""
        return self.tenant is None or self.tenant == tenant


class Delivery(NamedTuple):
    """One event for one subscription. `sequence` orders those of a run; `attempts` counts its refusals."""

    sequence: int
    run_id: str
    event_id: str
    event_type: str
    body: str
    attempts: int = 0


class NewDelivery(NamedTuple):
    """An event that is to be stored for a subscription."""

    subscription_id: str
    event_id: str
    event_type: str
    body: str
