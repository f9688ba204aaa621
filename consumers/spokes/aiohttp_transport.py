"""Send HTTP requests with aiohttp, and know of each failure whether the request may have arrived."""

from __future__ import annotations

import asyncio
import errno
import ssl
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from router.answers import Answer, NoAnswer

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver

    from consumers.spokes.profile import Profile
    from consumers.spokes.transport import HttpRequest

# Only these prove that nothing was sent: the connection was never made (the contract suite shows each).
# A trace without `headers_sent` proves it too, but would cost every call and tell hardly more.
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_CERTIFICATE = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
_ERROR_STATUS = 300


class AiohttpTransport:
    """A `Transport` with connections of its own to one system; made on first use, within the running loop."""

    def __init__(self, profile: Profile, resolver: AbstractResolver | None = None) -> None:
        self._profile = profile
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None
        self._closed = False
        self._where = _where(profile.base_url)

    async def send(self, request: HttpRequest) -> Answer | NoAnswer:
        """Make one attempt: POST and PATCH are never repeated, redirects never followed; never raises."""
        if self._closed:
            return NoAnswer(perhaps_sent=False, what=f"we are stopping, {self._where} was not called")
        try:
            return await self._exchange(self._open(), request)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return _no_answer(error, self._where)

    async def close(self) -> None:
        """Close the connections."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _exchange(self, session: aiohttp.ClientSession, request: HttpRequest) -> Answer | NoAnswer:
        async with session.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
        ) as response:
            return await self._answer(response)

    async def _answer(self, response: aiohttp.ClientResponse) -> Answer | NoAnswer:
        headers = {name.lower(): _valid(value) for name, value in response.headers.items()}
        body = await _bounded(response.content, self._profile.max_answer_bytes)
        if body is not None:
            return Answer(status=response.status, headers=headers, body=body)
        # Not read to its end: this connection cannot be used again.
        response.close()
        if response.status >= _ERROR_STATUS:
            return Answer(status=response.status, headers=headers)
        limit = self._profile.max_answer_bytes
        return NoAnswer(perhaps_sent=True, what=f"{self._where} answered with more than {limit} bytes")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = _session(self._profile, self._resolver)
        return self._session


def _session(profile: Profile, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    seconds = profile.timeouts
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=profile.concurrency, resolver=resolver),
        timeout=aiohttp.ClientTimeout(
            total=seconds.total, sock_connect=seconds.connect, connect=seconds.connect, sock_read=seconds.read
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def _bounded(content: aiohttp.StreamReader, limit: int) -> bytes | None:
    """Read the body as it comes; None as soon as it is longer than `limit`."""
    first = await content.readany()
    if content.at_eof():
        return first if len(first) <= limit else None
    body = bytearray(first)
    while not content.at_eof():
        if len(body) > limit:
            return None
        body += await content.readany()
    return bytes(body) if len(body) <= limit else None


def _valid(value: str) -> str:
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates, which nothing further on can write.
    return value if value.isascii() else value.encode(errors="replace").decode()


def _no_answer(error: Exception, where: str) -> NoAnswer:
    return NoAnswer(
        perhaps_sent=not isinstance(error, _NEVER_SENT),
        what=_sentence(error, where),
        certificate=isinstance(error, _CERTIFICATE),
    )


def _sentence(error: Exception, where: str) -> str:
    """Say what happened, without the text of the exception: it may repeat what was sent."""
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
    (aiohttp.InvalidURL, "the address of {where} cannot be used"),
    (aiohttp.SocketTimeoutError, "{where} was silent for too long"),
    (asyncio.TimeoutError, "{where} did not answer in time"),
    (aiohttp.ClientPayloadError, "the answer of {where} broke off"),
    (aiohttp.ClientResponseError, "the answer of {where} is not HTTP"),
    (aiohttp.ServerDisconnectedError, "{where} closed the connection without an answer"),
    (OSError, "the connection to {where} broke"),
)


def _where(base_url: str) -> str:
    url = URL(base_url)
    return f"{url.host}:{url.port}"
