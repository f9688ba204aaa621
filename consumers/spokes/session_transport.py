"""Send HTTP requests with aiohttp's `ClientSession`, which costs more CPU and uses less of aiohttp's internals.

`http.transport: session` chooses it: ADR-0024.
"""

from __future__ import annotations

import math
from contextvars import ContextVar
from io import BytesIO
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from consumers.spokes.aiohttp_connection import is_usable
from consumers.spokes.aiohttp_response import FAILURES, ResponseReader
from consumers.spokes.bounded_connector import MAX_HEADER_BYTES, BoundedConnector
from consumers.spokes.port import do_nothing
from consumers.spokes.security.client_proxy import client_proxy
from consumers.spokes.security.client_tls import client_tls, server_name_at
from consumers.spokes.transport import BeforeCallError, UnfitRequestError, origin_of
from router.responses import NoResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractResolver
    from aiohttp.connector import Connection

    from consumers.spokes.port import BeforeCall
    from consumers.spokes.profile import SystemProfile, Timeouts
    from consumers.spokes.transport import HttpRequest
    from router.responses import HttpResponse

# Only what the client passes is sent, besides Host, Accept-Encoding and Content-Length.
_NOT_ADDED = ("Accept", "Content-Type", "User-Agent")
_SCHEMES = ("http", "https")
_WRITTEN_AT_ONCE = 2**20  # bytes
# What is awaited before the request of this task is written; the session has no place for it.
_before_writing: ContextVar[BeforeCall] = ContextVar("before_writing", default=do_nothing)


class SessionTransport:
    """A `Transport` with a session of its own to one system; made on first use, within the running loop.

    aiohttp repeats GET and DELETE once where a kept connection broke, and never POST or PATCH. It would also repeat
    HEAD, OPTIONS, PUT and TRACE, which no spoke uses.
    """

    def __init__(self, profile: SystemProfile, resolver: AbstractResolver | None = None) -> None:
        """Make a transport; nothing is connected yet.

        Raises:
            SecretMissingError: a file of the profile's `tls` or `proxy` cannot be used.
        """
        self._profile = profile
        self._tls = client_tls(profile.tls)
        self._proxy = client_proxy(profile.proxy)
        self._resolver = resolver
        self._connector: _Connector | None = None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._responses = ResponseReader.for_profile(profile)

    async def send(self, request: HttpRequest, before: BeforeCall = do_nothing) -> HttpResponse | NoResponse:
        """Make one attempt: POST and PATCH are never repeated, redirects never followed."""
        if self._closed:
            return self._responses.not_called()
        token = _before_writing.set(before)
        try:
            return await self._attempt(self._open(), request)
        except BeforeCallError as failed_before:
            raise failed_before.error from None
        except FAILURES as error:
            return self._responses.failed(error)
        finally:
            _before_writing.reset(token)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._connector is not None:
            # `session.close()` would also remove the connector from the session, and calls under way still use it.
            await self._connector.close()

    async def _attempt(self, session: aiohttp.ClientSession, request: HttpRequest) -> HttpResponse | NoResponse:
        response = await session.request(
            request.method,
            _address(request),
            headers=self._headers(request),
            data=_data(request.body),
            allow_redirects=False,
            ssl=self._tls.current() if self._tls else True,
            server_hostname=self._server_name(request),
            proxy=self._proxy.url if self._proxy else None,
            proxy_headers=self._proxy.headers() if self._proxy else None,
        )
        try:
            answer = await self._responses.read(
                response.status, response.headers, response.content, aiohttp.StreamReader.readany
            )
        except BaseException:
            response.close()
            raise
        if isinstance(answer, NoResponse):
            response.close()
        else:
            response.release()  # which closes the connection where the body was not read to its end
        return answer

    def _server_name(self, request: HttpRequest) -> str | None:
        return server_name_at(self._profile.tls, origin_of(request.url), origin_of(self._profile.base_url))

    def _headers(self, request: HttpRequest) -> Mapping[str, str]:
        """Return the headers of a request, with the proxy's credentials if the proxy reads and forwards it."""
        if self._proxy is None or request.url.startswith("https:"):
            return request.headers
        return {**request.headers, **self._proxy.headers()}

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._connector = _Connector(limit=self._profile.concurrency, resolver=self._resolver)
            self._session = aiohttp.ClientSession(
                connector=self._connector,
                timeout=_timeouts(self._profile.timeouts),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_NOT_ADDED,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                response_class=_Response,
                trust_env=False,  # neither proxies nor a .netrc of the environment
            )
        return self._session


class _Connector(BoundedConnector):
    """A pool whose idle connections are used only if nothing arrived on them."""

    async def connect(self, *args: Any, **kwargs: Any) -> Connection:  # noqa: ANN401 - passed on as they are
        """Take an idle connection, or open one; then run what precedes the request."""
        connection = await self._take(*args, **kwargs)
        await _run_before(connection)
        if not is_usable(connection):  # closed by the other side meanwhile
            connection.close()
            connection = await self._take(*args, **kwargs)
            await _run_before(connection)
        return connection

    async def _take(self, *args: Any, **kwargs: Any) -> Connection:  # noqa: ANN401 - passed on as they are
        connection = await super().connect(*args, **kwargs)
        # What the system sent on an idle connection must not be taken for the response to the next request.
        while connection.protocol is not None and connection.protocol.should_close:
            connection.close()
            connection = await super().connect(*args, **kwargs)
        return connection


class _Response(aiohttp.ClientResponse):
    """A response whose connection is aborted where it is given up: a close would first send the rest of the request."""

    def close(self) -> None:
        """Abort the response's connection, without sending the rest of the request first."""
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.abort()
        super().close()


async def _run_before(connection: Connection) -> None:
    try:
        await _before_writing.get()()
    except BaseException as error:
        connection.release()  # nothing was written on it
        if isinstance(error, Exception):
            raise BeforeCallError(error) from error
        raise


def _address(request: HttpRequest) -> URL:
    if not request.is_valid_http:
        raise UnfitRequestError("the address or a header has a character that HTTP does not allow there")
    try:
        url = URL(request.url, encoded=True)
        valid = url.scheme in _SCHEMES and url.host and url.port
    except ValueError as error:
        raise UnfitRequestError(f"{request.path!r} is no address") from error
    if not valid:
        raise UnfitRequestError(f"{request.path!r} is no address of HTTP")
    return url


def _data(body: bytes | None) -> bytes | BytesIO | None:
    # aiohttp writes bytes at once and a file in pieces; it warns about bytes that are longer than this.
    return BytesIO(body) if body is not None and len(body) > _WRITTEN_AT_ONCE else body


def _timeouts(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        connect=timeouts.connect,
        sock_connect=timeouts.connect,
        sock_read=timeouts.read,
        total=timeouts.total,
        # Rounded up, `connect` and `total` could end together, and only `connect` proves that nothing was sent.
        ceil_threshold=math.inf,
    )
