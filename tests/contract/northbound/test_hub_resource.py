"""Clients subscribe over HTTP, to addresses that the policy allows, and each sees its own subscriptions."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from consumers.northbound.access.request_keys import PRINCIPAL
from consumers.northbound.api.hub import Subscribing, hub_resource
from consumers.northbound.api.requests import RequestLimits, RequestReader
from consumers.northbound.api.server import ApiServer
from consumers.store.sql_store import open_store
from consumers.store.subscriptions.port import SubscriptionLimits
from router.northbound.api_version import ApiVersion
from router.northbound.hub.address_policy import AddressPolicy, parse_network
from router.northbound.principal import Principal, Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from consumers.store.sql_store import SqlRunStore

V4, V5 = ApiVersion.V4_2.base, ApiVersion.V5.base
CALLBACK = "https://127.0.0.1:8443/listener"
POLICY = AddressPolicy(networks=(parse_network("127.0.0.0/8"),))
CLIENTS = {
    "acme": Principal(name="orders", tenant="acme", scopes=frozenset({Scope.READ})),
    "other": Principal(name="orders", tenant="other", scopes=frozenset({Scope.READ})),
    "operator": Principal(name="operator", scopes=frozenset(Scope)),
    "blind": Principal(name="blind", tenant="acme", scopes=frozenset({Scope.ORDER})),
}


@web.middleware
async def by_header(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Authenticate a client by the name that it sends."""
    request[PRINCIPAL] = CLIENTS[request.headers.get("X-Client", "acme")]
    return await handler(request)


@pytest.fixture
async def hub_store(tmp_path: Path) -> AsyncIterator[SqlRunStore]:
    """A store without subscriptions."""
    store = await open_store(f"sqlite:///{tmp_path}/runs.db", synchronous="NORMAL")
    yield store
    await store.close()


@asynccontextmanager
async def a_client(store: SqlRunStore, *, limit: int = 10, per_client: int = 10) -> AsyncIterator[TestClient[Any, Any]]:
    ids = count(1)
    subscribing = Subscribing(
        store=store.subscriptions,
        policy=POLICY,
        limits=SubscriptionLimits(limit, per_client),
        now=lambda: datetime.now(UTC),
        new_id=lambda: f"S{next(ids)}",
        secret_of=lambda subscription_id: f"secret of {subscription_id}".encode(),
    )
    reader = RequestReader(v4=ApiVersion.V4_2, limits=RequestLimits())
    server = ApiServer(
        host="127.0.0.1",
        port=0,
        version=ApiVersion.V4_2,
        resources=[hub_resource(subscribing, reader)],
        authenticate=by_header,
    )
    async with TestClient(TestServer(server.application())) as client:
        yield client


async def test_a_client_subscribes_reads_its_subscription_and_ends_it(hub_store: SqlRunStore) -> None:
    async with a_client(hub_store) as client:
        wanted = {"callback": CALLBACK, "query": "eventType=ServiceTestStateChangeEvent"}
        made = await client.post(f"{V4}/hub", json=wanted)
        shown = await made.json()
        assert (made.status, made.headers["Cache-Control"]) == (201, "no-store")
        assert shown == {
            "id": "S1",
            "href": made.headers["Location"],
            **wanted,
            "southbound.secret": "whsec_c2VjcmV0IG9mIFMx",
        }
        read = await (await client.get(f"{V5}/hub/S1")).json()
        assert (read["@type"], read["callback"], read["southbound.state"]) == ("EventSubscription", CALLBACK, "active")
        assert "southbound.secret" not in read
        assert (await client.delete(f"{V4}/hub/S1")).status == 204
        assert (await client.get(f"{V5}/hub/S1")).status == 404
        assert (await client.delete(f"{V4}/hub/S1")).status == 404


