"""Every transport reaches a system through the proxy of its profile, and knows of a refusal that nothing was sent."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from consumers.spokes.credentials import SecretMissingError
from consumers.spokes.http_client import open_connections
from consumers.spokes.transport import HttpRequest
from router.responses import HttpResponse, NoResponse
from southbound.service.open_resources import TRANSPORTS
from tests.builders.spokes import a_profile
from tests.contract.spokes.misbehaving_server import ServerConnection, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FILES = Path(__file__).parents[2] / "data" / "tls"
TIMEOUTS = {"connect": 20, "read": 30, "total": 60}


@dataclass(slots=True)
class ForwardingProxy:
    """An HTTP proxy: it tunnels CONNECT, forwards other requests, and notes the first lines and credentials."""

    refuses_with: int | None = None
    lines: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)
    port: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.writers.append(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *headers = head.split("\r\n")
        self.lines.append(first)
        self.credentials += [each.partition(": ")[2] for each in headers if each.lower().startswith("proxy-auth")]
        method, target, _ = first.split()
        if self.refuses_with:
            writer.write(f"HTTP/1.1 {self.refuses_with} No\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        authority = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = authority.partition(":")
        onward_reader, onward = await asyncio.open_connection(host, int(port))
        self.writers.append(onward)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            onward.write(head.encode())
        await asyncio.gather(_pass_on(reader, onward), _pass_on(onward_reader, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def a_proxy(refuses_with: int | None = None) -> AsyncIterator[ForwardingProxy]:
    proxy = ForwardingProxy(refuses_with=refuses_with)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for writer in proxy.writers:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def answer(connection: ServerConnection) -> None:
    await connection.read_request()
    await connection.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(FILES / "server.pem")
    return context


async def call(kind: str, scheme: str, proxy: ForwardingProxy, port: int, secret: Path) -> HttpResponse | NoResponse:
    settings = {"url": f"http://127.0.0.1:{proxy.port}", "username": "us", "password": f"file:{secret}"}
    address = f"{scheme}://127.0.0.1:{port}"
    tls = {"ca": str(FILES / "ca.pem")} if scheme == "https" else {}
    transport = TRANSPORTS[kind](a_profile(base_url=address, proxy=settings, tls=tls, timeouts=TIMEOUTS))
    try:
        return await transport.send(HttpRequest(method="POST", url=f"{address}/serviceTest?a=1", body=b"{}"))
    finally:
        await transport.close()


@pytest.mark.parametrize("kind", TRANSPORTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_system_is_reached_through_the_proxy(kind: str, scheme: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("wörd", encoding="utf-8")
    async with a_proxy() as proxy, serving(answer, tls_context() if scheme == "https" else None) as server:
        response = await call(kind, scheme, proxy, server.port, secret)
    assert isinstance(response, HttpResponse), response
    assert response.body == b"ok"
    target = f"CONNECT 127.0.0.1:{server.port}" if scheme == "https" else f"POST http://127.0.0.1:{server.port}/"
    assert proxy.lines[0].startswith(target)
    assert proxy.credentials == [f"Basic {b64encode('us:wörd'.encode()).decode()}"]


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_a_refusal_of_the_proxy_proves_that_nothing_was_sent(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("word", encoding="utf-8")
    async with a_proxy(refuses_with=407) as proxy:
        response = await call(kind, "https", proxy, 9, secret)
    assert isinstance(response, NoResponse)
    assert not response.perhaps_sent
    assert response.cause == "the proxy makes no connection to 127.0.0.1:9 (407)"


@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_a_proxy_that_is_down_proves_that_nothing_was_sent(kind: str, tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("word", encoding="utf-8")
    async with a_proxy() as proxy:
        pass
    response = await call(kind, "http", proxy, 9, secret)
    assert isinstance(response, NoResponse)
    assert not response.perhaps_sent
    assert "no connection could be made to the proxy" in response.cause


def test_a_password_that_is_missing_is_named() -> None:
    proxy = {"url": "http://127.0.0.1:3128", "username": "us", "password": "file:/nowhere/word"}
    with pytest.raises(SecretMissingError, match=r"field 'proxy': there is no secret at file:/nowhere/word"):
        open_connections([a_profile(proxy=proxy)], {})
