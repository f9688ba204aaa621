"""Place an order: a run, a root with its children, or a child of a run that exists."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from consumers.northbound.orders.order_book import MAX_ATTEMPTS, OrderOutcome, busy
from producers.publisher import RecordTooLargeError
from router.northbound.change import next_version, with_family
from router.northbound.errors import ApiRefusedError, MistakeCode, refuse
from router.northbound.next_order import changed_order, embedded_order, new_order
from router.northbound.order import RunView
from router.northbound.principal import Scope
from router.runs.hierarchy import HierarchyError, child_ids, expand_hierarchy
from router.runs.pending import is_pending

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.northbound.orders.api_call import ApiCall
    from consumers.northbound.orders.order_book import OrderBook
    from router.northbound.order import Order
    from router.northbound.service_test_body import OrderedRuns

PARENT_PLACE = "/serviceTestRelationship"
_MICROSECOND = timedelta(microseconds=1)
_UNAVAILABLE = 503  # Kafka does not have the order of the parent, which no repetition may overtake either


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlacer:
    """Places orders."""

    book: OrderBook

    async def place(self, call: ApiCall, body: object, *, key: str | None = None, version: int = 1) -> OrderOutcome:
        """Order what the body of a POST says; repeating it with the same key or the same own id changes nothing.

        `version` is that of the documents.

        Raises:
            ApiRefusedError: 400 for its body; 409 or 422 for an id or key that stands for another body; 413 if Kafka
                does not take it.
        """
        call.require(Scope.ORDER)
        runs = _in_version(self.book.reader(call).read_order(body, self.book.new_id()), version)
        digest = _digest_of(body) if key is not None or runs.external_ids else None
        for _ in range(MAX_ATTEMPTS):
            try:
                orders = await self._orders_of(call, runs, key=key, digest=digest)
            except ApiRefusedError as refused:
                return await self._repeat_refused(call, runs, refused, key=key, digest=digest)
            main = orders[0] if runs.parent is None else orders[-1]
            holder = await self.book.store.save(orders)
            if holder is None:
                return await self._publish(main, orders)
            if runs.parent is None or holder.run_id != main.root_run_id:
                return await self._repeat(call, main, holder)
        raise busy()  # others change the root of this child

    async def _publish(self, main: Order, orders: Sequence[Order]) -> OrderOutcome:
        view = RunView(row=None, order=main)
        try:
            return OrderOutcome(view=view, is_published=await self.book.publish(orders))
        except RecordTooLargeError as error:
            await self.book.store.remove(main)
            raise refuse(413, MistakeCode.TOO_MANY, "the order is too large for its topic: order fewer runs") from error

    async def _repeat(self, call: ApiCall, order: Order, holder: Order) -> OrderOutcome:
        """Answer a POST whose id or key is taken: as before if it is the same, with a refusal otherwise."""
        is_own = holder.client == call.client
        has_same_key = is_own and order.idempotency_key is not None and order.idempotency_key == holder.idempotency_key
        has_same_id = is_own and order.external_id is not None and order.external_id == holder.external_id
        if holder.body_digest != order.body_digest and has_same_key:
            sentence = "this Idempotency-Key came with another body before: send a new key"
            raise refuse(422, MistakeCode.OTHER, sentence)
        view = await self.book.store.view(holder.run_id)
        if view is None or view.is_deleted:
            raise refuse(409, MistakeCode.OTHER, "the run of this order was deleted: send another id or key")
        if holder.body_digest != order.body_digest or not (has_same_key or has_same_id):
            raise _refusal_of_other_body(order, holder if is_own else None)
        published = self.book.store.is_marked(holder) or await self.book.publish([holder])
        return OrderOutcome(view=view, is_published=published, is_repeated=True)

    async def _repeat_refused(
        self, call: ApiCall, runs: OrderedRuns, refused: ApiRefusedError, *, key: str | None, digest: str | None
    ) -> OrderOutcome:
        """Answer a POST that is refused now as its first one was answered, if there was one; otherwise refuse it."""
        own_id = runs.external_ids.get(runs.document.run_id)
        order = new_order(self.book.cause(call), runs.document, own_id, key=key, digest=digest)
        holder = None if digest is None or refused.status == _UNAVAILABLE else await self.book.store.holder(order)
        if holder is None:
            raise refused
        return await self._repeat(call, order, holder)

    async def _orders_of(self, call: ApiCall, runs: OrderedRuns, *, key: str | None, digest: str | None) -> list[Order]:
        """Return the orders of a POST: a root before its children, or a child after its root."""
        if runs.parent is not None:
            *others, child = await self._orders_below_parent(call, runs, runs.parent)
            return [*others, replace(child, idempotency_key=key, body_digest=digest)]
        try:
            documents = expand_hierarchy(runs.document, self.book.limits)
        except HierarchyError as error:
            raise refuse(400, MistakeCode.INVALID_VALUE, error.problem.sentence, "/childServiceTest") from error
        cause, own_ids = self.book.cause(call), runs.external_ids
        root = new_order(cause, runs.document, own_ids.get(runs.document.run_id), key=key, digest=digest)
        children = [embedded_order(cause, each, own_ids.get(each.run_id)) for each in documents[1:]]
        return [root, *children]

    async def _orders_below_parent(self, call: ApiCall, runs: OrderedRuns, reference: str) -> list[Order]:
        """Return the order of the child, after that of its root if the root has to name it first."""
        root, parent = await self._find_parent(call, reference)
        _refuse_without_living_parent(root, parent)
        siblings = await self.book.store.family(root)
        place = {
            "root_run_id": root.run_id,
            "parent_run_id": parent.run_id,
            "tenant": root.tenant,
            "order": sum(each.document.parent_run_id == parent.run_id for each in siblings),
        }
        document, cause = runs.document.model_copy(update=place), self.book.cause(call)
        after = replace(self.book.cause(call), at=cause.at + _MICROSECOND)
        child = new_order(after, document, runs.external_ids.get(document.run_id))
        if document.run_id in child_ids(root.document):
            return [child]
        self._check_size(siblings)
        named = with_family(root, root.document, siblings)
        names = (*named.child_run_ids, document.run_id)
        named = named.model_copy(update={"version": next_version(root), "child_run_ids": names})
        return [changed_order(cause, root, named), child]

    def _check_size(self, siblings: Sequence[RunView]) -> None:
        most = self.book.limits.max_runs
        if len(siblings) >= most:
            raise refuse(409, MistakeCode.TOO_MANY, f"a hierarchy may have {most} runs", PARENT_PLACE)

    async def _find_parent(self, call: ApiCall, reference: str) -> tuple[RunView, RunView]:
        """Return the root of a parent that exists, and the parent."""
        try:
            parent = await self.book.find_published(call, reference)
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            sentence = "there is no such parent run: order the parent first"
            raise refuse(400, MistakeCode.UNKNOWN_REFERENCE, sentence, PARENT_PLACE) from error
        if parent.document.parent_run_id is None:
            return parent, parent
        root = await self.book.store.view(parent.document.root_run_id)
        if root is None:
            sentence = "the root of the parent run is not known"
            raise refuse(400, MistakeCode.UNKNOWN_REFERENCE, sentence, PARENT_PLACE)
        return root, parent


def _digest_of(body: object) -> str:
    return sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _in_version(runs: OrderedRuns, version: int) -> OrderedRuns:
    if version == 1:
        return runs
    children = tuple(child.model_copy(update={"version": version}) for child in runs.document.children)
    return replace(runs, document=runs.document.model_copy(update={"version": version, "children": children}))


def _refuse_without_living_parent(root: RunView, parent: RunView) -> None:
    """Refuse a child that would never be sent.

    Raises:
        ApiRefusedError: 409.
    """
    if root.refusal is not None or parent.refusal is not None:
        raise _nothing_can_be_added("the parent run is rejected")
    for run, name in ((root, "root"), (parent, "parent")):
        if run.is_cancelled:
            raise _nothing_can_be_added(f"the {name} run is cancelled")
        if run.has_ended and (run is root or run.row is None or run.row.accepted_at is None):
            raise _nothing_can_be_added(f"the {name} run has ended")
    row = root.row
    if row is not None and not is_pending(row) and (row.decision is None or not row.decision.hierarchical):
        raise _nothing_can_be_added("the decision table says that the root run is sent alone")


def _nothing_can_be_added(because: str) -> ApiRefusedError:
    sentence = f"{because}, and nothing can be added to it: order this run without a parent"
    return refuse(409, MistakeCode.OTHER, sentence, PARENT_PLACE)


def _refusal_of_other_body(order: Order, own: Order | None) -> ApiRefusedError:
    """Return the refusal of an order whose id, or that of a nested run, stands for `own` or another client's run."""
    is_nested = own is not None and own.external_id is not None and own.external_id != order.external_id
    which = f"the id {own.external_id}" if own is not None and is_nested else "this id"
    sentence = f"a run with {which} was ordered with another body: change it with PATCH, or send another id"
    return refuse(409, MistakeCode.INVALID_VALUE, sentence, "/childServiceTest" if is_nested else "/id")
