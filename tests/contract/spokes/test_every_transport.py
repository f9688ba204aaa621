"""What any transport must do, and what aiohttp's proves about a request when things go wrong."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from consumers.spokes.aiohttp_transport import AiohttpTransport
from consumers.spokes.transport import HttpRequest, Transport
from router.responses import HttpResponse, NoResponse
from tests.builders.spokes import a_profile
from tests.contract.spokes import misbehaving_server as server_that
from tests.contract.spokes.misbehaving_server import (
    MisbehavingServer,
    ServerBehaviour,
    ServerConnection,
    replying,
    sending,
    serving,
)
from tests.fakes.transport import FakeTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

UNTRUSTED = Path(__file__).parents[2] / "data" / "tls" / "untrusted.pem"
SHORT_TIMEOUTS = {"connect": 0.2, "read": 0.3, "total": 5}
BODY = b'{"name":"Line test TR0001"}'


def a_post(port: int, scheme: str = "http") -> HttpRequest:
    return HttpRequest(
        method="POST",
        url=f"{scheme}://127.0.0.1:{port}/serviceTest",
        headers={"Content-Type": "application/json", "Idempotency-Key": "key-1"},
        body=BODY,
    )


@asynccontextmanager
async def a_transport(port: int, scheme: str = "http", **profile: Any) -> AsyncIterator[AiohttpTransport]:  # noqa: ANN401
    fields = {"base_url": f"{scheme}://127.0.0.1:{port}", "timeouts": SHORT_TIMEOUTS} | profile
    transport = AiohttpTransport(a_profile(**fields))
    try:
        yield transport
    finally:
        await transport.close()


async def outcome_of_post(
    behaviour: ServerBehaviour,
    **profile: Any,  # noqa: ANN401 - the fields of a profile
) -> tuple[HttpResponse | NoResponse, MisbehavingServer]:
    async with serving(behaviour) as server, a_transport(server.port, **profile) as transport:
        return await transport.send(a_post(server.port)), server


ANSWERS = [
    ("201 Created", b'{"id":"1"}', HttpResponse(status=201, headers={"location": "/1"}, body=b'{"id":"1"}')),
    ("422 Unprocessable Content", b"[]", HttpResponse(status=422, headers={"location": "/1"}, body=b"[]")),
    ("307 Temporary Redirect", b"", HttpResponse(status=307, headers={"location": "/1"})),
    ("503 Service Unavailable", b"", HttpResponse(status=503, headers={"location": "/1"})),
]


@pytest.mark.parametrize("kind", ["fake", "aiohttp"])
@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS)
async def test_every_status_is_an_answer_and_no_redirect_is_followed(
    kind: str, status: str, body: bytes, expected: HttpResponse
) -> None:
    async with serving(replying(status, body, "Location: /1")) as server, a_transport(server.port) as real:
        transport: Transport = FakeTransport([expected]) if kind == "fake" else real
        answer = await transport.send(a_post(server.port))
        assert isinstance(answer, HttpResponse)
        assert (answer.status, answer.body) == (expected.status, expected.body)
        assert answer.headers["location"] == "/1"
        assert len(server.requests) == (kind == "aiohttp")


@pytest.mark.parametrize("kind", ["fake", "aiohttp"])
async def test_trouble_is_a_value_and_closing_twice_is_fine(kind: str) -> None:
    problem = NoResponse(perhaps_sent=False, what="no connection could be made to 127.0.0.1:1 (ECONNREFUSED)")
    async with a_transport(1) as real:
        transport: Transport = FakeTransport([problem]) if kind == "fake" else real
        assert await transport.send(a_post(1)) == problem
        await transport.close()
        await transport.close()


async def test_a_request_arrives_as_it_was_made() -> None:
    _, server = await outcome_of_post(replying())
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /serviceTest HTTP/1.1\r\n")
    assert b"Idempotency-Key: key-1" in head
    assert body == BODY


async def test_an_encoded_path_stays_encoded() -> None:
    async with serving(replying()) as server, a_transport(server.port) as transport:
        await transport.send(HttpRequest(method="GET", url=f"http://127.0.0.1:{server.port}/a%2Fb?name=x%2Cy"))
        assert server.requests[0].startswith(b"GET /a%2Fb?name=x%2Cy HTTP/1.1")


OK = b"HTTP/1.1 201 Created\r\n"
NEVER_ANSWERED: dict[str, tuple[ServerBehaviour, int, str]] = {
    "reset before it was read": (server_that.reset_unread, 0, ""),
    "closed before it was read": (server_that.close_unread, 0, ""),
    "reset after it was read": (server_that.reset_read, 1, ""),
    "closed after it was read": (server_that.close_read, 1, "closed the connection without an answer"),
    "silence before the headers": (server_that.hang, 1, "was silent for too long"),
    "silence in the body": (server_that.hang_in_body, 1, "was silent for too long"),
    "closed in the body": (sending(OK + b"Content-Length: 100\r\n\r\n{"), 1, "broke off"),
    "closed in a chunk": (sending(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"), 1, "broke off"),
    "not HTTP": (sending(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), 1, "is not HTTP"),
    "a length that is none": (sending(OK + b"Content-Length: ten\r\n\r\n"), 1, "is not HTTP"),
    "endless headers": (sending(OK + b"X: " + b"a" * 100_000 + b"\r\n\r\n"), 1, "is not HTTP"),
    "not gzip": (sending(OK + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"), 1, "broke off"),
}


@pytest.mark.parametrize(("behaviour", "seen", "sentence"), NEVER_ANSWERED.values(), ids=NEVER_ANSWERED.keys())
async def test_a_post_without_whole_answer_was_perhaps_sent_and_is_not_repeated(
    behaviour: ServerBehaviour, seen: int, sentence: str
) -> None:
    answer, server = await outcome_of_post(behaviour)
    assert isinstance(answer, NoResponse)
    assert answer.perhaps_sent
    assert f"127.0.0.1:{server.port}" in answer.what
    assert sentence in answer.what
    assert not answer.certificate
    assert (len(server.requests), server.connections) == (seen, 1)


async def test_a_slow_body_ends_with_the_total_timeout() -> None:
    answer, server = await outcome_of_post(
        server_that.send_slowly, timeouts={"connect": 0.2, "read": 0.3, "total": 0.5}
    )
    assert answer == NoResponse(perhaps_sent=True, what=f"127.0.0.1:{server.port} did not answer in time")
    assert len(server.requests) == 1


async def test_a_closed_idle_connection_costs_nothing() -> None:
    async with serving(server_that.close_when_idle) as server, a_transport(server.port) as transport:
        for _ in range(3):
            answer = await transport.send(a_post(server.port))
            assert isinstance(answer, HttpResponse)
            await asyncio.wait_for(_wait_until_no_idle_connections(transport), 5)
        assert (len(server.requests), server.connections) == (3, 3)


async def _wait_until_no_idle_connections(transport: AiohttpTransport) -> None:
    connector = transport._connector
    assert connector is not None
    while any(pool and pool[0][0].is_connected() for pool in connector._conns.values()):  # noqa: ASYNC110 - aiohttp tells nobody
        await asyncio.sleep(0.005)


async def test_a_reset_on_a_kept_connection_is_not_silently_repeated() -> None:
    async with serving(server_that.reset_second) as server, a_transport(server.port) as transport:
        assert isinstance(await transport.send(a_post(server.port)), HttpResponse)
        second = await transport.send(a_post(server.port))
        assert isinstance(second, NoResponse)
        assert second.perhaps_sent
        assert (len(server.requests), server.connections) == (2, 1)


ENDLESS = b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b"x" * 1024 + b"\r\n") * 200
GZIP_BOMB = gzip.compress(bytes(20_000_000), 9)
COMPRESSED_RESPONSE = (
    b"HTTP/1.1 %s\r\nContent-Encoding: gzip\r\nContent-Length: " + b"%d\r\n\r\n" % len(GZIP_BOMB) + GZIP_BOMB
)


@pytest.mark.parametrize("raw", [ENDLESS, COMPRESSED_RESPONSE], ids=["endless", "gzip bomb"])
async def test_a_body_is_read_no_further_than_its_limit(raw: bytes) -> None:
    answer, server = await outcome_of_post(sending(raw.replace(b"%s", b"201 Created")), max_answer_bytes=10_000)
    assert isinstance(answer, NoResponse)
    assert answer.perhaps_sent
    assert answer.what == f"127.0.0.1:{server.port} answered with more than 10000 bytes"


async def test_a_refusal_with_a_huge_page_is_still_a_refusal() -> None:
    answer, _ = await outcome_of_post(sending(ENDLESS.replace(b"%s", b"400 Bad Request")), max_answer_bytes=10_000)
    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.body) == (400, b"")


async def test_a_body_that_comes_in_pieces_is_whole() -> None:
    pieces = sending(ENDLESS.replace(b"%s", b"200 OK") + b"0\r\n\r\n")
    answer, _ = await outcome_of_post(pieces)
    assert isinstance(answer, HttpResponse)
    assert answer.body == b"x" * 1024 * 200


async def test_a_header_that_is_no_text_can_be_passed_on() -> None:
    answer, _ = await outcome_of_post(replying("201 Created", b"{}", "Location: /\xe9"))
    assert isinstance(answer, HttpResponse)
    assert answer.headers["location"].encode() == b"/?"


def a_closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return int(closed.getsockname()[1])


async def test_a_refused_connection_proves_that_nothing_was_sent() -> None:
    port = a_closed_port()
    async with a_transport(port) as transport:
        answer = await transport.send(a_post(port))
    assert answer == NoResponse(
        perhaps_sent=False, what=f"no connection could be made to 127.0.0.1:{port} (ECONNREFUSED)"
    )


async def test_a_connection_that_takes_too_long_proves_that_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        # Nobody accepts: once the queue is full, further connections hang as behind a dead firewall.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(("127.0.0.1", port))
        async with a_transport(port) as transport:
            answer = await transport.send(a_post(port))
        for one in waiting:
            one.close()
    assert answer == NoResponse(perhaps_sent=False, what=f"no connection to 127.0.0.1:{port} in time")


async def test_a_tls_handshake_that_hangs_proves_that_nothing_was_sent() -> None:
    async def read_only(connection: server_that.ServerConnection) -> None:
        await connection.reader.read()

    async with serving(read_only) as server, a_transport(server.port, "https") as transport:
        answer = await transport.send(a_post(server.port, "https"))
    assert answer == NoResponse(perhaps_sent=False, what=f"no connection to 127.0.0.1:{server.port} in time")


async def test_a_certificate_that_is_not_valid_is_configuration() -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(UNTRUSTED)
    async with serving(replying(), tls) as server, a_transport(server.port, "https") as transport:
        answer = await transport.send(a_post(server.port, "https"))
    sentence = f"the certificate of 127.0.0.1:{server.port} is not valid"
    assert answer == NoResponse(perhaps_sent=False, what=sentence, certificate=True)
    assert server.requests == []


async def test_plain_http_on_a_tls_port_proves_that_nothing_was_sent() -> None:
    async def greet(connection: server_that.ServerConnection) -> None:
        await connection.send(b"220 mail\r\n")
        await connection.reader.read()

    async with serving(greet) as server, a_transport(server.port, "https") as transport:
        answer = await transport.send(a_post(server.port, "https"))
    assert isinstance(answer, NoResponse)
    assert not answer.perhaps_sent
    assert not answer.certificate


class NoSuchName(AbstractResolver):
    """A resolver that knows no name, without asking anybody."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(None, f"{host}:{port} {family} is unknown")

    async def close(self) -> None: ...


