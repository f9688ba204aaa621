"""The resource `/serviceTest` of an external system (TMF653 v4.1)."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web

from southbound.simulator import filters, replies
from southbound.simulator.measures import objects_in
from southbound.simulator.patches import MergePatch, PatchRefusedError, merged, parent_relationship

if TYPE_CHECKING:
    from southbound.simulator.behaviours import Behaviour
    from southbound.simulator.definition import Definition, Kind
    from southbound.simulator.measures import Json
    from southbound.simulator.stage import ServiceTest, TestExecution


class ServiceTests:
    """Judges requests, puts the obstacles of the script in their way, and lets the stage play."""

    def __init__(self, stage: TestExecution, definition: Definition) -> None:
        self._stage = stage
        self._definition = definition
        self._attempts: Counter[str] = Counter()

    def routes(self, base: str) -> list[web.RouteDef]:
        """List the routes below the base path."""
        many, one = f"{base}/serviceTest", f"{base}/serviceTest/{{id}}"
        return [
            web.post(many, self._create),
            web.get(many, self._list),
            web.get(one, self._read),
            web.patch(one, self._change),
            web.delete(one, self._delete),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        body = await replies.json_body(request)
        self._judge("ServiceTest_Create", body)
        self._know_parent(body)
        behaviour = self._stage.behaviour(body)
        return self._obstacle(request, body, behaviour) or await self._accept(body, behaviour)

    async def _list(self, request: web.Request) -> web.Response:
        try:
            hits = filters.found((t.resource for t in self._stage.tests.values()), request.query)
            listed = [filters.shown(r, request.query) for r in filters.page(hits, request.query)]
        except filters.QueryError as wrong:
            raise PatchRefusedError(400, "invalidQuery", str(wrong)) from wrong
        counts = {"X-Total-Count": str(len(hits)), "X-Result-Count": str(len(listed))}
        return replies.answer(200, listed, counts)

    async def _read(self, request: web.Request) -> web.Response:
        return replies.answer(200, filters.shown(self._wanted(request).resource, request.query))

    async def _change(self, request: web.Request) -> web.Response:
        test = self._wanted(request)
        body = await replies.json_body(request)
        change = MergePatch(body)
        change.keeps_what_is_required()
        self._judge("ServiceTest_Update", merged({}, body))  # without the nulls: they delete (RFC 7386)
        self._stage.change(test, change)
        return replies.answer(200, test.resource)

    async def _delete(self, request: web.Request) -> web.Response:
        self._stage.remove(self._wanted(request))
        return web.Response(status=204)

    def _wanted(self, request: web.Request) -> ServiceTest:
        identity = request.match_info["id"]
        if (test := self._stage.tests.get(identity)) is None:
            raise PatchRefusedError(404, "notFound", f"there is no serviceTest {identity}")
        return test

    def _judge(self, kind: Kind, body: Json, place: str = "") -> None:
        for violation in self._definition.violations(kind, body)[:1]:
            raise PatchRefusedError(400, "invalidBody", violation.message, place + violation.pointer)
        for number, nested in enumerate(objects_in(body, "childServiceTest")):
            self._judge("ServiceTest_Create", nested, f"{place}/childServiceTest/{number}")

    def _know_parent(self, body: Json) -> None:
        place, parent = parent_relationship(body) or (0, None)
        if parent is not None and str(parent.get("id")) not in self._stage.tests:
            pointer = f"/serviceTestRelationship/{place}/id"
            raise PatchRefusedError(422, "referenceNotFound", f"there is no serviceTest {parent.get('id')}", pointer)

    def _obstacle(self, request: web.Request, body: Json, behaviour: Behaviour) -> web.Response | None:
        if behaviour.refusals:
            return replies.refusals(behaviour.refusals)
        key = request.headers.get("Idempotency-Key") or str(body["name"])
        self._attempts[key] += 1
        if self._attempts[key] <= behaviour.busy_times:
            return _busy(behaviour)
        if self._attempts[key] <= behaviour.busy_times + behaviour.reset_times:
            if behaviour.reset_stores:
                self._stage.admit(body)
            return replies.reset(request)
        return None

    async def _accept(self, body: Json, behaviour: Behaviour) -> web.Response:
        resource = self._stage.admit(body).resource
        told = dict(resource)  # as it is now: the course may be over before a slow answer
        if behaviour.answer_after:
            await asyncio.sleep(behaviour.answer_after)
        if not behaviour.tells_id:
            return web.Response(status=behaviour.answer_status)
        return replies.answer(behaviour.answer_status, told, {"Location": str(told["href"])})


def _busy(behaviour: Behaviour) -> web.Response:
    response = replies.error(behaviour.busy_status, "busy", "busy", "this system is busy, try again later")
    if behaviour.retry_after is not None:
        response.headers["Retry-After"] = f"{behaviour.retry_after:g}"
    return response
