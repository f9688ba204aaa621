"""Convert orders to the values of database columns and back, by position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from router.northbound.order import Order, OrderEventKind, OrderRefusal
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.store.document_cache import DocumentCache
    from consumers.store.row_mapping import ColumnValues, MomentFormat


def order_values(order: Order, moments: MomentFormat, documents: DocumentCache) -> ColumnValues:
    """Return an order's columns in the order of `tables.orders`, without those of its refusal."""
    return (
        order.run_id,
        order.root_run_id,
        order.tenant,
        order.client,
        order.idempotency_key,
        order.external_id,
        order.body_digest,
        documents.write(order.document),
        order.event_id,
        str(order.event_kind),
        order.reason,
        order.traceparent,
        moments.write(order.created_at),
        moments.write(order.changed_at),
        moments.write_if(order.cancelled_at),
        moments.write_if(order.deleted_at),
        moments.write_if(order.unpublished_since),
        moments.write_if(order.unrouted_since),
        order.revision,
    )


def order_of(values: ColumnValues, moments: MomentFormat, documents: DocumentCache) -> Order:
    """Return the order of what `order_values` returned, and of its refusal."""
    (
        run_id,
        root_run_id,
        tenant,
        client,
        idempotency_key,
        external_id,
        body_digest,
        document,
        event_id,
        event_kind,
        reason,
        traceparent,
        created_at,
        changed_at,
        cancelled_at,
        deleted_at,
        unpublished_since,
        unrouted_since,
        revision,
        refusal,
        refused_event_id,
        refused_at,
    ) = values
    return Order(
        run_id=run_id,
        root_run_id=root_run_id,
        tenant=tenant,
        client=client,
        idempotency_key=idempotency_key,
        external_id=external_id,
        body_digest=body_digest,
        document=documents.read(document),
        event_id=event_id,
        event_kind=OrderEventKind(event_kind),
        reason=reason,
        traceparent=traceparent,
        created_at=moments.read(created_at),
        changed_at=moments.read(changed_at),
        cancelled_at=moments.read_if(cancelled_at),
        deleted_at=moments.read_if(deleted_at),
        unpublished_since=moments.read_if(unpublished_since),
        unrouted_since=moments.read_if(unrouted_since),
        revision=revision,
        refusal=None
        if refusal is None
        else OrderRefusal(refused_event_id, read_reasons(refusal), moments.read(refused_at)),
    )


def written_reasons(reasons: Iterable[Reason]) -> str:
    """Return the reasons of a refusal as JSON."""
    return orjson.dumps([reason.model_dump(mode="json") for reason in reasons]).decode()


def read_reasons(written: str) -> tuple[Reason, ...]:
    """Return the reasons that `written_reasons` wrote."""
    return tuple([Reason.model_validate(each) for each in orjson.loads(written)])