async def test_a_name_that_is_unknown_proves_that_nothing_was_sent() -> None:
    transport = AiohttpTransport(a_profile(base_url="http://lab.invalid"), NoSuchName())
    answer = await transport.send(HttpRequest(method="POST", url="http://lab.invalid/serviceTest", body=BODY))
    await transport.close()
    assert answer == NoResponse(perhaps_sent=False, what="the name in lab.invalid:80 could not be resolved")


async def test_after_closing_nothing_is_sent() -> None:
    async with serving(replying()) as server, a_transport(server.port) as transport:
        await transport.close()
        answer = await transport.send(a_post(server.port))
        assert isinstance(answer, NoResponse)
        assert not answer.perhaps_sent
        assert server.connections == 0


async def test_a_cancelled_call_gives_its_connection_back() -> None:
    async with serving(server_that.hang) as server, a_transport(server.port, concurrency=1) as transport:
        call = asyncio.create_task(transport.send(a_post(server.port)))
        while not server.requests:  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.behaviour = replying()
        assert isinstance(await transport.send(a_post(server.port)), HttpResponse)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_what_may_be_repeated_is_repeated_once_where_a_kept_connection_breaks(method: str) -> None:
    async with serving(server_that.reset_second) as server, a_transport(server.port) as transport:
        assert isinstance(await transport.send(a_post(server.port)), HttpResponse)
        again = await transport.send(HttpRequest(method=method, url=f"http://127.0.0.1:{server.port}/serviceTest/1"))
        assert isinstance(again, HttpResponse)
        assert (len(server.requests), server.connections) == (3, 2)


