"""An external test system that implements a version of TMF653 and behaves as its script says."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from aiohttp import web

from consumers.spokes.tmf653.versions import VERSIONS
from southbound.simulator import http_responses
from southbound.simulator.execution import TestExecution
from southbound.simulator.hub import Hub
from southbound.simulator.notifications import NotificationSender, Subscription, callback_transport, unsigned
from southbound.simulator.request_log import ReceivedRequest, RequestLog
from southbound.simulator.script import Script, demo_script
from southbound.simulator.service_test_resource import ServiceTestResource
from southbound.simulator.simulated_api import SimulatedApi
from southbound.simulator.tmf_definition import official_definition
from southbound.simulator.v5.cancel_tasks import CancelTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiohttp.typedefs import Handler

    from consumers.spokes.transport import Transport
    from southbound.simulator.execution import ServiceTest


API_PATH = "/tmf-api/serviceTestManagement"


def _now() -> datetime:
    return datetime.now(UTC)


def _new_id() -> str:
    return str(uuid4())


class ExternalSystem(SimulatedApi):
    """One system on one port.

    `callback_url` receives every notification without a subscription; others subscribe at `/hub`.
    `latency` is added to every request, in seconds. A `transport` that is passed in is not closed here.
    """

    def __init__(  # noqa: PLR0913 - everything but the name has a default
        self,
        *,
        name: str,
        transport: Transport | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        script: Script | None = None,
        callback_url: str | None = None,
        callback_headers: Mapping[str, str] | None = None,
        sign_callback: Callable[[bytes], Mapping[str, str]] | None = None,
        event_in_path: bool = False,
        latency: float = 0.0,
        now: Callable[[], datetime] = _now,
        new_id: Callable[[], str] = _new_id,
    ) -> None:
        self.name = name
        self.request_log = RequestLog()
        self._transport = transport or callback_transport()
        self._owns_transport = transport is None
        self._script = script or demo_script()
        self._version = VERSIONS[self._script.version]
        super().__init__(host, port, f"{API_PATH}/{self._version.path}")
        # v5.0 says how a notification is answered; systems of v4 in use take any success.
        accepted = {"accepted": frozenset({204})} if self._version.typed else {}
        self.notifications = NotificationSender(self._transport, **accepted)
        self._latency = latency
        self._now = now
        self._new_id = new_id
        if callback_url is not None:
            self.notifications.subscriptions["configured"] = Subscription(
                id="configured",
                callback=callback_url,
                headers=callback_headers or {},
                event_in_path=event_in_path,
                sign=sign_callback or unsigned,
            )

    @property
    def tests(self) -> dict[str, ServiceTest]:
        """The tests that it has, by id, after the start."""
        return self._execution.tests

    @property
    def received(self) -> Sequence[ReceivedRequest]:
        """All requests so far, in the order in which they were received."""
        return self.request_log.requests

    async def start(self) -> None:
        """Listen on the port, and serve the API.

        Raises:
            CannotListenError: the port is taken.
            DefinitionMissingError: the official definition is not installed.
        """
        self._definition = official_definition(self._version.number)
        await super().start()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes of the API, and of the requests as tests see them."""
        self._execution = TestExecution(
            url=self.base_url,
            script=self._script,
            notifications=self.notifications,
            now=self._now,
            new_id=self._new_id,
            version=self._version,
        )
        self._cancel_tasks = CancelTasks(self._execution, self._definition, self.base_url)
        tests = ServiceTestResource(self._execution, self._definition, self._version)
        hub = Hub(self.notifications, self._definition, self._new_id, self._version, self._script.hub)
        tasks = self._cancel_tasks.routes(self._base) if "CancelServiceTestCreateEvent" in self._version.events else ()
        received = web.get("/_simulator/received", self._list_received)
        return [*tests.routes(self._base), *hub.routes(self._base), *tasks, received]

    async def stop(self) -> None:
        """Release the port, and cancel all transitions and notifications."""
        await super().stop()
        await self._cancel_tasks.stop()
        await self._execution.stop()
        await self.notifications.stop()
        if self._owns_transport:
            await self._transport.close()

    async def observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log a request to the API."""
        if request.path.startswith(self._base):
            self.request_log.requests.append(await self._read_request(request))
            if self._latency:
                await asyncio.sleep(self._latency)
        response: web.StreamResponse = await handler(request)
        return response

    async def _read_request(self, request: web.Request) -> ReceivedRequest:
        body = await request.read()
        return ReceivedRequest(
            number=len(self.request_log.requests) + 1,
            at=self._now(),
            method=request.method,
            path=request.path.removeprefix(self._base),
            query=request.query_string,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )

    async def _list_received(self, request: web.Request) -> web.Response:
        key = request.query.get("idempotencyKey")
        return http_responses.json_response(
            200, [r.as_json() for r in self.received if key is None or r.idempotency_key == key]
        )


class StartableSystem(Protocol):
    """An external system that can be started and stopped."""

    name: str

    @property
    def base_url(self) -> str:
        """The base URL of its API, after the start."""

    async def start(self) -> None:
        """Listen on the port, and serve the API."""

    async def stop(self) -> None:
        """Release the port."""


async def run_systems(
    systems: Sequence[StartableSystem], stop: asyncio.Event, on_ready: Callable[[Sequence[StartableSystem]], None]
) -> None:
    """Start the systems, call `on_ready` when all of them listen, and stop them when `stop` is set.

    Raises:
        CannotListenError: a port is taken; the systems that were started before are stopped.
    """
    async with AsyncExitStack() as stack:
        for system in systems:
            await system.start()
            stack.push_async_callback(system.stop)
        on_ready(systems)
        await stop.wait()
