"""Find what the store of orders has of a run that is written to the system that ordered it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.northbound.orders.api_call import client_name_of
from router.northbound.order import rejected_row

if TYPE_CHECKING:
    from consumers.store.orders.port import OrderStore
    from router.runs.run import RunRow


@dataclass(frozen=True, slots=True)
class StoredOrderIds:
    """Finds ids and refused orders in the store of orders; without one, there are none."""

    orders: OrderStore | None

    async def ordered_as(self, run_id: str, client_name: str) -> str | None:
        """Return the client's own id of a run; None if another client ordered it, or without an id."""
        view = await self.orders.view(run_id) if self.orders is not None else None
        if view is None or view.order is None or client_name_of(view.order.client) != client_name:
            return None
        return view.order.external_id

    async def refused(self, run_id: str) -> RunRow | None:
        """Return a refused order as the row of a rejected run; None if no client ordered the run, or it has a row."""
        view = await self.orders.view(run_id) if self.orders is not None else None
        return rejected_row(view) if view is not None else None
