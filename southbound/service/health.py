"""Health probes and metrics over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from consumers.inbound.bounded_server import BoundedServer
from consumers.inbound.connection_gate import ConnectionLimits
from consumers.inbound.listen_socket import bound_port, open_port
from consumers.runtime.faults import internal_problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.metrics import Metrics

# Of its own, so that it answers while the listener is attacked; probes and Prometheus need few.
CONNECTION_LIMITS = ConnectionLimits(total=100, per_peer=50, head_timeout=5.0)
CHECK_TIMEOUT = 2.0  # seconds; a check that takes longer fails


class HealthCheck(Protocol):
    """Checks one thing that readiness depends on."""

    async def __call__(self) -> str | None:
        """Return None if the check passes, else a sentence that says what is wrong."""


@dataclass(slots=True, kw_only=True)
class HealthServer:
    """Serves `/health/live`, `/health/ready` and `/metrics` on one port."""

    host: str
    port: int
    metrics: Metrics
    checks: Mapping[str, HealthCheck]  # replaced after the start
    warnings: Callable[[], Mapping[str, str]] = dict  # problems that do not make it unready
    _server: BoundedServer | None = None

    async def start(self) -> None:
        """Start to listen.

        Raises:
            CannotListenError: another process listens on this port.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/health/live", self._live),
                web.get("/health/ready", self._ready),
                web.get("/metrics", self._metrics),
            ]
        )
        listening = open_port(self.host, self.port)
        self.port = bound_port(listening)
        self._server = BoundedServer(app, CONNECTION_LIMITS)
        await self._server.start(listening)

    async def stop(self) -> None:
        """Release the port."""
        if self._server is not None:
            await self._server.stop()

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def _ready(self, _: web.Request) -> web.Response:
        results = await asyncio.gather(*map(_run_check, self.checks.values()))
        problems = {name: result for name, result in zip(self.checks, results, strict=True) if result}
        details = {"problems": problems, "warnings": dict(self.warnings())}
        status = {"status": "not ready" if problems else "ready", **details}
        return web.json_response(status, status=503 if problems else 200)

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _run_check(check: HealthCheck) -> str | None:
    try:
        return await asyncio.wait_for(check(), CHECK_TIMEOUT)
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT:g} s"
    except Exception as error:  # noqa: BLE001 - a check that raises must not hide the results of the others
        return internal_problem("HEALTH_CHECK_FAILED", "The check failed", error).sentence
