"""An external system that records every request with the oracle and fails as it is told, on its own socket."""

from __future__ import annotations

import asyncio
import random
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson
from aiohttp import web

from consumers.inbound.listen_socket import bound_port, open_port
from tests.chaos.conductor.oracle import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.chaos.conductor.oracle import Oracle

BASE_PATH = "/tmf-api/serviceTestManagement/v4"
TOO_LARGE = 5_100_000  # bytes; profiles allow 5,000,000
HANG = 3_600.0  # seconds; the client gives up long before
NOTICE_ATTEMPTS = 3  # a lost notification is found by a poll
VERSION = re.compile(r"v([0-9]+)/([0-9]+)")
TERMINAL = frozenset({"completed", "failed", "cancelled", "rejected"})
ANSWERS = {
    Fault.BUSY: lambda: web.json_response({"code": "busy", "reason": "busy"}, status=503),
    Fault.THROTTLED: lambda: web.Response(status=429, headers={"Retry-After": "1"}),
    Fault.ERROR: lambda: web.json_response({"code": "oops", "reason": "internal"}, status=500),
    Fault.OVERSIZED: lambda: web.Response(status=201, body=b" " * TOO_LARGE, content_type="application/json"),
    Fault.INVALID_BODY: lambda: web.Response(status=201, body=b'{"id": ', content_type="application/json"),
}


@dataclass(slots=True, kw_only=True)
class FaultPlan:
    """Which share of the requests fails, and how. `methods` are the ones that are concerned."""

    kinds: tuple[Fault, ...] = ()
    share: float = 0.0
    methods: frozenset[str] = frozenset({"POST"})


