"""The resource `/serviceTest` of an external system."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web

from consumers.spokes.tmf653.v5.patches import is_json_patch
from consumers.spokes.tmf653.versions import JSON_PATCH, VERSIONS
from southbound.simulator import filters, http_responses
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.measures import objects_in
from southbound.simulator.merge_patch import MergePatch, apply_merge_patch, parent_relationship
from southbound.simulator.v5.json_patches import as_merge_patch

if TYPE_CHECKING:
    from consumers.spokes.tmf653.versions import TmfVersion
    from schemas.text.json_types import Json
    from southbound.simulator.behaviours import Behaviour
    from southbound.simulator.execution import ServiceTest, TestExecution
    from southbound.simulator.tmf_definition import ResourceType, TmfDefinition


class ServiceTestResource:
    """Handles requests: validates them, applies the scripted failures, creates and changes tests."""

    def __init__(
        self, execution: TestExecution, definition: TmfDefinition, version: TmfVersion = VERSIONS["4.1"]
    ) -> None:
        self._execution = execution
        self._version = version
        self._definition = definition
        self._attempts: Counter[str] = Counter()

    def routes(self, base: str) -> list[web.RouteDef]:
        """Return the routes below the base path."""
        collection, item = f"{base}/serviceTest", f"{base}/serviceTest/{{id}}"
        return [
            web.post(collection, self._create),
            web.get(collection, self._list),
            web.get(item, self._read),
            web.patch(item, self._change),
            web.delete(item, self._delete),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        body = await http_responses.read_json_body(request)
        self._validate("ServiceTest_Create", body)
        self._check_parent(body)
        behaviour = self._execution.behaviour_for(body)
        return self._scripted_failure(request, body, behaviour) or await self._accept(body, behaviour)

    async def _list(self, request: web.Request) -> web.Response:
        try:
            matches = filters.filter_resources((t.resource for t in self._execution.tests.values()), request.query)
            listed = [filters.select_fields(r, request.query) for r in filters.paginate(matches, request.query)]
        except filters.QueryError as error:
            raise RequestRefusedError(400, "invalidQuery", str(error)) from error
        counts = {"X-Total-Count": str(len(matches)), "X-Result-Count": str(len(listed))}
        return http_responses.json_response(200, listed, counts)

    async def _read(self, request: web.Request) -> web.Response:
        return http_responses.json_response(
            200, filters.select_fields(self._find_test(request).resource, request.query)
        )

    async def _change(self, request: web.Request) -> web.Response:
        test = self._find_test(request)
        body = await self._read_change(request, test)
        change = MergePatch(body)
        change.check_required_fields()
        self._validate(
            "ServiceTest_Update", apply_merge_patch({}, body)
        )  # without nulls, which delete a field (RFC 7386)
        self._execution.change(test, change)
        self._execution.change_children(test, body)
        return http_responses.json_response(200, test.resource)

    async def _read_change(self, request: web.Request, test: ServiceTest) -> Json:
        if not (self._version.typed and is_json_patch(request.content_type)):
            return await http_responses.read_json_body(request)
        operations = await http_responses.read_json(request, (JSON_PATCH,))
        for violation in self._definition.violations("JsonPatchOperations", operations)[:1]:
            raise RequestRefusedError(400, "invalidBody", violation.message, violation.pointer)
        return {**as_merge_patch(test.resource, operations), "@type": test.resource["@type"]}

    async def _delete(self, request: web.Request) -> web.Response:
        self._execution.delete(self._find_test(request))
        return web.Response(status=204)

    def _find_test(self, request: web.Request) -> ServiceTest:
        test_id = request.match_info["id"]
        if (test := self._execution.tests.get(test_id)) is None:
            raise RequestRefusedError(404, "notFound", f"there is no serviceTest {test_id}")
        return test

    def _validate(self, kind: ResourceType, body: Json, place: str = "") -> None:
        for violation in self._definition.violations(kind, body)[:1]:
            raise RequestRefusedError(400, "invalidBody", violation.message, place + violation.pointer)
        for number, nested in enumerate(objects_in(body, "childServiceTest")):
            # A PATCH of a root names the children that it has by their ids.
            known = nested.get("id") in self._execution.tests
            child = {name: value for name, value in nested.items() if name != "id"} if known else nested
            self._validate("ServiceTest_Create", child, f"{place}/childServiceTest/{number}")

    def _check_parent(self, body: Json) -> None:
        index, parent = parent_relationship(body) or (0, None)
        if parent is not None and str(parent.get("id")) not in self._execution.tests:
            pointer = f"/serviceTestRelationship/{index}/id"
            raise RequestRefusedError(422, "referenceNotFound", f"there is no serviceTest {parent.get('id')}", pointer)

    def _scripted_failure(self, request: web.Request, body: Json, behaviour: Behaviour) -> web.Response | None:
        if behaviour.refusals:
            return http_responses.rejections_response(behaviour.refusals)
        key = request.headers.get("Idempotency-Key") or str(body["name"])
        self._attempts[key] += 1
        if self._attempts[key] <= behaviour.busy_times:
            return _busy_response(behaviour)
        if self._attempts[key] <= behaviour.busy_times + behaviour.reset_times:
            if behaviour.accept_before_reset:
                self._execution.create(body)
            return http_responses.reset_connection(request)
        return None

    async def _accept(self, body: Json, behaviour: Behaviour) -> web.Response:
        resource = self._execution.create(body).resource
        response_body = dict(resource)  # a copy: transitions may change the test before a delayed response
        if behaviour.response_delay:
            await asyncio.sleep(behaviour.response_delay)
        if not behaviour.returns_id:
            return web.Response(status=behaviour.response_status)
        return http_responses.json_response(
            behaviour.response_status, response_body, {"Location": str(response_body["href"])}
        )


def _busy_response(behaviour: Behaviour) -> web.Response:
    response = http_responses.error_response(
        behaviour.busy_status, "busy", "busy", "this system is busy, try again later"
    )
    if behaviour.retry_after is not None:
        response.headers["Retry-After"] = f"{behaviour.retry_after:g}"
    return response
