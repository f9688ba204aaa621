"""The resource `/cancelServiceTest` of an external system (TMF653 v5.0): tasks that cancel a test."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from southbound.simulator import http_responses, notifications
from southbound.simulator.errors import RequestRefusedError

if TYPE_CHECKING:
    from schemas.text.json_types import Json
    from southbound.simulator.execution import ServiceTest, TestExecution
    from southbound.simulator.tmf_definition import TmfDefinition

CREATED = "CancelServiceTestCreateEvent"
STATE_CHANGED = "CancelServiceTestStateChangeEvent"
RESOURCE = "cancelServiceTest"


class CancelTasks:
    """Handles requests that cancel a test, and runs the tasks."""

    def __init__(self, execution: TestExecution, definition: TmfDefinition, url: str) -> None:
        self._execution = execution
        self._definition = definition
        self._url = url
        self._tasks: dict[str, Json] = {}
        self._running: set[asyncio.Task[None]] = set()

    def routes(self, base: str) -> list[web.RouteDef]:
        """Return the routes below the base path."""
        collection = f"{base}/{RESOURCE}"
        return [
            web.post(collection, self._create),
            web.get(collection, self._list),
            web.get(f"{collection}/{{id}}", self._read),
        ]

    async def stop(self) -> None:
        """Stop all tasks."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _create(self, request: web.Request) -> web.Response:
        body = await http_responses.read_json_body(request)
        for violation in self._definition.violations("CancelServiceTest_Create", body)[:1]:
            raise RequestRefusedError(400, "invalidBody", violation.message, violation.pointer)
        test = self._find_test(body)
        if test.ended:
            state = test.resource["state"]
            raise RequestRefusedError(409, "illegalState", f"the test has ended already: {state}", "/serviceTest/id")
        task_id = self._execution.new_id()
        task = {**body, "id": task_id, "href": f"{self._url}/{RESOURCE}/{task_id}", "state": "acknowledged"}
        self._tasks[task_id] = task
        self._notify(test, task, CREATED)
        self._start(test, task)
        if test.behaviour.cancel_status == 202:  # noqa: PLR2004 - accepted, without a body
            return web.Response(status=202, headers={"Location": str(task["href"])})
        return http_responses.json_response(test.behaviour.cancel_status, task, {"Location": str(task["href"])})

    def _start(self, test: ServiceTest, task: Json) -> None:
        running = asyncio.create_task(self._run(test, task))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _run(self, test: ServiceTest, task: Json) -> None:
        await asyncio.sleep(test.behaviour.cancel_after)
        try:
            self._execution.cancel(test)
        except RequestRefusedError as refusal:
            error = {"code": refusal.code, "reason": refusal.code, "message": refusal.message, "@type": "ErrorMessage"}
            task |= {"state": "terminatedWithError", "errorMessage": [error]}
        else:
            task["state"] = "done"
        self._notify(test, task, STATE_CHANGED)

    def _notify(self, test: ServiceTest, task: Json, event_type: str) -> None:
        fields = notifications.MINIMAL_FIELDS if test.behaviour.minimal_events else None
        self._execution.notify(test, event_type, task, RESOURCE, only=fields)

    def _find_test(self, body: Json) -> ServiceTest:
        reference = body["serviceTest"]
        test_id = str(reference["id"]) if isinstance(reference, dict) else ""
        if (test := self._execution.tests.get(test_id)) is None:
            raise RequestRefusedError(422, "referenceNotFound", f"there is no serviceTest {test_id}", "/serviceTest/id")
        return test

    async def _list(self, _: web.Request) -> web.Response:
        return http_responses.json_response(200, list(self._tasks.values()))

    async def _read(self, request: web.Request) -> web.Response:
        task = self._tasks.get(request.match_info["id"])
        if task is None:
            raise RequestRefusedError(404, "notFound", f"there is no {RESOURCE} {request.match_info['id']}")
        return http_responses.json_response(200, task)