async def test_an_equal_subscription_of_the_same_client_is_a_conflict(hub_store: SqlRunStore) -> None:
    async with a_client(hub_store) as client:
        first = {"callback": CALLBACK, "query": "eventType=ServiceTestCreateEvent&state=failed"}
        equal = {"callback": CALLBACK, "query": "serviceTest.state=failed&eventType=ServiceTestCreateEvent"}
        assert (await client.post(f"{V4}/hub", json=first)).status == 201
        conflict = await client.post(f"{V4}/hub", json=equal)
        assert conflict.status == 409
        assert "S1" in (await conflict.json())["reason"]
        for path, headers in ((f"{V5}/hub", {}), (f"{V4}/hub", {"X-Client": "other"})):
            assert (await client.post(path, json=first, headers=headers)).status == 201
        assert (await client.delete(f"{V4}/hub/S1")).status == 204
        assert (await client.post(f"{V4}/hub", json=equal)).status == 201


async def test_a_client_sees_its_own_subscriptions_and_an_administrator_all(hub_store: SqlRunStore) -> None:
    async with a_client(hub_store) as client:
        assert (await client.post(f"{V4}/hub", json={"callback": CALLBACK})).status == 201
        other, blind, operator = ({"X-Client": name} for name in ("other", "blind", "operator"))
        assert (await client.get(f"{V4}/hub/S1", headers=other)).status == 404
        assert (await client.delete(f"{V4}/hub/S1", headers=other)).status == 404
        assert (await client.get(f"{V4}/hub/S1", headers=blind)).status == 403
        assert (await client.post(f"{V4}/hub", json={"callback": CALLBACK}, headers=blind)).status == 403
        assert (await client.get(f"{V4}/hub/S1", headers=operator)).status == 200
    found = await hub_store.subscriptions.find("S1")
    assert found is not None
    assert (found.tenant, found.principal) == ("acme", "orders")


async def test_there_is_a_largest_number_of_subscriptions(hub_store: SqlRunStore) -> None:
    async with a_client(hub_store, limit=1) as client:
        assert (await client.post(f"{V4}/hub", json={"callback": CALLBACK})).status == 201
        refused = await client.post(f"{V4}/hub", json={"callback": f"{CALLBACK}/2"})
        assert (refused.status, (await refused.json())["code"]) == (409, "tooManyRecords")


async def test_one_client_does_not_take_all_subscriptions(hub_store: SqlRunStore) -> None:
    async with a_client(hub_store, per_client=1) as client:
        for headers in ({"X-Client": "acme"}, {"X-Client": "other"}, {"X-Client": "operator"}):
            taken = await client.post(f"{V4}/hub", json={"callback": CALLBACK}, headers=headers)
            assert taken.status == 201
            refused = await client.post(f"{V4}/hub", json={"callback": f"{CALLBACK}/2"}, headers=headers)
            assert refused.status == 409
            assert "this client has 1 subscriptions already" in (await refused.json())["reason"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ([], None),
        ({}, "/callback"),
        ({"callback": 1}, "/callback"),
        ({"callback": CALLBACK, "query": "state=completed,Canceled"}, "/query"),
        ({"callback": "http://127.0.0.1/listener"}, "/callback"),
        ({"callback": "https://10.0.0.1/listener"}, "/callback"),
        ({"callback": "https://[::ffff:169.254.169.254]/latest"}, "/callback"),
        ({"callback": "https://nowhere.invalid/listener"}, "/callback"),
        ({"callback": CALLBACK, "query": "state.gt=1"}, "/query"),
        ({"callback": CALLBACK, "query": ["eventType"]}, "/query"),
        ({"callback": CALLBACK, "secret": "mine"}, None),
    ],
)
async def test_what_cannot_be_subscribed_is_refused_with_its_place(
    hub_store: SqlRunStore, body: object, pointer: str | None
) -> None:
    async with a_client(hub_store) as client:
        refused = await client.post(f"{V4}/hub", json=body)
        error = await refused.json()
        assert (refused.status, error.get("propertyPath")) == (400, pointer)
    assert await hub_store.subscriptions.list_all() == []
