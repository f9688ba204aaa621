"""The HTTP server of the northbound interface."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from aiohttp import HttpVersion11, web

from consumers.inbound.bounded_server import BoundedServer
from consumers.inbound.connection_gate import ConnectionLimits
from consumers.inbound.listen_socket import bound_port, open_port
from consumers.northbound.access.request_keys import PRINCIPAL
from consumers.northbound.api.openapi.document import KEY_HEADER, openapi_resource
from consumers.northbound.api.responses import error_response, in_forms, tmf_errors
from router.northbound.errors import Mistake, MistakeCode
from router.northbound.principal import LOCAL_PRINCIPAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp.typedefs import Handler, Middleware

    from consumers.northbound.api.resource_routes import ResourceRoutes
    from router.northbound.api_version import ApiVersion


_METHODS = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE"})  # a client can invent others


@web.middleware
async def as_local_principal(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let everyone do everything: authentication is off, which is possible on a loopback address only."""
    request[PRINCIPAL] = LOCAL_PRINCIPAL
    return await handler(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerLimits:
    """Limits of all requests together."""

    max_body_bytes: int = 512 * 1024
    max_concurrent: int = 500
    shutdown_timeout: float = 10.0  # seconds, for requests that are under way when the server stops
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)


class ApiServer:
    """Serves resources. `authenticate` leaves a `Principal` in `request[PRINCIPAL]`, or refuses the request."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        version: ApiVersion,
        resources: Sequence[ResourceRoutes],
        authenticate: Middleware = as_local_principal,
        on_response: Callable[[str, int], None] = lambda *_: None,  # called with the method and the status
        key_header: str = KEY_HEADER,
        limits: ServerLimits | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._resources = (*resources, openapi_resource(version, resources, key_header))
        self._authenticate = authenticate
        self._on_response = on_response
        self._limits = limits or ServerLimits()
        self._under_way = 0

    @property
    def port(self) -> int:
        """The port that was bound: 0 asks for any."""
        return self._port

    async def start(self) -> None:
        """Bind the port and listen.

        Raises:
            CannotListenError: the port is taken.
        """
        bound = open_port(self._host, self._port, "api.port")
        self._port = bound_port(bound)
        self._server = BoundedServer(
            self.application(),
            self._limits.connections,
            shutdown_timeout=self._limits.shutdown_timeout,
            form_refusal=_form_refusal,
        )
        await self._server.start(bound)

    async def stop(self) -> None:
        """Accept nothing new, and respond to what is under way."""
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def application(self) -> web.Application:
        """Build the application with every route."""
        app = web.Application(
            client_max_size=self._limits.max_body_bytes,
            middlewares=[self._counting(), *self._forming(), self._authenticate, tmf_errors, self._bounding()],
        )
        for resource in self._resources:
            app.router.add_routes(map(_with_expectations, resource.routes))
        return app

    def _counting(self) -> Middleware:
        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            self._on_response(request.method if request.method in _METHODS else "other", response.status)
            return response

        return count

    def _forming(self) -> list[Middleware]:
        """Return what writes the errors of some paths in another form; empty if all are TMF errors."""
        forms = {path: form for resource in self._resources for path, form in resource.error_forms.items()}
        return [in_forms(forms)] if forms else []

    def _bounding(self) -> Middleware:
        @web.middleware
        async def bound(request: web.Request, handler: Handler) -> web.StreamResponse:
            if self._under_way >= self._limits.max_concurrent:
                return error_response(503, [Mistake(MistakeCode.OTHER, "too many requests are under way: try again")])
            self._under_way += 1
            try:
                return await handler(request)
            finally:
                self._under_way -= 1

        return bound


def _form_refusal(status: int, sentence: str) -> web.Response:
    return error_response(status, [Mistake(MistakeCode.INVALID_FORMAT, sentence)])


def _with_expectations(route: web.AbstractRouteDef) -> web.AbstractRouteDef:
    """Return a route that refuses expectations as TMF errors: aiohttp reads them before any middleware."""
    if not isinstance(route, web.RouteDef):
        return route
    more = {**route.kwargs, "expect_handler": _answer_expectation}
    return web.RouteDef(route.method, route.path, route.handler, more)


async def _answer_expectation(request: web.Request) -> web.StreamResponse | None:
    if request.version < HttpVersion11:  # it has no expectations (RFC 9110 §10.1.1)
        return None
    if request.headers.get("Expect", "").lower() != "100-continue":
        sentence = "Expect can only be 100-continue: send the request without it"
        return error_response(417, [Mistake(MistakeCode.INVALID_VALUE, sentence)])
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # of the response, which follows
    return None
