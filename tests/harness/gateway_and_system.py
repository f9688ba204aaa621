"""The gateway in front of a simulated system of any version of TMF653, over real connections in both directions."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consumers.inbound.listener import Listener
from consumers.spokes.http_client import SpokeClient
from consumers.spokes.port import admit_all, do_nothing
from consumers.spokes.profile import Profile
from consumers.spokes.registry import spoke_for
from southbound.service.composition.role_builders import callback_config
from southbound.simulator.external_system import ExternalSystem
from southbound.simulator.script import Script
from tests.builders.runs import NOON
from tests.fakes.external_system import FakeSystem
from tests.fakes.recording_inbound_publisher import RecordingInboundPublisher
from tests.harness.gateway import ENVELOPE, InMemoryGateway

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from consumers.spokes.port import Admit, BeforeCall, Call
    from router.responses import HttpResponse, NoResponse
    from southbound.simulator.behaviours import Behaviour
    from southbound.simulator.request_log import ReceivedRequest

DEADLINE = 60  # seconds


class SimulatedSystem(FakeSystem):
    """Makes each call over HTTP."""

    def __init__(self, client: SpokeClient) -> None:
        super().__init__()
        self.client = client

    async def call(
        self, spoke: str, call: Call, before: BeforeCall = do_nothing, admit: Admit = admit_all
    ) -> HttpResponse | NoResponse:
        return await self.client.call(spoke, call, before, admit)


@dataclass(slots=True)
class GatewayAndSystem:
    """The gateway, the system, and the notifications that the listener has stored."""

    gateway: InMemoryGateway
    system: ExternalSystem
    listener: RecordingInboundPublisher
    consumed: int = 0

    async def until(self, is_reached: Callable[[InMemoryGateway], bool]) -> InMemoryGateway:
        """Process notifications until the gateway has reached this."""
        async with asyncio.timeout(DEADLINE):
            while not is_reached(self.gateway):
                self.listener.publish_called.clear()
                if self.consumed == len(self.listener.published):
                    await self.listener.publish_called.wait()
                await self._consume()
        return self.gateway

    async def _consume(self) -> None:
        for message in self.listener.published[self.consumed :]:
            self.consumed += 1
            self.gateway.produce_bytes("testrun.inbound", message.value, message.headers, key=message.key)
        await self.gateway.run_until_idle()

    def sent(self, method: str, path: str = "/serviceTest") -> list[ReceivedRequest]:
        """Return the requests that the system received with this method, below this path."""
        return [each for each in self.system.received if each.method == method and each.path.startswith(path)]

    def bodies(self, method: str, path: str = "/serviceTest") -> list[Any]:
        """Return their bodies."""
        return [request.json() for request in self.sent(method, path)]


@asynccontextmanager
async def a_gateway_and_system(
    version: str, behaviour: Behaviour, **profile: object
) -> AsyncIterator[GatewayAndSystem]:
    """Serve a strict system of this version, and a gateway whose profile names the version."""
    publisher = RecordingInboundPublisher()
    settings = {"version": version, "patchable": ["description", "characteristic"], **profile}
    unreachable = Profile.model_validate({"name": "fibre-lab", "base_url": "http://127.0.0.1:9", **settings})
    callbacks = callback_config(unreachable, {}, spoke_for(unreachable).check_callback)
    listener = Listener(
        host="127.0.0.1",
        port=0,
        spokes={"fibre-lab": callbacks},
        publisher=publisher,
        topic="testrun.inbound",
        envelope=ENVELOPE,
        clock=lambda: NOON,
    )
    script = Script.model_validate({"version": version, "default": behaviour})
    async with listener:
        url = f"http://127.0.0.1:{listener.port}/fibre-lab/listener"
        async with ExternalSystem(name="fibre-lab", script=script, callback_url=url) as system:
            described = Profile.model_validate({"name": "fibre-lab", "base_url": system.base_url, **settings})
            client = SpokeClient([described], {})
            gateway = InMemoryGateway(system=SimulatedSystem(client), profile=settings | {"base_url": system.base_url})
            try:
                yield GatewayAndSystem(gateway=gateway, system=system, listener=publisher)
            finally:
                await client.close()
