"""Serve the API of a simulated system on one port, from its start to its stop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Self

from aiohttp import web

from consumers.inbound.listen_socket import bound_port, open_port
from southbound.simulator import http_responses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from aiohttp.typedefs import Handler, Middleware

    Layer = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

_MAX_BODY_BYTES = 32 * 1024 * 1024  # enough for a bundle of ten thousand children
_SHUTDOWN_TIMEOUT = 0.5  # seconds for requests under way when the system stops


class SimulatedApi(ABC):
    """A simulated system on one port; `base_path` is where its API is. Layers are added before the start."""

    def __init__(self, host: str, port: int, base_path: str) -> None:
        self._address = (host, port)
        self._base = base_path
        self._layers: list[Layer] = []
        self._more_routes: list[web.AbstractRouteDef] = []

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

    def surround(self, layer: Layer) -> None:
        """Put a layer around the processing of requests to the API, inside of the layers before."""
        self._layers.append(layer)

    def add_routes(self, routes: Iterable[web.AbstractRouteDef]) -> None:
        """Serve routes beside the API."""
        self._more_routes += routes

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
        layers = [_middleware(layer, self._base) for layer in self._layers]
        middlewares = [*layers, http_responses.tmf_error_middleware, self._observe]
        app = web.Application(middlewares=middlewares, client_max_size=_MAX_BODY_BYTES)
        app.add_routes([*self.routes(), *self._more_routes])
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


def _middleware(layer: Layer, base: str) -> Middleware:
    @web.middleware
    async def surround_request(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await (layer(request, handler) if request.path.startswith(base) else handler(request))

    return surround_request
