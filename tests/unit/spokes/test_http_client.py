"""The client limits concurrency, authenticates, builds the URL and sends; it returns the response unchanged."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.http_client import SpokeClient
from consumers.spokes.port import Call, UnknownSpokeError, do_nothing
from router.responses import HttpResponse, NoResponse, Purpose, reasons_in
from tests.builders.runs import a_document
from tests.builders.spokes import a_command, a_profile, a_spoke
from tests.fakes.transport import FakeTransport

if TYPE_CHECKING:
    from consumers.spokes.port import BeforeCall
    from consumers.spokes.transport import HttpRequest

OK = HttpResponse(status=201, body=b"{}")
GET = Call(purpose=Purpose.READ, method="GET", path="/serviceTest/1")


def a_client(transport: FakeTransport, **profile: object) -> SpokeClient:
    return SpokeClient([a_profile(**profile)], {"TOKEN": "t0ken"}, lambda _: transport)


def a_post(key: str) -> Call:
    return replace(a_spoke().to_send(a_command(), None), idempotency_key=key)


async def test_a_post_carries_key_and_media_types() -> None:
    transport = FakeTransport([OK])
    call = a_post("key-1")
    assert await a_client(transport).call("fibre-lab", call) == OK
    (request,) = transport.requests
    assert (request.method, request.url, request.body) == (
        "POST",
        "http://127.0.0.1:8701/v4/serviceTest",
        call.body,
    )
    assert request.headers == {
        "Accept": "application/json",
        "User-Agent": "southbound",
        "Content-Type": "application/json",
        "Idempotency-Key": "key-1",
        "X-Request-ID": "key-1",
    }


async def test_every_attempt_of_a_command_carries_the_same_key() -> None:
    transport = FakeTransport([NoResponse(perhaps_sent=True, cause="reset"), OK])
    client, call = a_client(transport), a_post("key-1")
    assert isinstance(await client.call("fibre-lab", call), NoResponse)
    await client.call("fibre-lab", call)
    assert [request.headers["Idempotency-Key"] for request in transport.requests] == ["key-1", "key-1"]


async def test_an_idempotency_key_of_two_lines_cannot_inject_a_header() -> None:
    transport = FakeTransport([OK])
    call = a_post("key\r\nEvil: 1")
    await a_client(transport).call("fibre-lab", call)
    assert transport.requests[0].headers["Idempotency-Key"] == "key%0D%0AEvil%3A%201"


async def test_a_trace_is_passed_on_and_credentials_are_added() -> None:
    transport = FakeTransport([OK])
    client = a_client(transport, auth={"kind": "bearer", "token": "env:TOKEN"})
    call = Call(purpose=Purpose.READ, method="GET", path="/x", headers={"traceparent": "00-1-2-01"})
    await client.call("fibre-lab", call)
    assert transport.requests[0].headers["traceparent"] == "00-1-2-01"
    assert transport.requests[0].headers["Authorization"] == "Bearer t0ken"


async def test_a_query_is_encoded() -> None:
    transport = FakeTransport([OK])
    call = a_spoke().to_look_up(a_document(name="up & down+ü"))
    assert call is not None
    await a_client(transport).call("fibre-lab", call)
    assert transport.requests[0].url.endswith("/serviceTest?name=TR0001%20up%20%26%20down%2B%C3%BC")


async def test_the_parameters_of_the_profile_are_in_every_query_once() -> None:
    transport = FakeTransport([OK, OK, OK])
    client = a_client(transport, query_parameters={"api-version": "2", "view": "all"})
    followed = replace(GET, path="/jobs?view=one", from_root=True)
    for call in (GET, replace(GET, query=(("view", "mine"),)), followed):
        await client.call("fibre-lab", call)
    assert [request.url.partition("?")[2] for request in transport.requests] == [
        "api-version=2&view=all",
        "view=mine&api-version=2",
        "view=one&api-version=2",
    ]


async def test_no_more_calls_than_allowed_run_at_once() -> None:
    gate, full, running, most = asyncio.Event(), asyncio.Event(), 0, 0

    class Slow(FakeTransport):
        async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse | NoResponse:
            nonlocal running, most
            running += 1
            most = max(most, running)
            if running == 3:
                full.set()
            await gate.wait()
            running -= 1
            return await super().send(request, before)

    transport = Slow([OK])
    client = a_client(transport, concurrency=3)
    calls = [asyncio.create_task(client.call("fibre-lab", GET)) for _ in range(9)]
    await full.wait()
    gate.set()
    await asyncio.gather(*calls)
    assert most == 3
    assert len(transport.requests) == 9


async def test_a_call_that_may_no_longer_be_made_when_a_connection_is_free_is_not_sent() -> None:
    gate, sending = asyncio.Event(), asyncio.Event()

    class SlowOnce(FakeTransport):
        async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse | NoResponse:
            await before()
            sending.set()
            await gate.wait()
            return await super().send(request)

    async def too_late() -> None:
        if gate.is_set():
            raise PermissionError

    transport = SlowOnce([OK])
    client = a_client(transport, concurrency=1)
    first, second = (asyncio.create_task(client.call("fibre-lab", GET, too_late)) for _ in range(2))
    await sending.wait()
    gate.set()
    assert await first == OK
    with pytest.raises(PermissionError):
        await second
    assert len(transport.requests) == 1


async def test_a_spoke_without_profile_is_named() -> None:
    with pytest.raises(UnknownSpokeError, match=r"No profile defines the spoke 'copper-lab' \(known: fibre-lab\)"):
        await a_client(FakeTransport([OK])).call("copper-lab", GET)


async def test_closing_closes_every_transport() -> None:
    transport = FakeTransport([OK])
    await a_client(transport).close()
    assert transport.closed


async def test_fault_a_system_that_declares_no_charset_cannot_be_read() -> None:
    shown = '{"id": "7", "state": "läuft", "code": "E1", "message": "Dämpfung"}'.encode("iso-8859-1")
    answers = [
        HttpResponse(status=status, headers={"content-type": "application/json"}, body=shown) for status in (201, 400)
    ]
    transport = FakeTransport(answers)
    spoke = a_spoke(media_types={"charset": "iso-8859-1"}, state_spellings={"läuft": "inProgress"})
    client = a_client(transport, media_types={"charset": "iso-8859-1"})
    post = replace(a_post("key-1"), body='{"name":"Dämpfung \U0001d11e"}'.encode())
    accepted, refused = await client.call("fibre-lab", post), await client.call("fibre-lab", post)
    assert isinstance(accepted, HttpResponse)
    assert spoke.read_reply(accepted).state == "inProgress"
    assert isinstance(refused, HttpResponse)
    assert reasons_in(refused)[0].message == "Dämpfung"
    # It may read what it is sent in another charset, too.
    assert transport.requests[0].body == rb'{"name":"D\u00e4mpfung \ud834\udd1e"}'


async def test_a_declared_charset_of_a_response_is_kept() -> None:
    declared = HttpResponse(status=200, headers={"content-type": "application/json; charset=utf-8"}, body=b"{}")
    client = a_client(FakeTransport([declared]), media_types={"charset": "iso-8859-1"})
    assert await client.call("fibre-lab", GET) == declared
