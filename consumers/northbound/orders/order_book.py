"""Find runs for a client, and publish what was ordered: an order is stored first, then its event is published.

A process that ends in between leaves an order that is published later, by `publish_orders`, under the same event id.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from producers.publisher import PublishError, RecordTooLargeError
from router.northbound.errors import MistakeCode, refuse
from router.northbound.next_order import OrderCause
from router.northbound.order import event_of
from router.northbound.service_test_body import BodyReader
from router.runs.ids import ordered_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from consumers.northbound.orders.api_call import ApiCall
    from consumers.store.orders.port import OrderStore
    from producers.event_publisher import EventPublisher
    from router.northbound.errors import ApiRefusedError
    from router.northbound.order import Order, RunView
    from router.runs.hierarchy import HierarchyLimits
    from schemas.text.json_types import JsonMapping

MAX_ATTEMPTS = 5  # at a change that others change at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """The outcome of an order: the run, whether Kafka has its event, and whether the POST was a repetition.

    `changed` has the attributes in which the patched run is another one than before, kept or not.
    """

    view: RunView
    is_published: bool = True
    is_repeated: bool = False
    changed: JsonMapping = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Orders of all clients."""

    store: OrderStore
    events: EventPublisher
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    limits: HierarchyLimits
    publish_timeout: float = 5.0  # seconds
    run_id_of: Callable[[str, str], str] = ordered_run_id  # of a client, for its own id

    def cause(self, call: ApiCall, reason: str | None = None) -> OrderCause:
        """Return the cause of an order that this call leads to now, with an event id of its own."""
        return OrderCause(
            client=call.client, traceparent=call.traceparent, at=self.now(), event_id=self.new_id(), reason=reason
        )

    def reader(self, call: ApiCall) -> BodyReader:
        """Return the reader of the bodies of this client."""
        client = call.client
        return BodyReader(
            version=call.version,
            tenant=call.principal.tenant,
            run_id_of=lambda external_id: self.run_id_of(client, external_id),
            max_depth=self.limits.max_depth,
        )

    async def find(self, call: ApiCall, run_id: str) -> RunView:
        """Return a run that the client sees, by its id or by the client's own id.

        Raises:
            ApiRefusedError: 404.
        """
        view = await self.store.view(run_id)
        if view is None or not call.principal.sees(view.tenant):
            own = await self.store.run_id_of(call.client, run_id)
            view = await self.store.view(own) if own is not None else None
        if view is None or view.is_deleted:
            raise refuse(404, MistakeCode.UNKNOWN_REFERENCE, "there is no such run: it never was, or it was deleted")
        return view

    async def find_published(self, call: ApiCall, run_id: str) -> RunView:
        """Return a run, after its last event and that of its root are published: the next one must not overtake them.

        Raises:
            ApiRefusedError: 404, or 503 if Kafka does not take them.
        """
        view = await self.find(call, run_id)
        views = [view]
        if view.document.root_run_id != view.run_id:
            root = await self.store.view(view.document.root_run_id)
            views = [view] if root is None else [root, view]
        waiting = [each.order for each in views if each.order is not None and not self.store.is_marked(each.order)]
        if waiting and not await self.publish(sorted(waiting, key=_stored_at)):
            raise refuse(503, MistakeCode.OTHER, "Kafka does not have the order of this run yet: try again later")
        return view

    async def publish(self, orders: Sequence[Order]) -> bool:
        """Publish the events of orders in this order; return whether Kafka has acknowledged all of them.

        Raises:
            RecordTooLargeError: Kafka will never take one of them.
        """
        events = [event for order in orders if (event := event_of(order)) is not None]
        try:
            async with asyncio.timeout(self.publish_timeout):
                await self.events.publish(events)
        except RecordTooLargeError:
            raise
        except (PublishError, TimeoutError):
            return False
        for order in orders:
            if order.unpublished_since is not None:
                self.store.mark_published(order)
        return True


def busy() -> ApiRefusedError:
    """Return the refusal of a change that others made impossible again and again."""
    return refuse(409, MistakeCode.OTHER, "others change this run at the same time: try again")


def _stored_at(order: Order) -> datetime:
    return order.unpublished_since or order.changed_at
