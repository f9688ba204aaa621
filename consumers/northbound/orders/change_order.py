"""Change, cancel and delete what was ordered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from consumers.northbound.orders.order_book import MAX_ATTEMPTS, OrderOutcome, busy
from producers.publisher import RecordTooLargeError
from router.northbound.change import (
    CancelWanted,
    DocumentWanted,
    Unchanged,
    apply_patch,
    changed_attributes,
    next_version,
    plan_change,
    refuse_late_cancellation,
    with_family,
)
from router.northbound.errors import MistakeCode, refuse
from router.northbound.next_order import cancelled_order, changed_order, deleted_order
from router.northbound.order import RunView
from router.northbound.principal import Scope
from router.northbound.resource import to_resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.northbound.orders.api_call import ApiCall
    from consumers.northbound.orders.order_book import OrderBook
    from router.northbound.change import PatchKind, PatchPlan
    from router.northbound.order import Order
    from schemas.run_document import RunDocument

    Check = Callable[[RunView], None]  # raises if the run is not in the state that the client expects


def expect_nothing(_view: RunView) -> None:
    """Accept a run in any state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchRequest:
    """A patch of a run."""

    patch: object
    kind: PatchKind
    check: Check = expect_nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderChanger:
    """Changes orders, each over the one that was read; if others changed it meanwhile, it is read again."""

    book: OrderBook

    async def change(self, call: ApiCall, run_id: str, request: PatchRequest) -> OrderOutcome:
        """Change a run by a patch, for which a client needs to order, or cancel it, for which it needs to cancel.

        Raises:
            ApiRefusedError: 400, 403, 404, 409 or 412.
        """
        call.require(Scope.ORDER, Scope.CANCEL)
        reader = self.book.reader(call)
        for _ in range(MAX_ATTEMPTS):
            view = await self.book.find_published(call, run_id)
            resource = to_resource(view, call.version)
            patched = apply_patch(resource, request.patch, call.version, request.kind)
            plan = plan_change(view, resource, patched, reader)
            request.check(view)  # last: what is refused anyway is not refused because of a condition (RFC 9110 §13.2.1)
            outcome = await self.carry_out(call, view, plan)
            if outcome is not None:
                return replace(outcome, changed=changed_attributes(resource, patched))
        raise busy()

    async def cancel(
        self, call: ApiCall, run_id: str, reason: str | None = None, check: Check = expect_nothing
    ) -> OrderOutcome:
        """Cancel a run; a root is cancelled with its children. A cancelled run stays as it is.

        Raises:
            ApiRefusedError: 404; 409 if it has ended otherwise; 412.
        """
        for _ in range(MAX_ATTEMPTS):
            view = await self.book.find_published(call, run_id)
            check(view)
            outcome = await self._try_cancel(call, view, reason)
            if outcome is not None:
                return outcome
        raise busy()

    async def delete(self, call: ApiCall, run_id: str, check: Check = expect_nothing) -> OrderOutcome:
        """Cancel a run if it has not ended, and show it no longer; a root with its children.

        Raises:
            ApiRefusedError: 404, 409 or 412.
        """
        call.require(Scope.CANCEL)
        for _ in range(MAX_ATTEMPTS):
            view = await self.book.find_published(call, run_id)
            check(view)
            outcome = await self._try_delete(call, view)
            if outcome is not None:
                return outcome
        raise busy()

    async def carry_out(
        self, call: ApiCall, view: RunView, plan: PatchPlan, least_version: int = 1
    ) -> OrderOutcome | None:
        """Do what was planned for a run that was just read; return None if it was changed meanwhile.

        Raises:
            ApiRefusedError: 403, 409 or 413.
        """
        match plan:
            case Unchanged():
                return OrderOutcome(view=view)
            case CancelWanted():
                return await self._try_cancel(call, view, None)
            case DocumentWanted(document=document):
                call.require(Scope.ORDER)
                return await self._try_change(call, view, document, least_version)
            case _:
                assert_never(plan)

    async def _try_change(
        self, call: ApiCall, view: RunView, document: RunDocument, least_version: int
    ) -> OrderOutcome | None:
        if view.document.parent_run_id is None:
            document = with_family(view, document, await self.book.store.family(view))
        document = document.model_copy(update={"version": max(next_version(view), least_version)})
        return await self._store_and_publish(view, changed_order(self.book.cause(call), view, document))

    async def _try_cancel(self, call: ApiCall, view: RunView, reason: str | None) -> OrderOutcome | None:
        call.require(Scope.CANCEL)
        refuse_late_cancellation(view)
        if view.is_cancelled:
            return OrderOutcome(view=view)
        return await self._store_and_publish(view, cancelled_order(self.book.cause(call, reason), view))

    async def _try_delete(self, call: ApiCall, view: RunView) -> OrderOutcome | None:
        family = await self.book.store.family(view) if view.document.parent_run_id is None else [view]
        refused = [each.order for each in family if each.refusal is not None and each.order is not None]
        family = [each for each in family if each.refusal is None]
        is_open = not view.has_ended and not view.is_cancelled
        orders = [
            deleted_order(self.book.cause(call, "deleted"), each, is_cancelled=is_open and each.run_id == view.run_id)
            for each in family
        ]
        if await self.book.store.save(orders) is not None or not await self.book.store.withdraw(refused):
            return None
        if view.refusal is not None:  # no event: routing would refuse it, because it has no such run
            return OrderOutcome(view=view)
        own = next(order for order in orders if order.run_id == view.run_id)
        published = own.unpublished_since is None or await self.book.publish([own])
        return OrderOutcome(view=RunView(row=view.row, order=own), is_published=published)

    async def _store_and_publish(self, view: RunView, order: Order) -> OrderOutcome | None:
        """Store and publish a change; return None if the run was changed meanwhile."""
        if await self.book.store.save([order]) is not None:
            return None
        try:
            published = await self.book.publish([order])
        except RecordTooLargeError as error:
            await self._take_back(view, order)
            raise refuse(413, MistakeCode.TOO_MANY, "the change is too large for its topic") from error
        return OrderOutcome(view=RunView(row=view.row, order=order), is_published=published)

    async def _take_back(self, view: RunView, order: Order) -> None:
        """Undo a change that Kafka will never take: what was ordered before holds again."""
        if view.order is None:
            await self.book.store.remove(order)
        else:
            await self.book.store.save([replace(view.order, revision=order.revision + 1)])
