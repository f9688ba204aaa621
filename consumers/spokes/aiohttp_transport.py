"""Send HTTP requests with aiohttp, and determine for each failure whether the request may have arrived."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from consumers.spokes.aiohttp_connection import OriginConnections, abort, is_usable
from consumers.spokes.aiohttp_response import FAILURES, NEVER_SENT, NotHttpError, ResponseReader
from consumers.spokes.bounded_connector import BoundedConnector
from consumers.spokes.port import do_nothing
from consumers.spokes.security.client_proxy import client_proxy
from consumers.spokes.security.client_tls import client_tls, server_name_at
from consumers.spokes.transport import BeforeCallError, origin_of
from router.responses import NoResponse

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver
    from aiohttp.connector import Connection

    from consumers.spokes.aiohttp_connection import Head
    from consumers.spokes.port import BeforeCall
    from consumers.spokes.profile import SystemProfile
    from consumers.spokes.transport import HttpRequest
    from router.responses import HttpResponse

_REPEATABLE = frozenset({"GET", "DELETE"})


class AiohttpTransport:
    """A `Transport` with connections of its own to one system; made on first use, within the running loop."""

    def __init__(self, profile: SystemProfile, resolver: AbstractResolver | None = None) -> None:
        """Make a transport; nothing is connected yet.

        Raises:
            SecretMissingError: a file of the profile's `tls` or `proxy` cannot be used.
        """
        self._profile = profile
        self._tls = client_tls(profile.tls)
        self._proxy = client_proxy(profile.proxy)
        self._resolver = resolver
        self._connector: aiohttp.TCPConnector | None = None
        self._origins: dict[str, OriginConnections] = {}  # by origin; a spoke has one
        self._closed = False
        self._responses = ResponseReader.for_profile(profile)

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse | NoResponse:
        """Make one attempt: POST and PATCH are never repeated, redirects never followed."""
        if self._closed:
            return self._responses.not_called()
        try:
            return await self._attempt(self._connections_to(origin_of(request.url)), request, before)
        except HttpProcessingError:
            return self._responses.failed(NotHttpError())
        except BeforeCallError as failed_before:
            raise failed_before.error from None
        except FAILURES as error:
            return self._responses.failed(error)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        connector, self._connector = self._connector, None
        self._origins.clear()
        if connector is not None:
            await connector.close()

    async def _attempt(
        self, origin: OriginConnections, request: HttpRequest, before: BeforeCall
    ) -> HttpResponse | NoResponse:
        written = origin.encode(request)
        try:
            return await self._exchange(origin, written, before)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            # A kept connection may have been closed by the other side in this very moment.
            if request.method not in _REPEATABLE or isinstance(error, NEVER_SENT):
                raise
            return await self._exchange(origin, written, before)

    async def _exchange(
        self, origin: OriginConnections, request_bytes: bytes, before: BeforeCall
    ) -> HttpResponse | NoResponse:
        until = asyncio.get_running_loop().time() + self._profile.timeouts.total
        connection = await origin.connect()
        waited = await _run_before(before, connection)
        if not is_usable(connection):  # closed by the other side meanwhile
            connection.close()
            connection = await origin.connect()
            waited += await _run_before(before, connection)
        until += waited  # that is not the system's time
        try:
            head, body = await origin.exchange(connection, request_bytes, until)
            answer = await self._read_response(origin, head, body, until)
        except BaseException:
            abort(connection)
            raise
        if isinstance(answer, NoResponse):
            abort(connection)
        else:
            connection.release()  # which closes it where the answer was not read to its end
        return answer

    async def _read_response(
        self, origin: OriginConnections, head: Head, stream: aiohttp.StreamReader, deadline: float
    ) -> HttpResponse | NoResponse:
        return await self._responses.read(
            head.code, head.headers, stream, lambda body: origin.read_more(body, deadline)
        )

    def _connections_to(self, origin: str) -> OriginConnections:
        connections = self._origins.get(origin)
        if connections is None:
            name = server_name_at(self._profile.tls, origin, origin_of(self._profile.base_url))
            connections = OriginConnections(origin, self._open(), self._profile.timeouts, self._proxy, self._tls, name)
            self._origins[origin] = connections
        return connections

    def _open(self) -> aiohttp.TCPConnector:
        if self._connector is None:
            self._connector = BoundedConnector(limit=self._profile.concurrency, resolver=self._resolver)
        return self._connector


async def _run_before(before: BeforeCall, connection: Connection) -> float:
    """Run `before` while a connection is held; return the seconds that it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    try:
        await before()
    except BaseException as error:
        connection.release()  # nothing was written on it
        if isinstance(error, Exception):
            raise BeforeCallError(error) from error
        raise
    return clock() - began
