"""Write one request on a connection of aiohttp's pool, and read its answer.

`ClientSession` would do the same with cookies, redirects, traces and middlewares, of which a spoke has none,
in twice the time: ADR-0024.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage

    from consumers.spokes.profile import Timeouts
    from consumers.spokes.transport import HttpRequest

    Head = RawResponseMessage
    Opened = tuple[Head, aiohttp.StreamReader]

_FINAL = 200  # a status below it announces another one
_SCHEMES = ("http", "https")
_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


class UnfitRequestError(ValueError):
    """The request cannot be written as HTTP, so nothing was sent."""


def origin_of(url: str) -> str:
    """Give the part of an address that says where to connect: scheme, host and port."""
    return "/".join(url.partition("?")[0].split("/", 3)[:3])


class OriginConnections:
    """The way to one origin: its connections, and what is the same in every request. Make it in the running loop.

    Raises:
        UnfitRequestError: at construction, where that is no address of HTTP.
    """

    def __init__(self, origin: str, connector: aiohttp.TCPConnector, timeouts: Timeouts) -> None:
        self._origin = origin
        self._door = _door(origin)
        self._same = [f"{name}: {self._door.headers[name]}" for name in ("Host", "Accept-Encoding")]
        self._connector = connector
        self._timeouts = timeouts
        self._to_connect = aiohttp.ClientTimeout(connect=timeouts.connect, sock_connect=timeouts.connect)

    def written(self, request: HttpRequest) -> bytes:
        """Give the bytes of a request.

        Raises:
            UnfitRequestError: a header has two lines, or the address a space.
        """
        target = request.url.removeprefix(self._origin)
        head = [f"{request.method} {target if target.startswith('/') else f'/{target}'} HTTP/1.1", *self._same]
        head += [f"{name}: {value}" for name, value in request.headers.items()]
        if request.body is not None or request.method in _WITH_BODY:
            head.append(f"Content-Length: {len(request.body or b'')}")
        if " " in target or not "".join(head).isprintable():
            raise UnfitRequestError("the address or a header has a character that HTTP does not allow there")
        return "\r\n".join([*head, "", ""]).encode() + (request.body or b"")

    async def connect(self) -> Connection:
        """Take a kept connection, or make one.

        Raises:
            ClientConnectorError: there is none to be had.
            ConnectionTimeoutError: not in time.
        """
        try:
            connection = await self._connector.connect(self._door, [], self._to_connect)
            # What the system said on a kept connection unasked must not answer what we ask next.
            while connection.protocol is not None and connection.protocol.should_close:
                connection.close()
                connection = await self._connector.connect(self._door, [], self._to_connect)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"no connection to {self._origin} in time") from error
        return connection

    async def exchange(self, connection: Connection, written: bytes, until: float) -> Opened:
        """Write a request and wait for the head of its answer and the stream of its body; `until` by the loop's clock.

        Raises:
            ClientError: the connection broke.
            HttpProcessingError: the answer is not HTTP.
            TimeoutError: it did not come in time.
        """
        on, transport = connection.protocol, connection.transport
        if on is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        loop = asyncio.get_running_loop()
        on.set_response_params(read_until_eof=True)
        left = until - loop.time()
        late = _silent if self._timeouts.read < left else _too_late
        timer = loop.call_later(min(self._timeouts.read, left), late, on)
        try:
            transport.write(written)
            head, body = await on.read()
            while head.code < _FINAL:
                head, body = await on.read()
        finally:
            timer.cancel()
        return head, body

    async def more(self, body: aiohttp.StreamReader, until: float) -> bytes:
        """Wait for the next piece of a body that did not come at once.

        Raises:
            ClientPayloadError: it broke off.
            TimeoutError: it did not come in time.
        """
        silent_at = asyncio.get_running_loop().time() + self._timeouts.read
        try:
            async with asyncio.timeout_at(min(silent_at, until)):
                return await body.readany()
        except TimeoutError:
            if silent_at < until:
                raise aiohttp.SocketTimeoutError from None
            raise


def cut(connection: Connection) -> None:
    """End a connection at once: a close would first send the rest of a request that we gave up on."""
    if connection.protocol is not None:
        connection.protocol.abort()
    connection.close()


def _door(origin: str) -> aiohttp.ClientRequest:
    """Make a request that is never sent: aiohttp takes from it where to connect and how, and gives its own headers."""
    try:
        url = URL(origin)
        if url.scheme not in _SCHEMES:
            raise UnfitRequestError(f"{origin!r} is no address of HTTP")
        return aiohttp.ClientRequest("GET", url)
    except (aiohttp.InvalidURL, ValueError) as error:
        raise UnfitRequestError(f"{origin!r} is no address") from error


def _silent(connection: ResponseHandler) -> None:
    connection.set_exception(aiohttp.SocketTimeoutError())


def _too_late(connection: ResponseHandler) -> None:
    connection.set_exception(TimeoutError())