async def test_no_header_can_bring_another_one_along() -> None:
    async with serving(replying()) as server, a_transport(server.port) as transport:
        request = a_post(server.port).with_header("X-Name", "a\r\nX-Other: b")
        answer = await transport.send(request)
        assert isinstance(answer, NoResponse)
        assert not answer.perhaps_sent
        assert server.connections == 0


async def test_a_port_that_begins_like_another_is_another() -> None:
    async with serving(replying()) as server, a_transport(server.port) as transport:
        assert isinstance(await transport.send(a_post(server.port)), HttpResponse)
        answer = await transport.send(a_post(int(f"{server.port}0")))
        assert isinstance(answer, NoResponse)
        assert len(server.requests) == 1


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/serviceTest", "serviceTest", "http://127.0.0.1:none/", "http:///a"])
async def test_what_is_no_address_is_not_called(url: str) -> None:
    async with a_transport(1) as transport:
        answer = await transport.send(HttpRequest(method="GET", url=url))
    assert answer == NoResponse(perhaps_sent=False, what="the address of 127.0.0.1:1 cannot be used")


async def test_a_query_may_follow_the_host() -> None:
    async with serving(replying()) as server, a_transport(server.port) as transport:
        await transport.send(HttpRequest(method="GET", url=f"http://127.0.0.1:{server.port}?name=a/b"))
        assert server.requests[0].startswith(b"GET /?name=a/b HTTP/1.1")


