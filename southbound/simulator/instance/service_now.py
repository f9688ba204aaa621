"""A ServiceNow instance that keeps test runs: the Service Test Management Open API on one port."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

from aiohttp import web

from router.northbound.api_version import SERVICENOW_BASE
from southbound.simulator import http_responses
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.instance.rules import check_run
from southbound.simulator.instance.run_table import RunTable
from southbound.simulator.simulated_api import SimulatedApi

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler

    from southbound.simulator.instance.run_table import RunRecord

DEFAULT_LIMIT, MAX_LIMIT = 20, 100
RETRY_AFTER = 1  # seconds


class InstanceFault(StrEnum):
    """What the instance does to a write instead of answering it."""

    RATE_LIMITED = "rateLimited"  # 429 with Retry-After
    SERVER_ERROR = "serverError"  # 500; nothing is stored
    STORED_SERVER_ERROR = "storedServerError"  # stores it, then 500
    RESET = "reset"  # reads the request, stores nothing, resets the connection
    STORED_RESET = "storedReset"  # stores it, then resets the connection


_STORING = (InstanceFault.STORED_SERVER_ERROR, InstanceFault.STORED_RESET)


class ServiceNowInstance(SimulatedApi):
    """One instance on one port, strict about the documented rules.

    `faults` happen to the first writes, in order. With `user` and `password`, every request needs them. `latency` is
    in seconds.
    """

    def __init__(
        self,
        *,
        name: str = "servicenow",
        host: str = "127.0.0.1",
        port: int = 0,
        user: str | None = None,
        password: str = "",
        faults: Iterable[InstanceFault] = (),
        latency: float = 0.0,
    ) -> None:
        super().__init__(host, port, SERVICENOW_BASE)
        self.name = name
        self.table = RunTable()
        self.faults = deque(faults)
        self.only_posts_fail = False
        self.requests: list[tuple[str, str]] = []  # method and path below the base
        self._latency = latency
        self._authorization = "Basic " + b64encode(f"{user}:{password}".encode()).decode() if user else None

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes of the API, and of the table as tests see it."""
        collection = f"{SERVICENOW_BASE}/serviceTest"
        return [
            web.get(collection, self._list),
            web.post(collection, self._create),
            web.get(f"{collection}/{{id}}", self._read),
            web.patch(f"{collection}/{{id}}", self._update),
            web.get("/_simulator/table", self._show_table),
        ]

    async def observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log a request, check its credentials, and let a fault happen to it."""
        if not request.path.startswith(SERVICENOW_BASE):
            return await handler(request)
        self.requests.append((request.method, request.path.removeprefix(SERVICENOW_BASE)))
        if self._authorization is not None and request.headers.get("Authorization") != self._authorization:
            raise RequestRefusedError(401, "unauthorized", "User Not Authenticated")
        if self._latency:
            await asyncio.sleep(self._latency)
        writes = ("POST",) if self.only_posts_fail else ("POST", "PATCH")
        if request.method not in writes or not self.faults:
            return await handler(request)
        return await self._fail(self.faults.popleft(), request, handler)

    async def _fail(self, fault: InstanceFault, request: web.Request, handler: Handler) -> web.StreamResponse:
        await request.read()
        if fault in _STORING:
            await handler(request)
        match fault:
            case InstanceFault.RATE_LIMITED:
                response = http_responses.error_response(429, "429", "rate limit", "Rate limit exceeded")
                response.headers["Retry-After"] = str(RETRY_AFTER)
                return response
            case InstanceFault.SERVER_ERROR | InstanceFault.STORED_SERVER_ERROR:
                return http_responses.error_response(500, "500", "error", "Internal Server Error")
            case InstanceFault.RESET | InstanceFault.STORED_RESET:
                return http_responses.reset_connection(request)

    async def _create(self, request: web.Request) -> web.Response:
        body = await http_responses.read_json_body(request)
        check_run(body)
        return http_responses.json_response(200, self.table.create(body).as_json())

    async def _update(self, request: web.Request) -> web.Response:
        record = self._find(request)
        body = await http_responses.read_json_body(request)
        check_run(body)
        self.table.update(record, body)
        return http_responses.json_response(200, record.as_json())

    async def _read(self, request: web.Request) -> web.Response:
        return http_responses.json_response(200, self._find(request).as_json())

    async def _list(self, request: web.Request) -> web.Response:
        state = request.query.get("state")
        limit = min(_whole(request, "limit", DEFAULT_LIMIT), MAX_LIMIT)
        offset = _whole(request, "offset", 0)
        chosen = [one for one in self.table.records if state in (None, one.fields.get("state"))]
        page = chosen[offset : offset + limit]
        headers = {
            "X-Total-Count": str(len(chosen)),
            "Content-Range": f"items {offset + 1}-{offset + len(page)}" if page else "items *",
        }
        status = 206 if len(page) < len(chosen) else 200
        return http_responses.json_response(status, [one.as_json() for one in page], headers)

    def _find(self, request: web.Request) -> RunRecord:
        if (record := self.table.find(request.match_info["id"])) is None:
            raise RequestRefusedError(404, "notFound", "No Record found")
        return record

    async def _show_table(self, _: web.Request) -> web.Response:
        return http_responses.json_response(
            200, [{**one.as_json(), "states": one.states, "writes": one.writes} for one in self.table.records]
        )


def _whole(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdigit() or len(text) > 9:  # noqa: PLR2004 - digits of a number that is no mistake
        raise RequestRefusedError(400, "invalidQuery", f"{name} must be a number")
    return int(text)
