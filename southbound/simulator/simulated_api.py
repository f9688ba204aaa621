"""Serve the API of a simulated system on one port, from its start to its stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from aiohttp import web

from consumers.inbound.listen_socket import bound_port, open_port
from southbound.simulator import http_responses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler

_MAX_BODY_BYTES = 32 * 1024 * 1024  # enough for a bundle of ten thousand children
_SHUTDOWN_TIMEOUT = 0.5  # seconds for requests under way when the system stops


class SimulatedApi(ABC):
    """A simulated system on one port; `base_path` is where its API is."""

    def __init__(self, host: str, port: int, base_path: str) -> None:
        self._address = (host, port)
        self._base = base_path

    @property
    def base_url(self) -> str:
        """The base URL of the API, after the start."""
        return self._url

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes; the base URL is known."""

    @abstractmethod
    async def observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Process a request with its handler."""

    @web.middleware
    async def _observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        return await self.observe(request, handler)

    async def start(self) -> None:
        """Listen on the port, and serve the API.

        Raises:
            CannotListenError: the port is taken.
        """
        listening = open_port(*self._address)
        self._url = f"http://{self._address[0]}:{bound_port(listening)}{self._base}"
        middlewares = [http_responses.tmf_error_middleware, self._observe]
        app = web.Application(middlewares=middlewares, client_max_size=_MAX_BODY_BYTES)
        app.add_routes(self.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        await self._runner.setup()
        await web.SockSite(self._runner, listening).start()

    async def stop(self) -> None:
        """Release the port."""
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
