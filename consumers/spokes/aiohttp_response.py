"""Convert what aiohttp received or raised into an answer, the same for every transport that uses it."""

from __future__ import annotations

import asyncio
import errno
import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import aiohttp
from yarl import URL

from consumers.spokes.bounded_connector import (
    MAX_HEADER_BYTES,
    MAX_INTERIM_RESPONSES,
    ConnectionRefusedAfterHandshakeError,
    HeaderTooLongError,
    InterimFloodError,
    certificate_alert,
)
from consumers.spokes.transport import UnfitRequestError
from router.responses import HttpResponse, NoResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from consumers.spokes.profile import SystemProfile

# What a call may raise for what the network or the other side does.
FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
# Only these prove that nothing was sent: the connection was never made (the contract suite shows each).
# A trace without `headers_sent` proves it too, but would cost every call and tell hardly more.
NEVER_SENT = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    ConnectionRefusedAfterHandshakeError,
    UnfitRequestError,
)
_CERTIFICATE = (aiohttp.ClientConnectorCertificateError, aiohttp.ServerFingerprintMismatch)
_SUCCESS_STATUS = 200
_ERROR_STATUS = 300


class NotHttpError(aiohttp.ClientError):
    """What came back is not HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseReader:
    """Reads the responses of one system, at most `limit` bytes of each body; `where` is its host and port."""

    where: str
    limit: int

    @classmethod
    def for_profile(cls, profile: SystemProfile) -> ResponseReader:
        """Return the reader for the system of a profile."""
        url = URL(profile.base_url)
        return cls(where=f"{url.host}:{url.port}", limit=profile.max_response_bytes)

    async def read(
        self,
        status: int,
        headers: Mapping[str, str],
        stream: aiohttp.StreamReader,
        read_more: Callable[[aiohttp.StreamReader], Awaitable[bytes]],
    ) -> HttpResponse | NoResponse:
        """Read the body up to the limit and return the answer; a refusal with a longer body is an answer without it.

        Raises:
            ClientPayloadError: the body of an answer that is no success was cut off.
            TimeoutError: it did not arrive in time.
        """
        is_success = _SUCCESS_STATUS <= status < _ERROR_STATUS
        try:
            body = await _bounded(stream, self.limit, read_more)
        except FAILURES as error:
            if not is_success:
                raise
            return replace(self.failed(error), was_accepted=True)
        if body is None and status < _ERROR_STATUS:
            cause = f"{self.where} answered with more than {self.limit} bytes"
            return NoResponse(perhaps_sent=True, cause=cause, was_accepted=is_success)
        lower = {name.lower(): _valid(value) for name, value in headers.items()}
        return HttpResponse(status=status, headers=lower, body=body or b"")

    def not_called(self) -> NoResponse:
        """Return what a transport answers after it was closed."""
        return NoResponse(perhaps_sent=False, cause=f"we are stopping, {self.where} was not called")

    def failed(self, error: Exception) -> NoResponse:
        """Return what an exception means: whether the request was perhaps sent, and a sentence without secrets."""
        if alert := certificate_alert(error):
            # The server reads no request from a client whose certificate it does not accept.
            cause = f"{self.where} requires a client certificate, or does not accept ours (TLS alert {alert})"
            return NoResponse(perhaps_sent=False, cause=cause, certificate_invalid=True)
        return NoResponse(
            perhaps_sent=not isinstance(error, NEVER_SENT),
            cause=_sentence(error, self.where),
            certificate_invalid=isinstance(error, _CERTIFICATE),
        )


async def _bounded(
    stream: aiohttp.StreamReader, limit: int, read_more: Callable[[aiohttp.StreamReader], Awaitable[bytes]]
) -> bytes | None:
    """Read the body as it comes; None as soon as it is longer than `limit`."""
    first = stream.read_nowait()
    if stream.at_eof():  # mostly it came with the head
        return first if len(first) <= limit else None
    body = bytearray(first)
    while not stream.at_eof():
        if len(body) > limit:
            return None
        body += await read_more(stream)
    return bytes(body) if len(body) <= limit else None


def _valid(value: str) -> str:
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates, which nothing further on can write.
    return value if value.isascii() else value.encode(errors="replace").decode()


def _sentence(error: Exception, where: str) -> str:
    """Describe what happened without the text of the exception, which may repeat what was sent."""
    for kinds, sentence in _SENTENCES:
        if isinstance(error, kinds):
            return sentence.format(where=where) + _code(error)
    return f"the call to {where} failed ({type(error).__name__})"


def _code(error: Exception) -> str:
    # The numbers of TLS errors are OpenSSL's own.
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f" ({error.status})"
    of_tls = isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError)
    number = error.errno if isinstance(error, OSError) and not of_tls else None
    return f" ({errno.errorcode[number]})" if number is not None and number in errno.errorcode else ""


_SENTENCES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (_CERTIFICATE, "the certificate of {where} is not valid"),
    (aiohttp.ClientProxyConnectionError, "no connection could be made to the proxy to {where}"),
    (aiohttp.ClientConnectorSSLError, "no TLS connection could be made to {where}"),
    (aiohttp.ClientConnectorDNSError, "the name in {where} could not be resolved"),
    (aiohttp.ClientConnectorError, "no connection could be made to {where}"),
    (
        ConnectionRefusedAfterHandshakeError,
        "{where} closed the connection right after the TLS handshake: it perhaps requires a client certificate",
    ),
    (aiohttp.ConnectionTimeoutError, "no connection to {where} in time"),
    (aiohttp.ClientHttpProxyError, "the proxy makes no connection to {where}"),
    (UnfitRequestError, "the address of {where} cannot be used"),
    (aiohttp.SocketTimeoutError, "{where} was silent for too long"),
    (asyncio.TimeoutError, "{where} did not answer in time"),
    (aiohttp.ClientPayloadError, "the answer of {where} broke off"),
    (InterimFloodError, f"{{where}} sent more than {MAX_INTERIM_RESPONSES} interim responses (1xx) and no answer"),
    (
        HeaderTooLongError,
        f"the answer of {{where}} is not HTTP that is read: a header has over {MAX_HEADER_BYTES} bytes",
    ),
    ((NotHttpError, aiohttp.ClientResponseError), "the answer of {where} is not HTTP"),
    (aiohttp.ServerDisconnectedError, "{where} closed the connection without an answer"),
    (OSError, "the connection to {where} broke"),
)
