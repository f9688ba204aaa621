"""Health probes, metrics and the state of the workers over HTTP."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from consumers.inbound.bounded_server import BoundedServer
from consumers.inbound.connection_gate import ConnectionLimits
from consumers.inbound.listen_socket import bound_port, open_port
from consumers.metrics import TASKS
from consumers.runtime.faults import internal_problem
from southbound.service.lanes_report import lanes_report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consumers.metrics import Metrics
    from southbound.service.lanes_report import LanesReport

# Of its own, so that it answers while the listener is attacked; probes and Prometheus need few.
CONNECTION_LIMITS = ConnectionLimits(total=100, per_peer=50, head_timeout=5.0)
NOT_LOCAL = "/debug/lanes answers only on the machine of the process; `health.debug: anyone` changes this"
CHECK_TIMEOUT = 2.0  # seconds; a check that takes longer fails


class HealthCheck(Protocol):
    """Checks one thing that readiness depends on."""

    async def __call__(self) -> str | None:
        """Return None if the check passes, else a sentence that says what is wrong."""


class DescribeLanes(Protocol):
    """Describes what the workers of this process do."""

    def __call__(self, key: str | None, /) -> LanesReport:
        """Return what `/debug/lanes` serves; with `key`, also the lanes of this key."""


@dataclass(slots=True, kw_only=True)
class HealthServer:
    """Serves `/health/live`, `/health/ready`, `/metrics` and `/debug/lanes` on one port.

    `/debug/lanes` names runs and errors of systems, so it answers only requests from this machine, unless
    `debug_for_all`.
    """

    host: str
    port: int
    metrics: Metrics
    checks: Mapping[str, HealthCheck]  # replaced after the start
    warnings: Callable[[], Mapping[str, str]] = dict  # problems that do not make it unready
    lanes: DescribeLanes = partial(lanes_report, {})  # noqa: RUF009 - a constant: no worker runs before the start
    debug_for_all: bool = False
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
                web.get("/debug/lanes", self._lanes),
            ]
        )
        self.metrics.track(TASKS, lambda: len(asyncio.all_tasks()))
        listening = open_port(self.host, self.port, "health.port")
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

    async def _lanes(self, request: web.Request) -> web.Response:
        if not (self.debug_for_all or is_local(request.remote)):
            sentence = (
                "/debug/lanes answers only on the machine of the process: set health.debug to anyone to change this"
            )
            return web.json_response({"error": sentence}, status=403)
        report = self.lanes(request.query.get("key"))
        return web.Response(body=report.model_dump_json(), content_type="application/json")


def is_local(peer: str | None) -> bool:
    """Return whether a request comes from this machine."""
    try:
        address = ip_address(peer or "")
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


async def _run_check(check: HealthCheck) -> str | None:
    try:
        return await asyncio.wait_for(check(), CHECK_TIMEOUT)
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT:g} s"
    except Exception as error:  # noqa: BLE001 - a check that raises must not hide the results of the others
        return internal_problem("HEALTH_CHECK_FAILED", "The check failed", error).sentence
