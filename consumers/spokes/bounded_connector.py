"""Connections whose responses are bounded before they are read: in interim responses, and in the length of a header.

What a system sends is parsed as it arrives, before anything waits for it. A system that floods a connection with
interim responses would keep the event loop busy until the time of the call is over, and one that sends responses which
nobody asked for would fill the memory.

With TLS 1.3 a client has finished the handshake before the server has judged its certificate. A request that is
written at once is perhaps already on its way to a server that refuses the connection, and a reset does not say why.
So the first request waits until the server has shown that it goes on.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import LineTooLong

from consumers.spokes.limits.name_resolver import OwnThreadResolver

if TYPE_CHECKING:
    from aiohttp.abc import AbstractResolver
    from aiohttp.connector import Connection
    from aiohttp.http import RawResponseMessage

MAX_INTERIM_RESPONSES = 20  # to one request; HTTP sets no limit, and systems send one or two
MAX_HEADER_BYTES = 32 * 1024  # of one header; a Content-Security-Policy has 10 KB or more
_FIRST_FINAL_STATUS = 200
_SWITCHING_PROTOCOLS = 101
HANDSHAKE_VERDICT_WITHIN = 1.0  # seconds; a round trip is enough, and a server without session tickets says nothing
_VERDICT_INTERVAL = 0.005  # seconds
# Alerts by which a server refuses a client certificate, or that there is none.
_CERTIFICATE_ALERTS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED")


class InterimFloodError(aiohttp.ClientError):
    """The system answers with interim responses only."""


class HeaderTooLongError(aiohttp.ClientError):
    """A header is longer than `MAX_HEADER_BYTES`."""


class ConnectionRefusedAfterHandshakeError(aiohttp.ClientConnectionError):
    """The server ended a connection after the TLS handshake, before anything was sent on it."""


def certificate_alert(error: BaseException | None) -> str:
    """Return the TLS alert of a server that refuses our certificate, or that we have none, as OpenSSL names it."""
    while error is not None:
        reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else None
        if reason and "ALERT" in reason and any(name in reason for name in _CERTIFICATE_ALERTS):
            return str(reason)
        error = error.__cause__
    return ""


class BoundedConnector(aiohttp.TCPConnector):
    """A pool of such connections."""

    def __init__(self, *, limit: int, resolver: AbstractResolver | None) -> None:
        super().__init__(limit=limit, resolver=resolver or OwnThreadResolver())
        self._handshakes = _Handshakes()
        self._factory = cast(
            "partial[ResponseHandler]", partial(_BoundedResponseHandler, loop=self._loop, handshakes=self._handshakes)
        )

    async def connect(self, *args: Any, **kwargs: Any) -> Connection:  # noqa: ANN401 - passed on as they are
        """Take an idle connection, or open one and wait until the server has accepted it.

        Raises:
            ConnectionRefusedAfterHandshakeError: the server closed it instead.
        """
        connection = await super().connect(*args, **kwargs)
        on = connection.protocol
        tls = None if self._handshakes.accepted or connection.transport is None else _tls_1_3(connection.transport)
        if tls is None or not isinstance(on, _BoundedResponseHandler) or on.answered:
            return connection
        try:
            await _wait_for_verdict(on, tls)
        except BaseException:
            connection.close()
            raise
        return connection


class _Handshakes:
    """Whether the system has answered on a connection since it last closed one without an answer."""

    accepted = False


def _tls_1_3(transport: asyncio.Transport) -> ssl.SSLObject | None:
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    return tls if tls is not None and tls.version() == "TLSv1.3" else None


async def _wait_for_verdict(on: _BoundedResponseHandler, tls: ssl.SSLObject) -> None:
    """Wait until the server has sent a session ticket, which it does after it has accepted the client.

    Raises:
        ConnectionRefusedAfterHandshakeError: it closed the connection.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + HANDSHAKE_VERDICT_WITHIN
    while loop.time() < until and not on.ended:
        if tls.session is not None and tls.session.has_ticket:
            return
        await asyncio.sleep(_VERDICT_INTERVAL)
    if not on.is_connected():
        raise ConnectionRefusedAfterHandshakeError from on.exception()


class _BoundedResponseHandler(ResponseHandler):
    """The parser of responses, which ends the connection of a system that floods it."""

    _interim_responses = 0
    answered = False
    ended = False

    def __init__(self, loop: asyncio.AbstractEventLoop, handshakes: _Handshakes) -> None:
        super().__init__(loop=loop)
        self._handshakes = handshakes

    def connection_lost(self, exc: BaseException | None) -> None:
        """Record a connection that ended without an answer."""
        self.ended = True
        if not self.answered:
            self._handshakes.accepted = False
        super().connection_lost(exc)

    def feed_data(self, data: tuple[RawResponseMessage, aiohttp.StreamReader], size: int = 0) -> None:
        """Take the head of a response."""
        self.answered = self._handshakes.accepted = True
        status = data[0].code
        if status >= _FIRST_FINAL_STATUS or status == _SWITCHING_PROTOCOLS:
            self._interim_responses = 0
        else:
            self._interim_responses += 1
        # What nobody reads is a flood, too: of responses to no request, on an idle connection.
        if max(self._interim_responses, len(self._buffer)) <= MAX_INTERIM_RESPONSES:
            super().feed_data(data, size)
        elif self.transport is not None and not self.transport.is_closing():
            self.set_exception(InterimFloodError())
            self.transport.abort()

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Report why no response arrives."""
        if isinstance(exc_cause, ssl.SSLError):
            exc.__cause__ = exc_cause  # which aiohttp sets only where a reader waits already
        if isinstance(exc_cause, LineTooLong):
            super().set_exception(HeaderTooLongError())
        elif exc_cause is None:
            super().set_exception(exc)
        else:
            super().set_exception(exc, exc_cause)
