"""An HTTP server whose connections are bounded: in number, and in the times for a request's head and for a response."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import ContentEncodingError, LineTooLong
from aiohttp.web_protocol import RequestHandler

from consumers.inbound.connection_gate import ConnectionGate, ConnectionLimits, peer_network

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    FormRefusal = Callable[[int, str], web.Response]  # of a status and a sentence

    class CountClosed(Protocol):
        """Counts connections that are closed, and requests that are not HTTP, before any handler sees a request."""

        def __call__(self, reason: ClosedReason, /) -> object:
            """Count one connection or request."""


ClosedReason = Literal["tooSlow", "tooManyConnections", "notHttp"]
# The kernel queues this many new connections, and the loop accepts as many at once before the gate closes any.
_BACKLOG = 256
_LINGERING_TIME = 2.0  # seconds for the rest of a body that was refused by its head
UNKNOWN_CODING = "the body has a Content-Encoding that is not decoded here: send it without one, or in gzip or deflate"
ACCEPTED_CODINGS = {"Accept-Encoding": "gzip, deflate"}  # RFC 9110 §15.5.16


def ignore_closed(_reason: ClosedReason) -> None:
    """Count nothing."""


def plain_refusal(status: int, sentence: str) -> web.Response:
    """Return a refusal as a line of text."""
    return web.Response(status=status, text=f"{sentence}\n")


class BoundedServer:
    """Serves an application over HTTP within `limits`.

    `form_refusal` writes the responses to requests that no handler sees, because they cannot be read.
    """

    def __init__(
        self,
        app: web.Application,
        limits: ConnectionLimits,
        *,
        on_closed: CountClosed = ignore_closed,
        shutdown_timeout: float = 60.0,
        form_refusal: FormRefusal = plain_refusal,
    ) -> None:
        app.on_response_prepare.append(_remove_server_header)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
        self._limits = limits
        self._on_closed = on_closed
        self._form_refusal = form_refusal
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        """Listen on a socket that is bound already."""
        await self._runner.setup()
        limits = self._limits.within(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        gate = ConnectionGate(limits)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _BoundedConnection(self._runner.server, gate, limits, self._on_closed, self._form_refusal, loop),
            sock=bound,
            backlog=_BACKLOG,
        )

    async def stop(self) -> None:
        """Accept nothing new, and finish what is in progress."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()


class _BoundedConnection(RequestHandler):
    """One connection."""

    __slots__ = (
        "_form_refusal",
        "_gate",
        "_head_timeout",
        "_head_timer",
        "_on_closed",
        "_response_timer",
        "_wire",
        "peer",
    )

    def __init__(
        self,
        server: Any,  # noqa: ANN401 - aiohttp's server, which has no type to name
        gate: ConnectionGate,
        limits: ConnectionLimits,
        on_closed: CountClosed,
        form_refusal: FormRefusal,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        options: dict[str, Any] = {"access_log": None}
        super().__init__(
            server, loop=loop, keepalive_timeout=limits.idle_timeout, lingering_time=_LINGERING_TIME, **options
        )
        self._gate = gate
        self._head_timeout = limits.head_timeout
        self._on_closed = on_closed
        self._form_refusal = form_refusal
        self._head_timer: asyncio.TimerHandle | None = None
        self._response_timer: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None  # aiohttp forgets it before what was written has left
        self.peer = ""

    @property
    def waits(self) -> bool:
        """Whether no whole request has arrived on it since the last response, or its client does not take responses."""
        return self._lacks_request or (self._wire is not None and self._wire.get_write_buffer_size() > 0)

    @property
    def _lacks_request(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def evict(self) -> None:
        """Close it, because a newer connection needs its place."""
        self._close_for("tooManyConnections")

    def _close_for(self, reason: ClosedReason) -> None:
        self._on_closed(reason)
        self.force_close()
        if self._wire is not None and self._wire.get_write_buffer_size():
            self._wire.abort()  # a close waits until the client has taken what was written

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it where there is no place."""
        name = transport.get_extra_info("peername")
        self.peer = peer_network(str(name[0])) if name else ""
        if not self._gate.admit(self):
            self._on_closed("tooManyConnections")
            cast("asyncio.Transport", transport).abort()
            return
        self._wire = cast("asyncio.Transport", transport)
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free its place."""
        self._stop_head_timer()
        self._stop_response_timer()
        self._gate.remove(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin the time in which the client has to take what was written."""
        super().pause_writing()
        self._response_timer = self._loop.call_later(self._head_timeout, self._close_for, "tooSlow")

    def resume_writing(self) -> None:
        """End that time."""
        self._stop_response_timer()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read a piece; the time for a head ends when it is whole."""
        whole_before = self._request_count
        super().data_received(data)
        if self._request_count != whole_before:
            self._stop_head_timer()
        elif self._head_timer is None and self._lacks_request:
            self._start_head_timer()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what is not HTTP without a log line: anyone can send it as often as they like."""
        if not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        self._on_closed("notHttp")
        status, sentence = _refusal_of(exc, status)
        formed = self._form_refusal(status, sentence)
        more = ACCEPTED_CODINGS if isinstance(exc, ContentEncodingError) else {}
        response = _NamelessResponse(status=status, body=formed.body, headers={**formed.headers, **more})
        response.force_close()
        return response

    def log_exception(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 - as aiohttp declares it
        """Log what is not expected: not a body that is not as its headers say, which anyone can send at any rate."""
        if not isinstance(more.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **more)

    def _start_head_timer(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_response_timer(self) -> None:
        if self._response_timer is not None:
            self._response_timer.cancel()
            self._response_timer = None

    def _on_head_timeout(self) -> None:
        self._head_timer = None
        if self._lacks_request:
            self._close_for("tooSlow")


def _refusal_of(error: HttpProcessingError, status: int) -> tuple[int, str]:
    """Return the status and the sentence for a request that cannot be read; nothing of it is quoted."""
    if isinstance(error, ContentEncodingError):  # Brotli and Zstandard, for which aiohttp lacks a decoder
        return 415, UNKNOWN_CODING
    if isinstance(error, LineTooLong):
        return status, "a line of the head of the request is too long: shorten its URL or its headers"
    return status, "the request is not HTTP: correct it"


class _NamelessResponse(web.Response):
    """A response that no application prepares."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


async def _remove_server_header(_: web.BaseRequest, response: web.StreamResponse) -> None:
    # It names aiohttp and Python with their versions.
    response.headers.popall("Server", None)
