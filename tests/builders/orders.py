"""Builders of orders: a test writes only what matters to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from router.northbound.order import Order, OrderEventKind
from tests.builders.runs import NOON, a_document

if TYPE_CHECKING:
    from schemas.run_document import RunDocument

CLIENT = '[null,"local"]'


def an_order(run_id: str = "TR0001", *, document: RunDocument | None = None, **more: Any) -> Order:  # noqa: ANN401
    """Return the order of a run that was just stored; its event is `<run id>-event`."""
    document = document or a_document(run_id)
    fields: dict[str, Any] = {
        "tenant": document.tenant,
        "client": CLIENT,
        "event_id": f"{document.run_id}-event",
        "event_kind": OrderEventKind.REQUESTED,
        "created_at": NOON,
        "changed_at": NOON,
        "unpublished_since": NOON,
        "unrouted_since": NOON,
    }
    return Order(run_id=document.run_id, root_run_id=document.root_run_id, document=document, **(fields | more))
