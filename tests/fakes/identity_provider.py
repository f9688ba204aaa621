"""An identity provider that serves its key set over HTTP on loopback."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from consumers.inbound.listen_socket import bound_port, open_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


class IdentityProvider:
    """What it serves can be replaced while it runs; `requests` counts how often it was asked."""

    def __init__(self) -> None:
        self.document = b'{"keys":[]}'
        self.status = 200
        self.headers: dict[str, str] = {}
        self.requests = 0
        self.released = asyncio.Event()
        self.released.set()
        self.port = 0

    @property
    def url(self) -> str:
        """The address of the key set."""
        return f"http://127.0.0.1:{self.port}/keys"

    async def serve_keys(self, _: web.Request) -> web.Response:
        """Respond with the key set."""
        self.requests += 1
        await self.released.wait()
        return web.Response(status=self.status, body=self.document, headers=self.headers)


@asynccontextmanager
async def identity_provider() -> AsyncIterator[IdentityProvider]:
    """Serve on a free port."""
    provider = IdentityProvider()
    async with served(provider.serve_keys) as port:
        provider.port = port
        yield provider
        provider.released.set()


@asynccontextmanager
async def served(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    """Serve every GET on a free port of loopback."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    bound = open_port("127.0.0.1", 0)
    await web.SockSite(runner, bound).start()
    try:
        yield bound_port(bound)
    finally:
        await runner.cleanup()
