"""Place, change and cancel orders: an order is stored first, then its event is published.

A process that ends in between leaves an order that is published later, by `publish_orders`, under the same event id.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

import orjson

from producers.publisher import PublishError, RecordTooLargeError
from router.northbound.change import (
    CancelWanted,
    DocumentWanted,
    Unchanged,
    apply_patch,
    next_version,
    plan_change,
    refuse_late_cancellation,
    with_family,
)
from router.northbound.errors import ApiRefusedError, MistakeCode, refuse
from router.northbound.order import Order, OrderEventKind, RunView, event_of
from router.northbound.principal import Scope
from router.northbound.resource import to_resource
from router.northbound.service_test_body import BodyReader
from router.runs.hierarchy import HierarchyError, child_ids, expand_hierarchy
from router.runs.ids import ordered_run_id
from router.runs.pending import is_pending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from consumers.store.orders.port import OrderStore
    from producers.event_publisher import EventPublisher
    from router.northbound.api_version import ApiVersion
    from router.northbound.change import PatchPlan
    from router.northbound.principal import Principal
    from router.northbound.service_test_body import OrderedRuns
    from router.runs.hierarchy import HierarchyLimits
    from schemas.run_document import RunDocument

MAX_ATTEMPTS = 5  # at a change that others change at the same time
PARENT_PLACE = "/serviceTestRelationship"
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiCall:
    """What every request brings: who calls, which version of TMF653 it speaks, and its trace."""

    principal: Principal
    version: ApiVersion
    traceparent: str | None = None

    @property
    def client(self) -> str:
        """The client, whose ids and keys are its own: its tenant and name."""
        return orjson.dumps([self.principal.tenant, self.principal.name]).decode()

    def require(self, scope: Scope) -> None:
        """Refuse a principal without this scope.

        Raises:
            ApiRefusedError: 403.
        """
        if not self.principal.may(scope):
            raise refuse(403, MistakeCode.OTHER, f"the credentials do not include the scope {scope.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcome:
    """What became of an order: the run, whether Kafka has its event, and whether the POST was a repetition."""

    view: RunView
    is_published: bool = True
    is_repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRequest:
    """A patch of a run; `check` raises if the run is not in the state that the client expects."""

    patch: object
    is_json_patch: bool
    check: Callable[[RunView], None] = lambda _: None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderBook:
    """Orders of all clients."""

    store: OrderStore
    events: EventPublisher
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    limits: HierarchyLimits
    publish_timeout: float = 5.0  # seconds

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

    async def place(self, call: ApiCall, body: object, *, key: str | None = None) -> OrderOutcome:
        """Order the run of a POST, with its children.

        Raises:
            ApiRefusedError: 400 for its body; 409 or 422 for an id or key that stands for another body; 413 if
                Kafka does not take it.
        """
        call.require(Scope.ORDER)
        runs = self._reader(call).read_order(body, self.new_id())
        digest = sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
        for _ in range(MAX_ATTEMPTS):
            orders = await self._orders_of(call, runs, key=key, digest=digest)
            main = orders[0] if runs.parent is None else orders[-1]
            holder = await self.store.save(orders)
            if holder is None:
                return await self._publish_new(main, orders)
            is_of_root = runs.parent is not None and holder.run_id == main.root_run_id
            if not is_of_root:
                return await self._repeat(call, main, holder)
        raise _busy()  # others change the root of this child

    async def change(self, call: ApiCall, run_id: str, request: PatchRequest) -> OrderOutcome:
        """Change or cancel a run by a patch.

        Raises:
            ApiRefusedError: 400, 404, 409 or 412.
        """
        call.require(Scope.ORDER)
        reader = self._reader(call)
        for _ in range(MAX_ATTEMPTS):
            view = await self._find_published(call, run_id)
            request.check(view)
            resource = to_resource(view, call.version)
            patched = apply_patch(resource, request.patch, call.version, is_json_patch=request.is_json_patch)
            outcome = await self._carry_out(call, view, plan_change(view, resource, patched, reader), request.reason)
            if outcome is not None:
                return outcome
        raise _busy()

    async def cancel(
        self, call: ApiCall, run_id: str, reason: str | None = None, check: Callable[[RunView], None] = lambda _: None
    ) -> OrderOutcome:
        """Cancel a run; a root is cancelled with its children. A cancelled run stays as it is.

        Raises:
            ApiRefusedError: 404; 409 if it has ended otherwise; 412.
        """
        for _ in range(MAX_ATTEMPTS):
            view = await self._find_published(call, run_id)
            check(view)
            outcome = await self._try_cancel(call, view, reason)
            if outcome is not None:
                return outcome
        raise _busy()

    async def delete(
        self, call: ApiCall, run_id: str, check: Callable[[RunView], None] = lambda _: None
    ) -> OrderOutcome:
        """Cancel a run if it has not ended, and show it no longer; a root with its children.

        Raises:
            ApiRefusedError: 404, 409 or 412.
        """
        call.require(Scope.CANCEL)
        for _ in range(MAX_ATTEMPTS):
            view = await self._find_published(call, run_id)
            check(view)
            outcome = await self._try_delete(call, view)
            if outcome is not None:
                return outcome
        raise _busy()

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

    def _reader(self, call: ApiCall) -> BodyReader:
        client = call.client
        return BodyReader(
            version=call.version,
            tenant=call.principal.tenant,
            run_id_of=lambda external_id: ordered_run_id(client, external_id),
            max_runs=self.limits.max_runs,
            max_depth=self.limits.max_depth,
        )

    async def _orders_of(self, call: ApiCall, runs: OrderedRuns, *, key: str | None, digest: str) -> list[Order]:
        """Return the orders of a POST: a root before its children, or a child after its root."""
        if runs.parent is not None:
            *others, child = await self._orders_below_parent(call, runs, runs.parent)
            return [*others, replace(child, idempotency_key=key, body_digest=digest)]
        try:
            documents = expand_hierarchy(runs.document, self.limits)
        except HierarchyError as error:
            raise refuse(400, MistakeCode.INVALID_VALUE, error.problem.sentence, "/childServiceTest") from error
        now = self.now()
        root = replace(self._new_order(call, runs, runs.document, now), idempotency_key=key, body_digest=digest)
        children = [self._new_order(call, runs, document, now) for document in documents[1:]]
        return [
            root,
            *(replace(child, event_kind=OrderEventKind.EMBEDDED, unpublished_since=None) for child in children),
        ]

    async def _orders_below_parent(self, call: ApiCall, runs: OrderedRuns, reference: str) -> list[Order]:
        """Return the order of the child, after that of its root if the root has to name it first."""
        root, parent = await self._find_parent(call, reference)
        now, siblings = self.now(), await self.store.family(root)
        place = {
            "root_run_id": root.run_id,
            "parent_run_id": parent.run_id,
            "tenant": root.tenant,
            "order": sum(each.document.parent_run_id == parent.run_id for each in siblings),
        }
        document = runs.document.model_copy(update=place)
        child = self._new_order(call, runs, document, now + _MICROSECOND)
        if document.run_id in child_ids(root.document) or not _takes_children(root):
            return [child]
        if root.has_ended or root.is_cancelled:
            raise refuse(409, MistakeCode.OTHER, "the root run has ended: nothing can be added to it", PARENT_PLACE)
        if len(siblings) >= self.limits.max_runs:
            sentence = f"a hierarchy may have {self.limits.max_runs} runs"
            raise refuse(409, MistakeCode.TOO_MANY, sentence, PARENT_PLACE)
        named = with_family(root, root.document, siblings)
        names = (*named.child_run_ids, document.run_id)
        named = named.model_copy(update={"version": next_version(root), "child_run_ids": names})
        return [self._changed_order(call, root, named, now, None), child]

    async def _find_parent(self, call: ApiCall, reference: str) -> tuple[RunView, RunView]:
        """Return the root of a parent that exists, and the parent."""
        try:
            parent = await self._find_published(call, reference)
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            sentence = "there is no such parent run: order the parent first"
            raise refuse(400, MistakeCode.UNKNOWN_REFERENCE, sentence, PARENT_PLACE) from error
        if parent.document.parent_run_id is None:
            return parent, parent
        root = await self.store.view(parent.document.root_run_id)
        if root is None:
            sentence = "the root of the parent run is not known"
            raise refuse(400, MistakeCode.UNKNOWN_REFERENCE, sentence, PARENT_PLACE)
        return root, parent

    async def _publish_new(self, main: Order, orders: Sequence[Order]) -> OrderOutcome:
        view = RunView(row=None, order=main)
        try:
            return OrderOutcome(view=view, is_published=await self.publish(orders))
        except RecordTooLargeError as error:
            await self.store.remove(main)
            raise refuse(413, MistakeCode.TOO_MANY, "the order is too large for its topic: order fewer runs") from error

    async def _repeat(self, call: ApiCall, order: Order, holder: Order) -> OrderOutcome:
        """Answer a POST whose id or key is taken: as before if it is the same, with a refusal otherwise."""
        is_same = holder.client == call.client and holder.body_digest == order.body_digest
        has_same_key = order.idempotency_key is not None and holder.idempotency_key == order.idempotency_key
        if not is_same or (order.idempotency_key != holder.idempotency_key and not order.external_id):
            if has_same_key and holder.client == call.client:
                sentence = "this Idempotency-Key was sent with another body before: send a new key"
                raise refuse(422, MistakeCode.OTHER, sentence)
            sentence = "a run with this id was ordered with another body: change it with PATCH, or send another id"
            raise refuse(409, MistakeCode.INVALID_VALUE, sentence, "/id")
        published = self.store.is_marked(holder) or await self.publish([holder])
        view = await self.store.view(holder.run_id)
        if view is None or view.is_deleted:
            raise refuse(409, MistakeCode.OTHER, "the run of this order was deleted: send another id or key")
        return OrderOutcome(view=view, is_published=published, is_repeated=True)

    async def _find_published(self, call: ApiCall, run_id: str) -> RunView:
        """Return a run, after its last event and that of its root are published: the next one must not overtake it."""
        view = await self.find(call, run_id)
        views = [view]
        if view.document.root_run_id != view.run_id:
            root = await self.store.view(view.document.root_run_id)
            views = [view] if root is None else [root, view]
        waiting = [each.order for each in views if each.order is not None and not self.store.is_marked(each.order)]
        if waiting and not await self.publish(sorted(waiting, key=_published_first)):
            raise refuse(503, MistakeCode.OTHER, "Kafka does not have the order of this run yet: try again later")
        return view

    async def _carry_out(
        self, call: ApiCall, view: RunView, plan: PatchPlan, reason: str | None
    ) -> OrderOutcome | None:
        """Do what a patch means; return None if the run was changed meanwhile."""
        match plan:
            case Unchanged():
                return OrderOutcome(view=view)
            case CancelWanted():
                return await self._try_cancel(call, view, reason)
            case DocumentWanted(document=document):
                return await self._try_change(call, view, document, reason)
            case _:
                assert_never(plan)

    async def _try_change(
        self, call: ApiCall, view: RunView, document: RunDocument, reason: str | None
    ) -> OrderOutcome | None:
        """Store and publish a change; return None if the run was changed meanwhile."""
        if view.document.parent_run_id is None:
            document = with_family(view, document, await self.store.family(view))
        document = document.model_copy(update={"version": next_version(view)})
        return await self._store_and_publish(view, self._changed_order(call, view, document, self.now(), reason))

    async def _try_cancel(self, call: ApiCall, view: RunView, reason: str | None) -> OrderOutcome | None:
        call.require(Scope.CANCEL)
        refuse_late_cancellation(view)
        if view.is_cancelled:
            return OrderOutcome(view=view)
        now = self.now()
        changed = self._changed_order(call, view, view.document, now, reason)
        order = replace(changed, event_kind=OrderEventKind.CANCELLED, cancelled_at=now)
        return await self._store_and_publish(view, order)

    async def _try_delete(self, call: ApiCall, view: RunView) -> OrderOutcome | None:
        now = self.now()
        is_root = view.document.parent_run_id is None
        family = await self.store.family(view) if is_root else [view]
        orders = [self._deleted_order(call, each, now, has_event=each.run_id == view.run_id) for each in family]
        if await self.store.save(orders) is not None:
            return None
        own = next(order for order in orders if order.run_id == view.run_id)
        published = own.unpublished_since is None or await self.publish([own])
        return OrderOutcome(view=RunView(row=view.row, order=own), is_published=published)

    def _deleted_order(self, call: ApiCall, view: RunView, now: datetime, *, has_event: bool) -> Order:
        changed = replace(self._changed_order(call, view, view.document, now, "deleted"), deleted_at=now)
        if has_event and not view.has_ended and not view.is_cancelled:
            return replace(changed, event_kind=OrderEventKind.CANCELLED, cancelled_at=now)
        return replace(changed, event_kind=OrderEventKind.EMBEDDED, unpublished_since=None)

    async def _store_and_publish(self, view: RunView, order: Order) -> OrderOutcome | None:
        if await self.store.save([order]) is not None:
            return None
        try:
            published = await self.publish([order])
        except RecordTooLargeError as error:
            if view.order is not None:  # what was ordered before holds again
                await self.store.save([replace(view.order, revision=order.revision + 1)])
            else:
                await self.store.remove(order)
            raise refuse(413, MistakeCode.TOO_MANY, "the change is too large for its topic") from error
        return OrderOutcome(view=RunView(row=view.row, order=order), is_published=published)

    def _new_order(self, call: ApiCall, runs: OrderedRuns, document: RunDocument, now: datetime) -> Order:
        return Order(
            run_id=document.run_id,
            root_run_id=document.root_run_id,
            tenant=document.tenant,
            client=call.client,
            external_id=runs.external_ids.get(document.run_id),
            document=document,
            event_id=self.new_id(),
            event_kind=OrderEventKind.REQUESTED,
            traceparent=call.traceparent,
            created_at=now,
            changed_at=now,
            unpublished_since=now,
            unrouted_since=now,
        )

    def _changed_order(
        self, call: ApiCall, view: RunView, document: RunDocument, now: datetime, reason: str | None
    ) -> Order:
        """Return the order after a change: over its predecessor, or the first of a run that came over Kafka."""
        changed = {
            "document": document,
            "event_id": self.new_id(),
            "event_kind": OrderEventKind.CHANGED,
            "reason": reason,
            "traceparent": call.traceparent,
            "changed_at": now,
            "unpublished_since": now,
        }
        if view.order is not None:
            return replace(view.order, **changed, revision=view.order.revision + 1)  # type: ignore[arg-type]
        first = Order(
            run_id=view.run_id,
            root_run_id=document.root_run_id,
            tenant=view.tenant,
            client=call.client,
            document=document,
            event_id="",
            event_kind=OrderEventKind.CHANGED,
            created_at=view.created_at,
            changed_at=now,
        )
        return replace(first, **changed)  # type: ignore[arg-type]


def _takes_children(root: RunView) -> bool:
    """Return whether a child can still be sent: not if the decision was that the root is sent alone."""
    row = root.row
    return row is None or is_pending(row) or (row.decision is not None and row.decision.hierarchical)


def _published_first(order: Order) -> datetime:
    return order.unpublished_since or order.changed_at


def _busy() -> Exception:
    return refuse(409, MistakeCode.OTHER, "others change this run at the same time: try again")
