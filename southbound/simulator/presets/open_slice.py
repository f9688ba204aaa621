"""A system that behaves like the Service Test Management API of OpenSlice (TMF653 v4.0) where it differs from TMF653.

A POST is answered with 200, and only name, description, references, characteristics and measures are stored. `state`
stays null. Values of characteristics are objects `{value, alias}`, and only texts and whole numbers are read. A list
shows all tests whatever is asked for, a GET of an unknown id is answered with 200 and no body, a PATCH of one with 200
and `null`. There is no hub. A test gets its measures once it has run; it keeps measures that were POSTed, and then
their values are never filled.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING
from uuid import uuid4

from aiohttp import web

from southbound.simulator import http_responses
from southbound.simulator.behaviours import completes_by_callback
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.external_system import API_PATH
from southbound.simulator.measures import objects_in
from southbound.simulator.script import Script
from southbound.simulator.simulated_api import SimulatedApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiohttp.typedefs import Handler

    from schemas.text.json_types import Json
    from southbound.simulator.behaviours import Behaviour

_BASE_PATH = f"{API_PATH}/v4"
STORED = (
    "name",
    "description",
    "testSpecification",
    "characteristic",
    "relatedParty",
    "relatedService",
    "testMeasure",
)


def open_slice_script() -> Script:
    """Return a script in which each test gets two measures after half a second."""
    return Script(default=completes_by_callback(0.5, values={"latency": 12, "throughput": 940}))


class OpenSliceLikeSystem(SimulatedApi):
    """One such system on one port. `latency` is added to every request, in seconds.

    Of a behaviour it plays the resets, the values, what it waits for, and the time until the end.
    """

    def __init__(
        self,
        *,
        name: str = "open-slice",
        host: str = "127.0.0.1",
        port: int = 0,
        script: Script | None = None,
        latency: float = 0.0,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        super().__init__(host, port, _BASE_PATH)
        self.name = name
        self.tests: dict[str, Json] = {}
        self.requests: list[tuple[str, str]] = []  # method and path below the base
        self.headers: list[dict[str, str]] = []  # of each request, names in lower case
        self._script = script or open_slice_script()
        self._latency = latency
        self._new_id = new_id
        self._attempts: Counter[str] = Counter()
        self._executions: dict[str, asyncio.Task[None]] = {}
        self._changed: dict[str, asyncio.Event] = {}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes of the API, and of the requests as tests see them."""
        collection = f"{_BASE_PATH}/serviceTest"
        return [
            web.post(collection, self._create),
            web.get(collection, self._list),
            web.get(f"{collection}/{{id}}", self._read),
            web.patch(f"{collection}/{{id}}", self._change),
            web.delete(f"{collection}/{{id}}", self._delete),
            web.post(f"{_BASE_PATH}/hub", self._refuse_subscription),
            web.get("/_simulator/received", self._list_received),
        ]

    async def stop(self) -> None:
        """Release the port, and end all tests."""
        await super().stop()
        for task in self._executions.values():
            task.cancel()
        await asyncio.gather(*self._executions.values(), return_exceptions=True)

    async def observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Log a request to the API."""
        if request.path.startswith(_BASE_PATH):
            self.requests.append((request.method, request.path.removeprefix(_BASE_PATH)))
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            await asyncio.sleep(self._latency)
        response: web.StreamResponse = await handler(request)
        return response

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await http_responses.read_json_body(request)
        _check_values(body)
        behaviour = self._behaviour_for(body)
        name = str(body.get("name"))
        self._attempts[name] += 1
        resets = self._attempts[name] <= behaviour.reset_times
        if resets and not behaviour.accept_before_reset:
            return http_responses.reset_connection(request)
        test = self._store(body, behaviour)
        return http_responses.reset_connection(request) if resets else http_responses.json_response(200, test)

    def _behaviour_for(self, body: Json) -> Behaviour:
        specification = body.get("testSpecification")
        return self._script.behaviour_for(str(specification.get("id")) if isinstance(specification, dict) else "")

    def _store(self, body: Json, behaviour: Behaviour) -> Json:
        test_id = self._new_id()
        test: Json = {"id": test_id, "href": None, "state": None, "mode": None}
        test |= {field: body.get(field) for field in STORED}
        self.tests[test_id] = test
        self._changed[test_id] = asyncio.Event()
        self._executions[test_id] = asyncio.create_task(self._execute(test_id, behaviour))
        return test

    async def _list(self, _: web.Request) -> web.Response:
        return http_responses.json_response(200, list(self.tests.values()))

    async def _read(self, request: web.Request) -> web.Response:
        test = self.tests.get(request.match_info["id"])
        return web.Response(status=200) if test is None else http_responses.json_response(200, test)

    async def _change(self, request: web.Request) -> web.Response:
        body = await http_responses.read_json_body(request)
        _check_values(body)
        test = self.tests.get(request.match_info["id"])
        if test is not None:
            _merge(test, body)
            self._changed[request.match_info["id"]].set()
        return http_responses.json_response(200, test)

    async def _delete(self, request: web.Request) -> web.Response:
        test_id = request.match_info["id"]
        self.tests.pop(test_id, None)
        if (task := self._executions.get(test_id)) is not None:
            task.cancel()
        return web.Response(status=200)

    async def _execute(self, test_id: str, behaviour: Behaviour) -> None:
        test, changed = self.tests[test_id], self._changed[test_id]
        while _is_awaited(test, behaviour):
            await changed.wait()
            changed.clear()
        await asyncio.sleep(sum(step.after for step in behaviour.transitions))
        _fill_in(test, behaviour)

    async def _refuse_subscription(self, _: web.Request) -> web.Response:
        raise RequestRefusedError(501, "notImplemented", "this system has no hub")

    async def _list_received(self, _: web.Request) -> web.Response:
        return http_responses.json_response(200, [{"method": method, "path": path} for method, path in self.requests])


def _fill_in(test: Json, behaviour: Behaviour) -> None:
    """Fill in the measures of a test that has run; those that were POSTed stay as they are."""
    known = {str(measure.get("metricName")) for measure in objects_in(test, "testMeasure")}
    new: list[Json] = [
        {"metricName": name, "value": {"value": {"value": str(value), "alias": None}}}
        for name, value in behaviour.values.items()
        if name not in known
    ]
    test["testMeasure"] = [*objects_in(test, "testMeasure"), *new]


def _is_awaited(test: Json, behaviour: Behaviour) -> bool:
    """Return whether the characteristics do not have all the values that the behaviour waits for."""
    values = {each.get("name"): each.get("value") for each in objects_in(test, "characteristic")}
    plain = {name: value.get("value") if isinstance(value, dict) else value for name, value in values.items()}
    return any(plain.get(name) != value for name, value in behaviour.waits_for.items())


def _check_values(body: Json) -> None:
    for number, characteristic in enumerate(objects_in(body, "characteristic")):
        value = characteristic.get("value")
        inner = value.get("value") if isinstance(value, dict) else None
        if isinstance(inner, bool) or not isinstance(inner, (str, int)):
            pointer = f"/characteristic/{number}/value"
            raise RequestRefusedError(400, "invalidBody", "Cannot deserialize value of type Any", pointer)


def _merge(test: Json, body: Json) -> None:
    """Store what a PATCH may change: characteristics are merged by name, measures added and removed by metric."""
    test |= {field: body[field] for field in STORED if field in body and field not in {"characteristic", "testMeasure"}}
    if "characteristic" in body:
        merged = {str(each.get("name")): each for each in objects_in(test, "characteristic")}
        merged |= {str(each.get("name")): each for each in objects_in(body, "characteristic")}
        test["characteristic"] = list(merged.values())
    if "testMeasure" in body:
        stored = {str(each.get("metricName")): each for each in objects_in(test, "testMeasure")}
        test["testMeasure"] = [stored.get(str(m.get("metricName")), m) for m in objects_in(body, "testMeasure")]