@dataclass(slots=True, kw_only=True)
class ConductedSystem:
    """One system. A run completes by the rules of its specification; see `_complete_after`."""

    name: str
    seed: int
    oracle: Oracle
    now: Callable[[], float]
    callback_url: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    answer_delay: float = 0.0  # seconds
    base_url: str = ""
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id
    injected: dict[str, int] = field(default_factory=dict)
    _by_name: dict[str, str] = field(default_factory=dict)
    _attempts: dict[str, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _runner: web.AppRunner | None = None
    _client: aiohttp.ClientSession | None = None
    _port: int = 0

    async def start(self) -> None:
        """Listen, on the same port as before after a stop."""
        app = web.Application(client_max_size=32 * 1024 * 1024)
        collection, item = f"{BASE_PATH}/serviceTest", f"{BASE_PATH}/serviceTest/{{id}}"
        app.add_routes(
            [
                web.post(collection, self._create),
                web.get(collection, self._list),
                web.get(item, self._read),
                web.patch(item, self._change),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        listening = open_port("127.0.0.1", self._port)
        self._port = bound_port(listening)
        self.base_url = f"http://127.0.0.1:{self._port}{BASE_PATH}"
        await web.SockSite(self._runner, listening).start()
        self._client = self._client or aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5))

    async def stop(self) -> None:
        """Close the port; what was accepted stays, and goes on."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def close(self) -> None:
        """Stop for good."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.stop()
        if self._client is not None:
            await self._client.close()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = orjson.loads(raw)
        run = run_of(body["name"])
        fault = self._draw("POST", run)
        key = request.headers.get("Idempotency-Key", "")
        refused = str(body["testSpecification"]["id"]).endswith("refused")
        self.oracle.posted(run, key=key, digest=zlib.crc32(raw), at=self.now(), fault=fault, refused=refused)
        if not fault.creates:
            return await self._fail(request, fault, None)
        if refused:
            return web.json_response({"code": "1", "reason": "not here"}, status=400)
        test = self._store(run, body)
        return await self._fail(request, fault, test)

    def _store(self, run: str, body: dict[str, Any]) -> dict[str, Any]:
        if run in self._by_name:
            return self.tests[self._by_name[run]]
        identity = f"{self.name}-{run}"
        quick = str(body["testSpecification"]["id"]).endswith(("quick", "busy"))
        test = {**body, "id": identity, "href": f"{self.base_url}/serviceTest/{identity}"}
        test["state"] = "completed" if quick else "acknowledged"
        self.tests[identity] = test
        self._by_name[run] = identity
        if not quick:
            self._complete(test)
        return test

    def _complete(self, test: dict[str, Any]) -> None:
        """Complete a test soon, unless later versions of it are to come: `v2/4` says that 4 is the last one."""
        version = VERSION.search(str(test.get("description") or ""))
        if version is None or version[1] == version[2]:
            task = asyncio.create_task(self._complete_later(test))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _complete_later(self, test: dict[str, Any]) -> None:
        await asyncio.sleep(self._random(str(test["id"])).uniform(0.05, 0.6))
        for state in ("inProgress", "completed"):
            if test["state"] not in TERMINAL:
                test["state"] = state
                await self._notify(test)

    async def _notify(self, test: dict[str, Any]) -> None:
        notice = {
            "eventId": f"{test['id']}-{test['state']}",
            "eventType": "ServiceTestStateChangeEvent",
            "event": {"serviceTest": {name: test[name] for name in ("id", "href", "state")}},
        }
        for attempt in range(NOTICE_ATTEMPTS):
            try:
                async with self._session.post(self.callback_url, json=notice) as answer:
                    if answer.ok:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(0.1 * (attempt + 1))

    @property
    def _session(self) -> aiohttp.ClientSession:
        assert self._client is not None
        return self._client

    async def _fail(self, request: web.Request, fault: Fault, test: dict[str, Any] | None) -> web.StreamResponse:
        if fault in (Fault.RESET_BEFORE, Fault.RESET_AFTER):
            return _reset(request)
        if fault in ANSWERS:
            return ANSWERS[fault]()
        if fault is Fault.HEADERS_ONLY:
            response = web.StreamResponse(status=201, headers={"Content-Length": "200"})
            await response.prepare(request)
        if fault is Fault.CLOSE_IDLE:
            asyncio.get_running_loop().call_later(0.05, _close, request)
        slow = self._random(f"slow {request.path}").uniform(0.2, 1.5)
        await asyncio.sleep({Fault.NONE: self.answer_delay, Fault.CLOSE_IDLE: 0.0, Fault.SLOW: slow}.get(fault, HANG))
        return web.json_response(test, status=201 if request.method == "POST" else 200)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        name = request.query.get("name")
        run = None if name is None else run_of(name)
        if (fault := self._draw("GET", run or "list")) is not Fault.NONE:
            return await self._fail(request, fault, None)
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", 100))
        if run is None:
            found, total = list(self.tests.values())[offset : offset + limit], len(self.tests)
        else:
            found = [self.tests[self._by_name[run]]] if run in self._by_name else []
            total = len(found)
        self.oracle.looked_up(run, at=self.now())
        return web.json_response(found, headers={"X-Total-Count": str(total)})

    async def _read(self, request: web.Request) -> web.StreamResponse:
        test = self.tests.get(request.match_info["id"])
        if test is None:
            return web.json_response({"code": "404", "reason": "unknown"}, status=404)
        if (fault := self._draw("GET", request.match_info["id"])) is not Fault.NONE:
            return await self._fail(request, fault, test)
        return web.json_response(test)

    async def _change(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        test = self.tests.get(request.match_info["id"])
        if test is None:
            return web.json_response({"code": "404", "reason": "unknown"}, status=404)
        run = run_of(test["name"])
        fault = self._draw("PATCH", run)
        if (version := VERSION.search(str(body.get("description") or ""))) is not None and not fault.turns_away:
            self.oracle.patched(run, int(version[1]), at=self.now())
        self.oracle.faulted(run, fault)
        if not fault.creates:
            return await self._fail(request, fault, test)
        if body.get("state") == "cancelled" and test["state"] not in TERMINAL:
            test["state"] = "cancelled"
        elif test["state"] in TERMINAL:
            return web.json_response({"code": "409", "reason": "the test has ended"}, status=409)
        test.update(body)
        self._complete(test)
        return await self._fail(request, fault, test)

    def _draw(self, method: str, subject: str) -> Fault:
        plan = self.faults
        if not plan.kinds or method not in plan.methods:
            return Fault.NONE
        attempt = self._attempts[subject] = self._attempts.get(subject, 0) + 1
        dice = self._random(f"{method} {subject} {attempt}")
        if dice.random() >= plan.share:
            return Fault.NONE
        fault = dice.choice(plan.kinds)
        self.injected[fault] = self.injected.get(fault, 0) + 1
        return fault

    def _random(self, subject: str) -> random.Random:
        return random.Random(f"{self.seed} {self.name} {subject}")  # noqa: S311 - it repeats what a seed led to


def run_of(name: str) -> str:
    """Return the run id at the end of a name."""
    return name.rpartition(" ")[2]


def _reset(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # never sent


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
