"""A system with the job API, which is not TMF653: job numbers, numeric states, and notifications of its own shape.

`POST /jobs` orders a job or a plan of jobs (`steps`), `GET /jobs` lists them, `PUT /jobs/{id}/order` changes what was
ordered, `POST /jobs/{id}/abort` aborts. A notification has the number and the status of a job; its readings are read.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from aiohttp import web

from consumers.spokes.jobs.job import STATES
from schemas.vocabulary import RunState
from southbound.simulator import http_responses
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.execution import TERMINAL
from southbound.simulator.measures import measured_value, objects_in
from southbound.simulator.notifications import NotificationSender, Subscription, callback_transport
from southbound.simulator.script import Script, demo_script
from southbound.simulator.simulated_api import SimulatedApi

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler

    from schemas.text.json_types import Json
    from southbound.simulator.behaviours import Behaviour

_BASE_PATH = "/api"
_FIRST_NUMBER = 4711
_DEFAULT_PAGE = 100
_NUMBERS = {state: number for number, state in STATES.items()}
_OWNED = frozenset({"jobId", "status", "readings", "steps"})  # what a change of the order leaves alone


class JobsLikeSystem(SimulatedApi):
    """One such system on one port. `latency` is added to every request, in seconds.

    Of a behaviour it plays the refusals, the resets, the transitions, the values, and whether a job can be changed and
    aborted. The procedure of a job is the specification that selects the behaviour.
    """

    def __init__(
        self,
        *,
        name: str = "jobs",
        host: str = "127.0.0.1",
        port: int = 0,
        script: Script | None = None,
        callback: Subscription | None = None,
        latency: float = 0.0,
    ) -> None:
        super().__init__(host, port, _BASE_PATH)
        self.name = name
        self.jobs: dict[str, Json] = {}
        self._transport = callback_transport()
        self.notifications = NotificationSender(self._transport)
        if callback is not None:
            self.notifications.subscriptions[callback.id] = callback
        self._script = script or demo_script()
        self._latency = latency
        self._attempts: Counter[str] = Counter()
        self._sequences: Counter[str] = Counter()
        self._executions: dict[str, asyncio.Task[None]] = {}

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes of the API."""
        collection = f"{_BASE_PATH}/jobs"
        return [
            web.post(collection, self._order),
            web.get(collection, self._list),
            web.get(f"{collection}/{{id}}", self._read),
            web.put(f"{collection}/{{id}}/order", self._change),
            web.post(f"{collection}/{{id}}/abort", self._abort),
        ]

    async def stop(self) -> None:
        """Release the port, and end all jobs and notifications."""
        await super().stop()
        for task in self._executions.values():
            task.cancel()
        await asyncio.gather(*self._executions.values(), return_exceptions=True)
        await self.notifications.stop()
        await self._transport.close()

    async def observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Delay a request to the API."""
        if request.path.startswith(_BASE_PATH):
            await asyncio.sleep(self._latency)
        response: web.StreamResponse = await handler(request)
        return response

    async def _order(self, request: web.Request) -> web.Response:
        order = await http_responses.read_json_body(request)
        reference, behaviour = str(order.get("reference")), self._behaviour_for(order)
        if behaviour.refusals:
            return http_responses.rejections_response(behaviour.refusals)
        self._attempts[reference] += 1
        resets = self._attempts[reference] <= behaviour.reset_times
        if resets and not behaviour.accept_before_reset:
            return http_responses.reset_connection(request)
        job = self._store(order)
        return http_responses.reset_connection(request) if resets else http_responses.json_response(202, job)

    def _behaviour_for(self, order: Json) -> Behaviour:
        return self._script.behaviour_for(str(order.get("procedure")), child=order.get("after") is not None)

    def _store(self, order: Json) -> Json:
        number, behaviour = str(_FIRST_NUMBER + len(self.jobs)), self._behaviour_for(order)
        job: Json = {**order, "jobId": number, "status": _NUMBERS[behaviour.initial_state]}
        self.jobs[number] = job
        if steps := objects_in(order, "steps"):
            job["steps"] = [self._store(step) for step in steps]
        if behaviour.initial_state is RunState.COMPLETED:
            job["readings"] = _filled(job, behaviour)
        self._executions[number] = asyncio.create_task(self._execute(job, behaviour))
        return job

    async def _execute(self, job: Json, behaviour: Behaviour) -> None:
        for step in behaviour.transitions:
            await asyncio.sleep(step.after)
            if step.state is RunState.COMPLETED:
                job["readings"] = _filled(job, behaviour)
            self._set_state(job, step.state)

    def _set_state(self, job: Json, state: RunState) -> None:
        job["status"] = _NUMBERS[state]
        number = str(job["jobId"])
        self._sequences[number] += 1
        if self._behaviour_for(job).notifies:
            event: Json = {"type": "job.status", "sequence": self._sequences[number], "jobId": number}
            self.notifications.send(number, event | {"status": job["status"]})

    async def _list(self, request: web.Request) -> web.Response:
        reference = request.query.get("reference")
        found = [job for job in self.jobs.values() if reference in (None, job.get("reference"))]
        skip, take = _count(request, "skip", 0), _count(request, "take", _DEFAULT_PAGE)
        return http_responses.json_response(200, {"jobs": found[skip : skip + take], "total": len(found)})

    async def _read(self, request: web.Request) -> web.Response:
        return http_responses.json_response(200, self._job(request))

    async def _change(self, request: web.Request) -> web.Response:
        job, change = self._open_job(request), await http_responses.read_json_body(request)
        if not self._behaviour_for(job).changeable:
            raise RequestRefusedError(422, "invalidValue", "this job cannot be changed")
        job |= {name: value for name, value in change.items() if name not in _OWNED}
        return http_responses.json_response(200, job)

    async def _abort(self, request: web.Request) -> web.Response:
        job = self._open_job(request)
        if not self._behaviour_for(job).cancelable:
            raise RequestRefusedError(409, "illegalState", "this job cannot be aborted any more")
        self._executions[str(job["jobId"])].cancel()
        self._set_state(job, RunState.CANCELLED)
        return http_responses.json_response(200, job)

    def _job(self, request: web.Request) -> Json:
        number = request.match_info["id"]
        if (job := self.jobs.get(number)) is None:
            raise RequestRefusedError(404, "notFound", f"there is no job {number}")
        return job

    def _open_job(self, request: web.Request) -> Json:
        job = self._job(request)
        if STATES[int(str(job["status"]))] in TERMINAL:
            raise RequestRefusedError(409, "illegalState", f"the job has ended already: {job['status']}")
        return job


def _filled(job: Json, behaviour: Behaviour) -> list[Json]:
    """Return the ordered readings with values."""
    ordered = objects_in(job, "readings")
    return [{**each, "value": measured_value(str(each.get("quantity", "")), behaviour)} for each in ordered]


def _count(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default  # noqa: PLR2004 - digits
