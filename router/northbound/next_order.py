"""Make the orders that a client's requests lead to; each gets an event id and a time as arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.northbound.order import Order, OrderEventKind

if TYPE_CHECKING:
    from datetime import datetime

    from router.northbound.order import RunView
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCause:
    """What led to an order: the client with its trace, the time, and the id of the event to publish."""

    client: str
    traceparent: str | None
    at: datetime
    event_id: str
    reason: str | None = None


def new_order(
    cause: OrderCause,
    document: RunDocument,
    external_id: str | None = None,
    *,
    key: str | None = None,
    digest: str | None = None,
) -> Order:
    """Return the order of a run that is requested, by a POST with this `Idempotency-Key` and digest of its body."""
    return Order(
        run_id=document.run_id,
        root_run_id=document.root_run_id,
        tenant=document.tenant,
        client=cause.client,
        idempotency_key=key,
        external_id=external_id,
        body_digest=digest,
        document=document,
        event_id=cause.event_id,
        event_kind=OrderEventKind.REQUESTED,
        traceparent=cause.traceparent,
        created_at=cause.at,
        changed_at=cause.at,
        unpublished_since=cause.at,
        unrouted_since=cause.at,
    )


def embedded_order(cause: OrderCause, document: RunDocument, external_id: str | None = None) -> Order:
    """Return the order of a run that the event of its root carries."""
    order = new_order(cause, document, external_id)
    return replace(order, event_kind=OrderEventKind.EMBEDDED, unpublished_since=None)


def changed_order(cause: OrderCause, view: RunView, document: RunDocument) -> Order:
    """Return the order of a run that is changed to this document."""
    return replace(
        _predecessor(cause, view),
        document=document,
        event_id=cause.event_id,
        event_kind=OrderEventKind.CHANGED,
        reason=cause.reason,
        traceparent=cause.traceparent,
        changed_at=cause.at,
        cancelled_at=view.order.cancelled_at if view.order is not None and view.is_cancelled else None,
        unpublished_since=cause.at,
        revision=view.order.revision + 1 if view.order is not None else 1,
    )


def cancelled_order(cause: OrderCause, view: RunView) -> Order:
    """Return the order of a run that is cancelled."""
    changed = changed_order(cause, view, view.document)
    return replace(changed, event_kind=OrderEventKind.CANCELLED, cancelled_at=cause.at)


def deleted_order(cause: OrderCause, view: RunView, *, is_cancelled: bool) -> Order:
    """Return the order of a run that is shown no longer; `is_cancelled`: its event is a cancellation."""
    if is_cancelled:
        return replace(cancelled_order(cause, view), deleted_at=cause.at)
    changed = changed_order(cause, view, view.document)
    return replace(changed, event_kind=OrderEventKind.EMBEDDED, unpublished_since=None, deleted_at=cause.at)


def _predecessor(cause: OrderCause, view: RunView) -> Order:
    """Return the order before, or what stands for it if the run came over Kafka."""
    return view.order or Order(
        run_id=view.run_id,
        root_run_id=view.document.root_run_id,
        tenant=view.tenant,
        client=cause.client,
        document=view.document,
        event_id=cause.event_id,
        event_kind=OrderEventKind.EMBEDDED,
        created_at=view.created_at,
        changed_at=cause.at,
    )