async def test_an_announcement_is_not_taken_for_the_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    answer, _ = await outcome_of_post(sending(early + OK + b"Content-Length: 2\r\n\r\n{}"))
    assert isinstance(answer, HttpResponse)
    assert (answer.status, answer.body) == (201, b"{}")


async def test_what_a_system_says_unasked_on_a_kept_connection_answers_nothing() -> None:
    answered = asyncio.Event()

    async def gossip(connection: ServerConnection) -> None:
        await connection.read_request()
        await connection.send(OK + b"Content-Length: 2\r\n\r\n{}")
        if connection.number == 1:
            await answered.wait()
            await connection.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 5\r\n\r\nstale")
        await connection.read_request()

    async with serving(gossip) as server, a_transport(server.port) as transport:
        assert isinstance(await transport.send(a_post(server.port)), HttpResponse)
        answered.set()
        await asyncio.wait_for(_wait_for_any_bytes(transport), 5)
        second = await transport.send(a_post(server.port))
        assert isinstance(second, HttpResponse)
        assert second.status == 201
        assert server.connections == 2


async def _wait_for_any_bytes(transport: AiohttpTransport) -> None:
    connector = transport._connector
    assert connector is not None
    kept = [pool[0][0] for pool in connector._conns.values() if pool]
    while kept and not kept[0].should_close:  # noqa: ASYNC110 - aiohttp tells nobody
        await asyncio.sleep(0.005)


async def test_a_post_that_was_given_up_while_it_was_written_never_arrives_whole() -> None:
    body, ended = b"x" * 8_000_000, asyncio.Event()
    gave_up = asyncio.Event()

    async def stall(connection: ServerConnection) -> None:
        try:
            await gave_up.wait()
            await connection.read_request()
        finally:
            ended.set()

    async with serving(stall) as server, a_transport(server.port) as transport:
        url = f"http://127.0.0.1:{server.port}/serviceTest"
        assert isinstance(await transport.send(HttpRequest(method="POST", url=url, body=body)), NoResponse)
        gave_up.set()
        await asyncio.wait_for(ended.wait(), 5)
        assert server.requests == []
