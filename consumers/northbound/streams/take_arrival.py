"""Order, change or cancel the run of an arrival, as if its system had called the northbound interface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never

from consumers.northbound.orders.api_call import ApiCall
from consumers.northbound.orders.change_order import OrderChanger
from consumers.northbound.orders.order_book import MAX_ATTEMPTS
from consumers.northbound.orders.place_order import OrderPlacer
from consumers.northbound.streams.problems import (
    order_missing,
    order_refused,
    order_unpublished,
    parent_missing,
    run_changed_meanwhile,
)
from consumers.runtime.handler import DeadLetter, RetryLater
from router.northbound.arrivals import READ_AS, Ignored, OrderWanted, is_cancelled, plan_arrival
from router.northbound.change import CancelWanted, DocumentWanted
from router.northbound.errors import ApiRefusedError, MistakeCode
from router.northbound.principal import Principal, Scope

if TYPE_CHECKING:
    from consumers.northbound.orders.order_book import OrderBook, OrderOutcome
    from consumers.northbound.streams.profile import StreamSource
    from consumers.runtime.handler import Attempt
    from router.northbound.arrivals import Arrival, ArrivalPlan
    from router.northbound.order import RunView

OVERTAKEN_PATIENCE = 30.0  # seconds for which a cancellation waits for its order, which is on another cluster
_RETRY_DELAY = 1.0  # seconds
_TAKEN_MEANWHILE = (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)


class TakenAs(StrEnum):
    """What an arrival led to."""

    ORDERED = "ordered"
    CHANGED = "changed"
    CANCELLED = "cancelled"


Taken = TakenAs | Ignored


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalTaker:
    """Takes the arrivals of one source. `parent_patience`: seconds for which a child waits for its parent."""

    book: OrderBook
    source: StreamSource
    parent_patience: float

    async def take(self, run_id: str | None, arrival: Arrival, attempt: Attempt) -> Taken | RetryLater | DeadLetter:
        """Make one attempt; `run_id` is that of the run, None if its body has none that can be used."""
        ids = arrival.derived_ids()
        book = replace(self.book, new_id=lambda: next(ids), run_id_of=_own_id)
        try:
            return await self._take(book, run_id, arrival, attempt)
        except ApiRefusedError as error:
            return self._refused(error, attempt)

    async def _take(
        self, book: OrderBook, run_id: str | None, arrival: Arrival, attempt: Attempt
    ) -> Taken | RetryLater | DeadLetter:
        call = self._call()
        taken: ApiRefusedError | None = None
        for _ in range(MAX_ATTEMPTS):
            view = await self._find(book, call, run_id)
            plan = plan_arrival(view, arrival, book.reader(call), self.source.orders)
            if plan is Ignored.NOT_ORDERED and self._may_be_overtaken(arrival, attempt):
                return RetryLater(_RETRY_DELAY, order_missing())
            if isinstance(plan, Ignored):
                return plan
            try:
                outcome = await self._carry_out(book, call, view, plan, arrival)
            except ApiRefusedError as error:
                if view is not None or error.status not in _TAKEN_MEANWHILE:
                    raise
                taken = error  # the run is there by now, or it is another client's
                continue
            if outcome is not None and not outcome.is_published:
                return RetryLater(_RETRY_DELAY, order_unpublished())
            if outcome is not None:
                return Ignored.DUPLICATE if outcome.is_repeated else _taken_as(plan)
        return DeadLetter(order_refused(self.source.name, taken)) if taken else _later()

    async def _carry_out(
        self, book: OrderBook, call: ApiCall, view: RunView | None, plan: ArrivalPlan, arrival: Arrival
    ) -> OrderOutcome | None:
        version = arrival.least_version
        if view is None or not isinstance(plan, DocumentWanted | CancelWanted):
            return await OrderPlacer(book=book).place(call, arrival.body, key=arrival.event_id, version=version)
        return await OrderChanger(book=book).carry_out(call, view, plan, version)

    async def _find(self, book: OrderBook, call: ApiCall, run_id: str | None) -> RunView | None:
        if run_id is None:
            return None
        try:
            return await book.find_published(call, run_id)
        except ApiRefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None

    def _call(self) -> ApiCall:
        principal = Principal(name=f"stream:{self.source.name}", tenant=self.source.tenant, scopes=frozenset(Scope))
        return ApiCall(principal=principal, version=READ_AS)

    def _may_be_overtaken(self, arrival: Arrival, attempt: Attempt) -> bool:
        several = len(self.source.bootstrap) > 1
        return several and is_cancelled(arrival.body) and attempt.elapsed < OVERTAKEN_PATIENCE

    def _refused(self, error: ApiRefusedError, attempt: Attempt) -> RetryLater | DeadLetter:
        if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
            return RetryLater(_RETRY_DELAY, order_unpublished())
        misses_parent = any(mistake.code is MistakeCode.UNKNOWN_REFERENCE for mistake in error.mistakes)
        if misses_parent and attempt.elapsed < self.parent_patience:
            return RetryLater(_RETRY_DELAY, parent_missing(error))
        return DeadLetter(order_refused(self.source.name, error))


def _later() -> RetryLater:
    return RetryLater(_RETRY_DELAY, run_changed_meanwhile())


def _taken_as(plan: OrderWanted | DocumentWanted | CancelWanted) -> TakenAs:
    match plan:
        case OrderWanted():
            return TakenAs.ORDERED
        case DocumentWanted():
            return TakenAs.CHANGED
        case CancelWanted():
            return TakenAs.CANCELLED
        case _:
            assert_never(plan)


def _own_id(_client: str, external_id: str) -> str:
    # The run has the id of its system, so that it can be written back there.
    return external_id
