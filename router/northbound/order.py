"""Describe an order: what a client requests for one run, and the lifecycle event that carries the request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from router.runs.processed_events import CANCEL, CHANGE, has_been_processed, has_led_to
from router.runs.run import RunRow
from router.runs.states import TERMINAL
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.vocabulary import Phase, RunState

if TYPE_CHECKING:
    from datetime import datetime

    from schemas.lifecycle import LifecycleEvent
    from schemas.results import Reason
    from schemas.run_document import RunDocument


class OrderEventKind(StrEnum):
    """The lifecycle event that an order leads to; `EMBEDDED`: that of its root carries the run."""

    REQUESTED = "requested"
    EMBEDDED = "embedded"
    CHANGED = "changed"
    CANCELLED = "cancelled"


_EFFECTS = {OrderEventKind.CHANGED: CHANGE, OrderEventKind.CANCELLED: CANCEL}


class OrderRefusal(NamedTuple):
    """Why and when an event of an order became a dead letter."""

    event_id: str
    reasons: tuple[Reason, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a client ordered. `revision` starts at 1; the store writes an order only over `revision - 1`.

    `unpublished_since` is None once Kafka has acknowledged the event, `body_digest` is that of the POST. `refusal` is
    read and not saved with an order.
    """

    run_id: str
    root_run_id: str
    tenant: str | None
    client: str
    idempotency_key: str | None = None
    external_id: str | None = None
    body_digest: str | None = None
    document: RunDocument
    event_id: str
    event_kind: OrderEventKind
    reason: str | None = None
    traceparent: str | None = None
    created_at: datetime
    changed_at: datetime
    cancelled_at: datetime | None = None
    deleted_at: datetime | None = None
    unpublished_since: datetime | None = None
    unrouted_since: datetime | None = None
    revision: int = 1
    refusal: OrderRefusal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as the northbound interface sees it: its row, once it is routed, and its order, if it has one."""

    row: RunRow | None
    order: Order | None

    @property
    def document(self) -> RunDocument:
        """The newest document: that of the order while its change is not processed, else that of the row.

        Raises:
            ValueError: there is neither.
        """
        if self.row is None:
            if self.order is None:
                raise ValueError("a view has a row, an order or both")
            return self.order.document
        is_newer = self.order is not None and self.order.document.version > self.row.requested.version
        if self.order is not None and is_newer and not self._is_processed(self.row, self.order):
            return self.order.document
        return self.row.requested

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.row.run_id if self.row is not None else self.document.run_id

    @property
    def tenant(self) -> str | None:
        """The tenant of the run."""
        return self.row.tenant if self.row is not None else self.document.tenant

    @property
    def created_at(self) -> datetime:
        """When the run was ordered, or stored if it came over Kafka."""
        moments = [each.created_at for each in (self.row, self.order) if each is not None]
        return min(moments)

    @property
    def revision(self) -> str:
        """A text that is another one after every change."""
        refusal = self.refusal or self.change_refusal
        refused = f"-{refusal.at.timestamp():.3f}" if refusal is not None else ""
        return f"{self.row.revision if self.row else 0}-{self.order.revision if self.order else 0}{refused}"

    @property
    def state(self) -> RunState:
        """The state that is shown: that of the run, or what its phase amounts to before it has one."""
        if self.row is None:
            without_row = RunState.ACKNOWLEDGED if self.refusal is None else RunState.REJECTED
            return RunState.CANCELLED if self.is_cancelled else without_row
        if self.row.state not in (None, RunState.UNKNOWN):
            return self.row.state
        return RunState.PENDING if self.row.phase in {Phase.WAITING, Phase.FALLOUT} else RunState.ACKNOWLEDGED

    @property
    def refusal(self) -> OrderRefusal | None:
        """Why the run was refused; None also if it has a row, because its dead letter was accepted later."""
        return self.order.refusal if self.row is None and self.order is not None else None

    @property
    def change_refusal(self) -> OrderRefusal | None:
        """Why the last change or cancellation of the run was refused, unless its dead letter was accepted later."""
        if self.row is None or self.order is None or self.order.refusal is None:
            return None
        event_id, effect = self.order.event_id, _EFFECTS.get(self.order.event_kind)
        is_last = effect is not None and self.order.refusal.event_id == event_id
        return self.order.refusal if is_last and not has_led_to(self.row, event_id, effect or "") else None

    @property
    def is_cancelled(self) -> bool:
        """Whether its cancellation was ordered or has happened."""
        ordered = self.order is not None and self.order.cancelled_at is not None
        if ordered and self.order is not None and self.order.event_kind is OrderEventKind.CANCELLED:
            ordered = self.change_refusal is None  # it may be ordered again
        return ordered or (self.row is not None and (self.row.cancel_requested or self.row.state is RunState.CANCELLED))

    @property
    def is_deleted(self) -> bool:
        """Whether a client deleted it from the interface."""
        return self.order is not None and self.order.deleted_at is not None

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended, or its order was refused; one in fallout waits for people."""
        if self.row is None:
            return self.refusal is not None
        return self.row.state in TERMINAL and self.row.phase is not Phase.FALLOUT

    @staticmethod
    def _is_processed(row: RunRow, order: Order) -> bool:
        return order.event_kind is not OrderEventKind.CHANGED or has_been_processed(row, order.event_id)


def rejected_row(view: RunView) -> RunRow | None:
    """Return a refused order as the row of a run that ended as rejected; its revision is below that of every row.

    None: it is not refused, or it was accepted since.
    """
    if view.order is None or view.refusal is None:
        return None
    order, document = view.order, view.order.document
    return RunRow(
        run_id=order.run_id,
        root_run_id=order.root_run_id,
        parent_run_id=document.parent_run_id,
        tenant=order.tenant,
        request_id="",
        spoke="",
        decision=None,
        phase=Phase.FAILED,
        state=RunState.REJECTED,
        requested=document.model_copy(update={"children": ()}),
        reasons=view.refusal.reasons,
        created_at=order.created_at,
        finished_at=view.refusal.at,
        updated_at=view.refusal.at,
        revision=0,
    )


def event_of(order: Order) -> Event | None:
    """Return the lifecycle event of an order, equal each time; None if that of its root carries the run."""
    data: LifecycleEvent
    match order.event_kind:
        case OrderEventKind.EMBEDDED:
            return None
        case OrderEventKind.REQUESTED:
            data = RunRequested(run=order.document)
        case OrderEventKind.CHANGED:
            data = RunChanged(run=order.document, reason=order.reason)
        case OrderEventKind.CANCELLED:
            data = RunCancelled(run_id=order.run_id, root_run_id=order.root_run_id, reason=order.reason)
    headers = EventHeaders(
        id=order.event_id, time=order.changed_at, subject=order.run_id, traceparent=order.traceparent
    )
    return Event(headers=headers, data=data)
