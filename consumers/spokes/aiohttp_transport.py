"""Send HTTP requests with aiohttp, and know for each failure whether the request may have arrived."""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from consumers.spokes.aiohttp_connection import OriginConnections, UnfitRequestError, abort, origin_of
from router.responses import HttpResponse, NoResponse

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

    from consumers.spokes.aiohttp_connection import Head
    from consumers.spokes.profile import Profile
    from consumers.spokes.transport import HttpRequest

# Only these prove that nothing was sent: the connection was never made (the contract suite shows each).
# A trace without `headers_sent` proves it too, but would cost every call and tell hardly more.
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, UnfitRequestError)
_CERTIFICATE = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
_ERROR_STATUS = 300
_REPEATABLE = frozenset({"GET", "DELETE"})


class AiohttpTransport:
    """A `Transport` with connections of its own to one system; made on first use, within the running loop."""

    def __init__(self, profile: Profile, resolver: AbstractResolver | None = None) -> None:
        self._profile = profile
        self._resolver = resolver
        self._connector: aiohttp.TCPConnector | None = None
        self._origins: dict[str, OriginConnections] = {}  # by origin; a spoke has one
        self._closed = False
        self._where = _where(profile.base_url)

    async def send(self, request: HttpRequest) -> HttpResponse | NoResponse:
        """Make one attempt: POST and PATCH are never repeated, redirects never followed; never raises."""
        if self._closed:
            return NoResponse(perhaps_sent=False, what=f"we are stopping, {self._where} was not called")
        try:
            return await self._attempt(self._connections_to(origin_of(request.url)), request)
        except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError) as error:
            return _no_response(error, self._where)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        connector, self._connector = self._connector, None
        self._origins.clear()
        if connector is not None:
            await connector.close()

    async def _attempt(self, line: OriginConnections, request: HttpRequest) -> HttpResponse | NoResponse:
        written = line.encode(request)
        try:
            return await self._exchange(line, written)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            # An idle connection may have been closed by the other side in this very moment.
            if request.method not in _REPEATABLE or isinstance(error, _NEVER_SENT):
                raise
            return await self._exchange(line, written)

    async def _exchange(self, line: OriginConnections, written: bytes) -> HttpResponse | NoResponse:
        until = asyncio.get_running_loop().time() + self._profile.timeouts.total
        connection = await line.connect()
        try:
            head, body = await line.exchange(connection, written, until)
            answer = await self._answer(line, head, body, until)
        except BaseException:
            abort(connection)
            raise
        connection.release()  # which closes it if the response was not read to its end
        return answer

    async def _answer(
        self, line: OriginConnections, head: Head, stream: aiohttp.StreamReader, until: float
    ) -> HttpResponse | NoResponse:
        limit = self._profile.max_answer_bytes
        body = await _read_bounded(line, stream, limit, until)
        if body is None and head.code < _ERROR_STATUS:
            return NoResponse(perhaps_sent=True, what=f"{self._where} answered with more than {limit} bytes")
        headers = {name.lower(): _valid(value) for name, value in head.headers.items()}
        return HttpResponse(status=head.code, headers=headers, body=body or b"")

    def _connections_to(self, origin: str) -> OriginConnections:
        line = self._origins.get(origin)
        if line is None:
            line = self._origins[origin] = OriginConnections(origin, self._open_connector(), self._profile.timeouts)
        return line

    def _open_connector(self) -> aiohttp.TCPConnector:
        if self._connector is None:
            self._connector = aiohttp.TCPConnector(limit=self._profile.concurrency, resolver=self._resolver)
        return self._connector


async def _read_bounded(
    line: OriginConnections, stream: aiohttp.StreamReader, limit: int, until: float
) -> bytes | None:
    """Read the body as it comes; None as soon as it is longer than `limit`."""
    first = stream.read_nowait()
    if stream.at_eof():  # mostly it arrived with the head
        return first if len(first) <= limit else None
    body = bytearray(first)
    while not stream.at_eof():
        if len(body) > limit:
            return None
        body += await line.read_more(stream, until)
    return bytes(body) if len(body) <= limit else None


def _valid(value: str) -> str:
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates, which cannot be encoded later.
    return value if value.isascii() else value.encode(errors="replace").decode()


def _no_response(error: Exception, where: str) -> NoResponse:
    return NoResponse(
        perhaps_sent=not isinstance(error, _NEVER_SENT),
        what=_sentence(error, where),
        certificate=isinstance(error, _CERTIFICATE),
    )


def _sentence(error: Exception, where: str) -> str:
    """Describe what happened without the text of the exception, which may repeat what was sent."""
    for kinds, sentence in _SENTENCES:
        if isinstance(error, kinds):
            return sentence.format(where=where) + _code(error)
    return f"the call to {where} failed ({type(error).__name__})"


def _code(error: Exception) -> str:
    # The numbers of TLS errors are OpenSSL's own.
    number = error.errno if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else None
    return f" ({errno.errorcode[number]})" if number is not None and number in errno.errorcode else ""


_SENTENCES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (_CERTIFICATE, "the certificate of {where} is not valid"),
    (aiohttp.ClientConnectorSSLError, "no TLS connection could be made to {where}"),
    (aiohttp.ClientConnectorDNSError, "the name in {where} could not be resolved"),
    (aiohttp.ClientConnectorError, "no connection could be made to {where}"),
    (aiohttp.ConnectionTimeoutError, "no connection to {where} in time"),
    (UnfitRequestError, "the address of {where} cannot be used"),
    (aiohttp.SocketTimeoutError, "{where} was silent for too long"),
    (asyncio.TimeoutError, "{where} did not answer in time"),
    (aiohttp.ClientPayloadError, "the answer of {where} broke off"),
    (HttpProcessingError, "the answer of {where} is not HTTP"),
    (aiohttp.ServerDisconnectedError, "{where} closed the connection without an answer"),
    (OSError, "the connection to {where} broke"),
)


def _where(base_url: str) -> str:
    url = URL(base_url)
    return f"{url.host}:{url.port}"
