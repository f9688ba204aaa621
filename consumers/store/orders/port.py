"""The store of orders as its users see it, and the runs as the northbound interface lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from router.northbound.lists.pushdown import Pushdown
    from router.northbound.lists.sort import SortKey
    from router.northbound.order import Order, RunView
    from schemas.results import Reason


MAX_SEARCHED_RUNS = 20_000


class ListPosition(NamedTuple):
    """Up to which run a list was read, newest first."""

    created_at: datetime
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunQuery:
    """Which runs are listed, newest first: those of a tenant (None: of all) that pass what the database can decide.

    Conditions on states and fields are decided for the newest `MAX_SEARCHED_RUNS` runs of the tenant: no index has
    them. With `sort`, these runs are listed in its order, and those that are equal newest first.
    """

    tenant: str | None = None
    pushdown: Pushdown
    offset: int = 0
    limit: int
    after: ListPosition | None = None
    sort: tuple[SortKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedOrders:
    """A lifecycle event that is a dead letter, with the runs that it is about.

    `is_request`: the event requests the runs, and the store has none of them. Otherwise it changes or cancels a run.
    """

    run_ids: Sequence[str]
    event_id: str
    reason: Reason
    at: datetime
    is_request: bool


class OrderRefusals(Protocol):
    """Records which orders routing refused."""

    async def refuse(self, refused: RefusedOrders) -> None:
        """Store the reason beside each order that led to the event; repeating it changes nothing.

        A request is not refused if its run has a row by then. A later reason replaces an earlier one, but the reason
        for which a request was refused is kept when a change of that run is refused afterwards.

        Raises:
            StoreUnavailableError: during an outage.
        """


class OrderStore(OrderRefusals, Protocol):
    """Orders, and views of runs. Every method raises StoreUnavailableError during an outage."""

    async def save(self, orders: Sequence[Order]) -> Order | None:
        """Write orders together or not at all, each over its predecessor; return None if they are written.

        Otherwise return the order that is stored in place of one of them: under its run id, its `Idempotency-Key` or
        its external id.

        Raises:
            UnstorableError: the database will never take one of them.
        """

    async def holder(self, order: Order) -> Order | None:
        """Return the order that is stored under the run id, the `Idempotency-Key` or the external id of this one."""

    async def remove(self, order: Order) -> None:
        """Delete an order that Kafka will never take, with the orders of its children."""

    async def withdraw(self, orders: Sequence[Order]) -> bool:
        """Delete refused orders; return False if one of them is not refused any more."""

    def mark_published(self, order: Order) -> None:
        """Record, soon, that Kafka has the event of this order."""

    def is_marked(self, order: Order) -> bool:
        """Return whether Kafka is known to have the event of this order."""

    async def flush(self) -> None:
        """Write the marks of published orders."""

    async def unpublished(self, before: datetime, limit: int) -> Sequence[Order]:
        """Return orders whose event was stored before then and is perhaps not published; the oldest first."""

    async def mark_routed(self) -> None:
        """Record which runs have a row in `runs` by now."""

    async def expire_unrouted(self, before: datetime) -> None:
        """Delete published orders of before then whose run never got a row."""

    async def view(self, run_id: str) -> RunView | None:
        """Return one run."""

    async def family(self, view: RunView) -> Sequence[RunView]:
        """Return the runs of the same hierarchy, itself included."""

    async def run_id_of(self, client: str, external_id: str) -> str | None:
        """Return the run that a client ordered under its own id."""

    async def list_views(self, query: RunQuery) -> Sequence[RunView]:
        """Return a page of runs, newest first unless they are sorted."""

    async def count_views(self, query: RunQuery) -> int:
        """Return the number of runs of all pages, as `list_views` finds them; at most about `limit`."""

    async def cancellations(
        self, tenant: str | None, run_ids: Collection[str] | None, limit: int, offset: int = 0
    ) -> Sequence[RunView]:
        """Return runs whose cancellation was ordered here, newest first, behind the first `offset` of them."""
