"""The id under which a system ordered a run is found by the name of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.northbound.orders.api_call import ApiCall, client_name_of
from consumers.northbound.writeback.ordered_ids import StoredOrderIds
from consumers.store.orders.port import RefusedOrders
from consumers.store.sql_store import open_store
from router.northbound.api_version import ApiVersion
from router.northbound.next_order import OrderCause, new_order
from router.northbound.principal import Principal
from schemas.results import Reason
from schemas.vocabulary import RunState
from tests.builders.runs import NOON, a_document, a_run

if TYPE_CHECKING:
    from pathlib import Path


def client(name: str, tenant: str | None = None) -> str:
    return ApiCall(principal=Principal(name=name, tenant=tenant), version=ApiVersion.V5).client


def test_the_name_of_a_client_is_read_from_its_order() -> None:
    assert client_name_of(client("desk", "acme")) == "desk"
    assert [client_name_of(text) for text in ("", "[]", "7", '["a", 1]', "{}")] == [None] * 5


async def test_only_the_client_that_ordered_a_run_has_an_id_for_it(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/runs.db")
    cause = OrderCause(client=client("desk", "acme"), traceparent=None, at=NOON, event_id="E1")
    await store.orders.save([new_order(cause, a_document("TR1"), "sys-1")])
    ids = StoredOrderIds(store.orders)
    assert await ids.ordered_as("TR1", "desk") == "sys-1"
    assert await ids.ordered_as("TR1", "other") is None
    assert await ids.ordered_as("TR2", "desk") is None
    assert await StoredOrderIds(None).ordered_as("TR1", "desk") is None
    await store.close()


async def test_a_refused_order_is_a_rejected_run_until_it_has_a_row(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path}/runs.db")
    cause = OrderCause(client=client("desk", "acme"), traceparent=None, at=NOON, event_id="E1")
    await store.orders.save([new_order(cause, a_document("TR1", tenant="acme"), "sys-1")])
    ids = StoredOrderIds(store.orders)
    assert await ids.refused("TR1") is None
    reason = Reason(code="NO_SPOKE", message="No definition matches.")
    await store.orders.refuse(RefusedOrders(run_ids=["TR1"], event_id="E1", reason=reason, at=NOON, is_request=True))
    refused = await ids.refused("TR1")
    assert refused is not None
    assert (refused.state, refused.revision, refused.tenant, refused.reasons) == (
        RunState.REJECTED,
        0,
        "acme",
        (reason,),
    )
    assert await ids.refused("TR2") is None
    assert await StoredOrderIds(None).refused("TR1") is None
    await store.save(a_run("TR1"))
    assert await ids.refused("TR1") is None
    await store.close()
