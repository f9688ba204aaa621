"""Handle the published events of runs: store what subscribers are notified of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.backoff import Backoff
from consumers.runtime.handler import Done, RetryLater
from consumers.store.subscriptions.port import PlanRequest
from router.northbound.hub.plan import RunNotice
from schemas.problem import Problem
from schemas.results import RunResult, RunUpdate
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.runtime.handler import Attempt, Outcome
    from consumers.store.orders.port import OrderStore
    from consumers.store.subscriptions.port import SubscriptionStore
    from router.northbound.hub.plan import DeliveryPlanner
    from router.northbound.order import RunView
    from schemas.codec.envelope import Event

# An event that precedes one on the other topic was acknowledged before it, so only a lag lies between the two.
MAX_WAIT = 60.0  # seconds
_READ_AGAIN = Backoff(initial_interval=0.02, max_interval=1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class HubEventHandler:
    """Handles `RunUpdate` and `RunResult`. `on_announced` is called when there are new deliveries."""

    orders: OrderStore
    subscriptions: SubscriptionStore
    planner: DeliveryPlanner
    now: Callable[[], datetime]
    on_announced: Callable[[], None]
    on_overtaken: Callable[[], None]

    async def handle(self, event: Event, attempt: Attempt) -> Outcome:
        """Store the deliveries for this event, unless an earlier event of the run is still to be read."""
        notification = event.data
        if not isinstance(notification, RunUpdate | RunResult) or not _may_be_shown(notification):
            return Done()
        view = await self.orders.view(notification.run_id)
        if view is None or not _is_about(notification, view):
            return Done()  # there is nothing that a subscriber could read
        notice = RunNotice(event_id=event.id, notification=notification, view=view, may_wait=attempt.elapsed < MAX_WAIT)
        plan = await self.subscriptions.announce(
            PlanRequest(
                run_id=view.run_id,
                tenant=view.tenant,
                plan=lambda announced, known: self.planner.plan(notice, announced, known),
                at=self.now(),
            )
        )
        if plan.waits:
            sentence = f"An earlier event of run {view.run_id} is on the other topic and was not read yet."
            problem = Problem(code="EARLIER_EVENT_UNREAD", sentence=sentence)
            return RetryLater(_READ_AGAIN.max_delay(attempt.number), problem)
        if plan.overtaken:
            self.on_overtaken()
        if plan.deliveries:
            self.on_announced()
        return Done()


def _may_be_shown(notification: RunUpdate | RunResult) -> bool:
    """Return whether a run can have what is published: of revision 0 is what the run store does not have."""
    return notification.revision > 0 or (
        isinstance(notification, RunUpdate) and notification.kind is UpdateKind.FALLOUT
    )


def _is_about(notification: RunUpdate | RunResult, view: RunView) -> bool:
    """Return whether a run, which may have been deleted or accepted meanwhile, has what was published about it."""
    if notification.revision > 0:
        return view.row is not None
    return view.refusal is not None
