"""What the guard leaves in a request for its handler, and the handler for the audit log."""

from __future__ import annotations

from aiohttp import web

from router.northbound.principal import Principal

PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)
CORRELATION_ID: web.RequestKey[str] = web.RequestKey("correlation_id", str)
AUDITED_RUN: web.RequestKey[str] = web.RequestKey("audited_run", str)


def name_run(request: web.Request, run: str) -> None:
    """Name the run that a request concerns, for its line in the audit log; its path may not have the id."""
    request[AUDITED_RUN] = run
