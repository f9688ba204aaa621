"""An HTTP server whose connections are bounded in number, and in the time for the head of a request."""

from __future__ import annotations

import asyncio
import resource
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from consumers.inbound.connection_gate import ConnectionGate, ConnectionLimits, peer_network

if TYPE_CHECKING:
    import socket

    class CountClosed(Protocol):
        """Counts connections that are closed, and requests that are not HTTP, before any handler sees a request."""

        def __call__(self, reason: ClosedReason, /) -> object:
            """Count one connection or request."""


ClosedReason = Literal["tooSlow", "tooManyConnections", "notHttp"]
# The kernel queues this many new connections, and the loop accepts as many at once before the gate closes any.
_BACKLOG = 256
_LINGERING_TIME = 2.0  # seconds for the rest of a body that was refused by its head


def ignore_closed(_reason: ClosedReason) -> None:
    """Count nothing."""


class BoundedServer:
    """Serves an application over HTTP within `limits`."""

    def __init__(
        self,
        app: web.Application,
        limits: ConnectionLimits,
        *,
        on_closed: CountClosed = ignore_closed,
        shutdown_timeout: float = 60.0,
    ) -> None:
        app.on_response_prepare.append(_remove_server_header)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=shutdown_timeout)
        self._limits = limits
        self._on_closed = on_closed
        self._server: asyncio.Server | None = None

    async def start(self, bound: socket.socket) -> None:
        """Listen on a socket that is bound already."""
        await self._runner.setup()
        limits = self._limits.within(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        gate = ConnectionGate(limits)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _BoundedConnection(self._runner.server, gate, limits, self._on_closed, loop),
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

    __slots__ = ("_gate", "_head_timeout", "_head_timer", "_on_closed", "peer")

    def __init__(
        self,
        server: Any,  # noqa: ANN401 - aiohttp's server, which has no type to name
        gate: ConnectionGate,
        limits: ConnectionLimits,
        on_closed: CountClosed,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        options: dict[str, Any] = {"access_log": None}
        super().__init__(
            server, loop=loop, keepalive_timeout=limits.idle_timeout, lingering_time=_LINGERING_TIME, **options
        )
        self._gate = gate
        self._head_timeout = limits.head_timeout
        self._on_closed = on_closed
        self._head_timer: asyncio.TimerHandle | None = None
        self.peer = ""

    @property
    def waits(self) -> bool:
        """Whether no whole request has arrived on it since the last response."""
        return self._waiter is not None and not self._waiter.done()

    def evict(self) -> None:
        """Close it, because a newer connection needs its place."""
        self._on_closed("tooManyConnections")
        self.force_close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it where there is no place."""
        name = transport.get_extra_info("peername")
        self.peer = peer_network(str(name[0])) if name else ""
        if not self._gate.admit(self):
            self._on_closed("tooManyConnections")
            cast("asyncio.Transport", transport).abort()
            return
        super().connection_made(transport)
        self._start_head_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free its place."""
        self._stop_head_timer()
        self._gate.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read a piece; the time for a head ends when it is whole."""
        whole_before = self._request_count
        super().data_received(data)
        if self._request_count != whole_before:
            self._stop_head_timer()
        elif self._head_timer is None and self.waits:
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
        response = _PlainResponse(status=status, text="the request is not HTTP: correct it\n")
        response.force_close()
        return response

    def _start_head_timer(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        self._head_timer = None
        if self.waits:
            self._on_closed("tooSlow")
            self.force_close()


class _PlainResponse(web.Response):
    """A response that no application prepares."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


async def _remove_server_header(_: web.BaseRequest, response: web.StreamResponse) -> None:
    # It names aiohttp and Python with their versions.
    response.headers.popall("Server", None)
