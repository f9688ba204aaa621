"""Write one request on a connection of aiohttp's pool, and read its response.

`ClientSession` would do the same with cookies, redirects, traces and middlewares, of which a spoke has none, in twice
the time: ADR-0024.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from consumers.spokes.bounded_connector import MAX_HEADER_BYTES
from consumers.spokes.transport import UnfitRequestError

if TYPE_CHECKING:
    import ssl

    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage

    from consumers.spokes.profile import Timeouts
    from consumers.spokes.security.client_proxy import ClientProxy
    from consumers.spokes.security.client_tls import ClientTls
    from consumers.spokes.transport import HttpRequest

    Head = RawResponseMessage
    Opened = tuple[Head, aiohttp.StreamReader]

_FIRST_FINAL_STATUS = 200  # a status below it announces another one
_SCHEMES = ("http", "https")
_WITH_BODY = frozenset({"POST", "PATCH", "PUT"})


class OriginConnections:
    """The connections to one origin, and what is the same in every request. Make it in the running loop.

    Raises:
        UnfitRequestError: at construction, if the origin is not an HTTP address.
    """

    def __init__(
        self,
        origin: str,
        connector: aiohttp.TCPConnector,
        timeouts: Timeouts,
        proxy: ClientProxy | None = None,
        tls: ClientTls | None = None,
        server_name: str | None = None,
    ) -> None:
        self._origin = origin
        self._proxy = proxy
        self._tls = tls
        self._server_name = server_name
        self._door = self._connection_request()
        self._is_forwarded = proxy is not None and not self._door.is_ssl()  # the proxy reads each request
        self._same = [f"{name}: {self._door.headers[name]}" for name in ("Host", "Accept-Encoding")]
        self._connector = connector
        self._timeouts = timeouts
        self._to_connect = aiohttp.ClientTimeout(connect=timeouts.connect, sock_connect=timeouts.connect)

    def encode(self, request: HttpRequest) -> bytes:
        """Return the bytes of a request.

        Raises:
            UnfitRequestError: a header has two lines, or the address a space.
        """
        target = request.url.removeprefix(self._origin)
        target = target if target.startswith("/") else f"/{target}"
        if self._is_forwarded:
            target = self._origin + target  # RFC 9112 §3.2.2
        head = [f"{request.method} {target} HTTP/1.1", *self._same]
        if self._is_forwarded and self._proxy is not None:
            head += [f"{name}: {value}" for name, value in self._proxy.headers().items()]
        head += [f"{name}: {value}" for name, value in request.headers.items()]
        if request.body is not None or request.method in _WITH_BODY:
            head.append(f"Content-Length: {len(request.body or b'')}")
        if not request.is_valid_http:
            raise UnfitRequestError("the address or a header has a character that HTTP does not allow there")
        return "\r\n".join([*head, "", ""]).encode() + (request.body or b"")

    async def connect(self) -> Connection:
        """Take an idle connection, or open one.

        Raises:
            ClientConnectorError: no connection can be made.
            ConnectionTimeoutError: not in time.
        """
        door = self._current_door()
        try:
            connection = await self._connector.connect(door, [], self._to_connect)
            # What the system sent on an idle connection must not be taken for the response to the next request.
            while connection.protocol is not None and connection.protocol.should_close:
                connection.close()
                connection = await self._connector.connect(door, [], self._to_connect)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"no connection to {self._origin} in time") from error
        return connection

    def _current_door(self) -> aiohttp.ClientRequest:
        """Return where and how to connect; the pool has other connections for another TLS context."""
        context = None if self._tls is None else self._tls.current()
        if self._proxy is not None:
            return self._connection_request(context, self._proxy)
        if context is not None and self._door.ssl is not context:
            self._door = self._connection_request(context)
        return self._door

    def _connection_request(
        self, context: ssl.SSLContext | None = None, proxy: ClientProxy | None = None
    ) -> aiohttp.ClientRequest:
        """Return a request that is never sent: aiohttp reads from it where and how to connect, and its own headers."""
        try:
            url = URL(self._origin)
            if url.scheme not in _SCHEMES:
                raise UnfitRequestError(f"{self._origin!r} is no address of HTTP")
            return aiohttp.ClientRequest(
                "GET",
                url,
                ssl=context or True,
                server_hostname=self._server_name,
                proxy=proxy.url if proxy else None,
                proxy_headers=proxy.headers() if proxy else None,
            )
        except (aiohttp.InvalidURL, ValueError) as error:
            raise UnfitRequestError(f"{self._origin!r} is no address") from error

    async def exchange(self, connection: Connection, written: bytes, until: float) -> Opened:
        """Write a request, and return the head of its response and the stream of its body.

        `until` by the loop's clock.

        Raises:
            ClientError: the connection broke.
            HttpProcessingError: the response is not HTTP.
            TimeoutError: it did not arrive in time.
        """
        on, transport = connection.protocol, connection.transport
        if on is None or transport is None:
            raise aiohttp.ServerDisconnectedError
        loop = asyncio.get_running_loop()
        on.set_response_params(read_until_eof=True, max_line_size=MAX_HEADER_BYTES, max_field_size=MAX_HEADER_BYTES)
        remaining = until - loop.time()
        late = _require_silent if self._timeouts.read < remaining else _fail_with_timeout
        timer = loop.call_later(min(self._timeouts.read, remaining), late, on)
        try:
            transport.write(written)
            head, body = await on.read()
            while head.code < _FIRST_FINAL_STATUS:
                head, body = await on.read()
        finally:
            timer.cancel()
        return head, body

    async def read_more(self, body: aiohttp.StreamReader, until: float) -> bytes:
        """Return the next piece of a body that did not arrive at once.

        Raises:
            ClientPayloadError: it was cut off.
            TimeoutError: it did not arrive in time.
        """
        silent_at = asyncio.get_running_loop().time() + self._timeouts.read
        try:
            async with asyncio.timeout_at(min(silent_at, until)):
                return await body.readany()
        except TimeoutError:
            if silent_at < until:
                raise aiohttp.SocketTimeoutError from None
            raise


def is_usable(connection: Connection) -> bool:
    """Return whether a connection that was not used for a while is open, and nothing arrived on it."""
    on, transport = connection.protocol, connection.transport
    return on is not None and transport is not None and not transport.is_closing() and not on.should_close


def abort(connection: Connection) -> None:
    """Abort a connection: a close would first send the rest of a request that was given up."""
    if connection.protocol is not None:
        connection.protocol.abort()
    connection.close()


def _require_silent(connection: ResponseHandler) -> None:
    connection.set_exception(aiohttp.SocketTimeoutError())


def _fail_with_timeout(connection: ResponseHandler) -> None:
    connection.set_exception(TimeoutError())
