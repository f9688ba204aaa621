"""An HTTP server on a local port that receives notifications and can refuse the first ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web


@dataclass(slots=True)
class CallbackSink:
    """Collects the notifications that it acknowledged."""

    refuse: int = 0
    status: int = 201
    url: str = ""
    refused: int = 0
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    _runner: web.AppRunner | None = None
    _received: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{rest:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/listener"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def wait_for(self, state: str) -> dict[str, Any]:
        """Wait for an event that reports a test in this state, and return the test as it is in that event."""
        async with asyncio.timeout(60):
            while True:
                for test in (event["event"]["serviceTest"] for event in self.events):
                    if test.get("state") == state:
                        return dict(test)
                await self._received.wait()
                self._received.clear()

    @property
    def types(self) -> list[str]:
        """The types of the events, in order of arrival."""
        return [event["eventType"] for event in self.events]

    @property
    def states(self) -> list[str]:
        """The states of the events, in order of arrival."""
        return [event["event"]["serviceTest"].get("state") for event in self.events]

    async def _receive(self, request: web.Request) -> web.Response:
        event = orjson.loads(await request.read())
        if self.refused < self.refuse:
            self.refused += 1
            return web.Response(status=503)
        self.paths.append(request.path)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.events.append(event)
        self._received.set()
        return web.Response(status=self.status)
