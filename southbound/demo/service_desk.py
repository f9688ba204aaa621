"""The service desk of the demo: it orders the test runs of a ServiceNow instance over HTTP, and is notified of them."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import orjson
from aiohttp import web

from consumers.spokes.transport import HttpRequest
from router.northbound.api_version import ApiVersion
from router.responses import HttpResponse
from southbound.simulator import http_responses
from southbound.simulator.notifications import callback_transport
from southbound.simulator.simulated_api import SimulatedApi

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiohttp.typedefs import Handler

    from schemas.text.json_types import Json, JsonMapping
    from southbound.simulator.instance.run_table import RunTable

API_VERSION = ApiVersion.V4_2  # the first one with an event for a new state
EVENTS = "eventType=ServiceTestCreateEvent,ServiceTestStateChangeEvent"
KEY_HEADER = "X-API-Key"
_ENDED = frozenset({"completed", "cancelled", "failed", "rejected"})


class DeskStep(StrEnum):
    """What the desk sends or receives about one run, in the order of the story."""

    ORDER = "order"
    READ = "read"  # right after the order
    REPEAT = "repeat"  # the same order under the same key
    NOTIFIED = "notified"
    READ_RESULT = "read result"  # after the notification of the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request of the desk with its response, or one notification with the desk's response to it.

    `status` is 0 without a response. `run` is the `ServiceTest` that was received; `is_replayed` is about a response,
    `event_type` and `is_signed` about a notification.
    """

    step: DeskStep
    status: int
    run: JsonMapping
    is_replayed: bool = False
    event_type: str = ""
    is_signed: bool = False

    @property
    def run_id(self) -> str:
        """The gateway's id of the run; empty if the response has none."""
        return str(self.run.get("id", ""))

    @property
    def state(self) -> str:
        """The state of the run."""
        return str(self.run.get("state", ""))

    def measures(self) -> Sequence[JsonMapping]:
        """Return the measures of the run."""
        return cast("Sequence[JsonMapping]", self.run.get("testMeasure", ()))


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response to a request of the desk; `status` is 0 without one."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: JsonMapping = field(default_factory=dict)


class DeskLog:
    """What the desk sent and received, by its own id of the run."""

    def __init__(self) -> None:
        self._exchanges: defaultdict[str, list[Exchange]] = defaultdict(list)

    def add(self, own_id: str, exchange: Exchange) -> None:
        """Add what happened last."""
        self._exchanges[own_id].append(exchange)

    def of(self, own_id: str, step: DeskStep | None = None) -> Sequence[Exchange]:
        """Return what was exchanged about a run, in one step or in all of them, in the order in which it happened."""
        return [each for each in self._exchanges.get(own_id, ()) if step in (None, each.step)]

    def run_id_of(self, own_id: str) -> str | None:
        """Return the gateway's id of a run that the desk ordered; None for other runs, and before the response."""
        return next((each.run_id for each in self.of(own_id, DeskStep.ORDER)), None) or None


class ServiceDesk(SimulatedApi):
    """A client of the gateway's HTTP interface, and the listener for its notifications.

    `table` has the test runs of the instance. The desk orders each under the id of its record there.
    """

    def __init__(self, table: RunTable, api_key: str) -> None:
        super().__init__("127.0.0.1", 0, "/listener")
        self._table = table
        self._key = api_key
        self._api = ""
        self._secret = b""
        self._transport = callback_transport()
        self._known_events: set[str] = set()
        self.log = DeskLog()

    async def subscribe(self, origin: str) -> None:
        """Order at the gateway with this origin from now on, and subscribe to the events of runs there."""
        self._api = origin + API_VERSION.base
        answer = await self._send("POST", "/hub", {"callback": self.base_url, "query": EVENTS})
        if answer.status != HTTPStatus.CREATED:
            raise RuntimeError(f"the hub answered the subscription with {answer.status}: {answer.body.get('message')}")
        self._secret = b64decode(str(answer.body["southbound.secret"]).removeprefix("whsec_"))

    async def order(self, run: JsonMapping) -> None:
        """Make a record of a run with its measures, as a draft; order the run, read it, and order it once more."""
        own_id, key = str(run["id"]), {"Idempotency-Key": f"order of {run['id']}"}
        self._table.add(sys_id=own_id, state="pending", name=run["name"], testMeasure=run["testMeasure"])
        ordered = await self._exchange(DeskStep.ORDER, own_id, "POST", "/serviceTest", run, key)
        if ordered.run_id:
            await self._exchange(DeskStep.READ, own_id, "GET", f"/serviceTest/{ordered.run_id}")
            await self._exchange(DeskStep.REPEAT, own_id, "POST", "/serviceTest", run, key)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the route of notifications."""
        return [web.post(self._base, self._receive)]

    async def observe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Process a notification."""
        return await handler(request)

    async def stop(self) -> None:
        """Release the port, and close the connections."""
        await super().stop()
        await self._transport.close()

    async def _receive(self, request: web.Request) -> web.Response:
        event = await http_responses.read_json_body(request)
        is_signed = self._is_signed(request.headers, await request.read())
        run = cast("Json", event.get("event", {})).get("serviceTest", {})
        event_id, response = str(event.get("eventId")), web.Response(status=HTTPStatus.NO_CONTENT)
        if event_id in self._known_events:  # it is delivered at least once
            return response
        self._known_events.add(event_id)
        notified = Exchange(
            step=DeskStep.NOTIFIED,
            status=response.status,
            run=cast("Json", run),
            event_type=str(event.get("eventType")),
            is_signed=is_signed,
        )
        own_id = _own_id_of(notified.run)
        self.log.add(own_id, notified)
        if notified.state in _ENDED:
            await self._exchange(DeskStep.READ_RESULT, own_id, "GET", f"/serviceTest/{notified.run_id}")
        return response

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Return whether the signature (Standard Webhooks 1.0.0) is that of the subscription's secret."""
        signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
        expected = "v1," + b64encode(hmac.digest(self._secret, signed, "sha256")).decode()
        given = headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(expected.encode(), each.encode()) for each in given)

    async def _exchange(
        self,
        step: DeskStep,
        own_id: str,
        method: str,
        path: str,
        body: JsonMapping | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        answer = await self._send(method, path, body, headers)
        replayed = answer.headers.get("idempotency-replayed") == "true"
        exchange = Exchange(step=step, status=answer.status, run=answer.body, is_replayed=replayed)
        self.log.add(own_id, exchange)
        return exchange

    async def _send(
        self, method: str, path: str, body: JsonMapping | None = None, headers: Mapping[str, str] | None = None
    ) -> _Answer:
        sent = {KEY_HEADER: self._key, **(headers or {})}
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            sent["Content-Type"] = "application/json"
        response = await self._transport.send(
            HttpRequest(method=method, url=self._api + path, headers=sent, body=content)
        )
        if not isinstance(response, HttpResponse):
            return _Answer()
        return _Answer(response.status, response.headers, cast("Json", orjson.loads(response.body or b"{}")))


def _own_id_of(run: JsonMapping) -> str:
    """Return the id under which the desk ordered a run."""
    identifiers = cast("Sequence[JsonMapping]", run.get("externalIdentifier", ()))
    own = (each["id"] for each in identifiers if each.get("externalIdentifierType") == "orderingSystem")
    return str(next(own, ""))
