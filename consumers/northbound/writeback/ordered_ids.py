"""Find the id under which the system that a run is written to has ordered it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.northbound.orders.api_call import client_name_of

if TYPE_CHECKING:
    from consumers.store.orders.port import OrderStore


@dataclass(frozen=True, slots=True)
class StoredOrderIds:
    """Finds ids in the store of orders; without one, there are none."""

    orders: OrderStore | None

    async def ordered_as(self, run_id: str, client_name: str) -> str | None:
        """Return the client's own id of a run; None if another client ordered it, or without an id."""
        view = await self.orders.view(run_id) if self.orders is not None else None
        if view is None or view.order is None or client_name_of(view.order.client) != client_name:
            return None
        return view.order.external_id
