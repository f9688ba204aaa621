"""Notifications to subscribers, as a version of TMF653 writes them: sent in order per test until acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson

from consumers.spokes.aiohttp_transport import AiohttpTransport
from consumers.spokes.profile import Profile
from consumers.spokes.tmf653.versions import VERSIONS
from consumers.spokes.transport import HttpRequest
from router.responses import HttpResponse
from southbound.simulator.faults.settings import CallbackFault

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from datetime import datetime

    from consumers.spokes.tmf653.versions import TmfVersion
    from consumers.spokes.transport import Transport
    from schemas.text.json_types import Json
    from southbound.simulator.faults.callbacks import CallbackFaulter

STATE_CHANGED = "ServiceTestStateChangeEvent"  # defined by v4.2; v4.1 systems in use send it too
ATTRIBUTE_CHANGED = "ServiceTestAttributeValueChangeEvent"
DELETED = "ServiceTestDeleteEvent"
INFORMATION_REQUIRED = "ServiceTestInformationRequiredEvent"  # v5.0
MINIMAL_FIELDS = ("id", "href", "state")
RETRY_DELAYS = (0.05, 0.2, 0.5, 1.0, 2.0)  # seconds before each retry


def callback_transport() -> Transport:
    """Return connections for notifications to any address."""
    # The profile only sets the timeouts and the number of connections.
    return AiohttpTransport(Profile(name="callbacks", base_url="http://127.0.0.1", concurrency=200))


def unsigned(_body: bytes) -> Mapping[str, str]:
    """Return no headers."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription to notifications (TMF653 v4.1 `EventSubscription`)."""

    id: str
    callback: str
    query: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    sign: Callable[[bytes], Mapping[str, str]] = field(default=unsigned, repr=False)  # headers from the body
    event_in_path: bool = False  # POST to callback/eventType instead of to the callback itself

    def matches(self, event_type: str) -> bool:
        """Return whether the query (`eventType=A,B` or `eventType=A&eventType=B`) selects this event."""
        selected = [value for name, value in parse_qsl(self.query or "") if name == "eventType"]
        return not selected or event_type in ",".join(selected).split(",")

    def selected(self, event: Json) -> Json:
        """Return an event with the fields of its resources that the query selects (`fields=a,b`)."""
        asked = [value for name, value in parse_qsl(self.query or "") if name == "fields"]
        if not asked:
            return event
        fields = {"@type", *",".join(asked).split(",")}
        content = event.get("event")
        resources = content if isinstance(content, dict) else {}
        return {**event, "event": {name: _with_only(fields, resource) for name, resource in resources.items()}}

    def build_request(self, event: Json) -> HttpRequest:
        """Return the request that delivers an event."""
        url = f"{self.callback.rstrip('/')}/{type_of(event)}" if self.event_in_path else self.callback
        body = orjson.dumps(self.selected(event))
        headers = {"content-type": "application/json", **self.headers, **self.sign(body)}
        return HttpRequest(method="POST", url=url, headers=headers, body=body)


def type_of(event: Json) -> str:
    """Return the type of an event, of TMF653 or of another API."""
    return str(event.get("eventType", event.get("type", "")))


def _with_only(fields: set[str], resource: object) -> object:
    if not isinstance(resource, dict):
        return resource
    return {name: value for name, value in resource.items() if name in fields}


def make_notification(  # noqa: PLR0913 - what an event says
    event_type: str,
    resource: Json,
    *,
    event_id: str,
    at: datetime,
    only: tuple[str, ...] | None = None,
    field_path: str | None = None,
    name: str = "serviceTest",
    more: Json | None = None,
    version: TmfVersion = VERSIONS["4.1"],
) -> Json:
    """Return the event for a test, or for another resource of this name, with all of its fields or `only` some.

    `more` is what the event says beside the resource.
    """
    content = resource if only is None else {key: resource[key] for key in only if key in resource}
    time = at.isoformat()
    # v4 misspells it.
    occurred = "timeOccurred" if version.typed else "timeOcurred"
    envelope: Json = {
        "eventId": event_id,
        "eventType": event_type,
        "eventTime": time,
        occurred: time,
        **version.type_of(event_type),
    }
    path: Json = {"fieldPath": field_path} if field_path and not version.typed else {}
    return {**envelope, **path, "event": {name: dict(content), **(more or {})}}


class NotificationSender:
    """Sends events to subscribers; the events of one test are sent in order, except for `faults`."""

    def __init__(
        self,
        transport: Transport,
        *,
        retry_delays: Iterable[float] = RETRY_DELAYS,
        accepted: frozenset[int] = frozenset(range(200, 300)),
    ) -> None:
        self.faults: CallbackFaulter | None = None
        self.rewrite: Callable[[Json], Json] = dict  # how an event is sent
        self._transport = transport
        self._retry_delays = tuple(retry_delays)
        self._accepted = accepted
        self._last_delivery: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.subscriptions: dict[str, Subscription] = {}
        self.undelivered: list[Json] = []

    @property
    def under_way(self) -> int:
        """How many notifications are being sent."""
        return len(self._tasks)

    def send(self, test_id: str, event: Json) -> None:
        """Send an event to every subscriber, after the earlier events of the same test, unless a fault happens."""
        match self.faults.draw() if self.faults else None:
            case CallbackFault.LOST:
                return
            case CallbackFault.REORDERED:
                self._start(self._deliver_late(event))
            case CallbackFault.DOUBLED:
                self._send_in_order(test_id, event)
                self._send_in_order(test_id, event)
            case None:
                self._send_in_order(test_id, event)

    def _send_in_order(self, test_id: str, event: Json) -> None:
        task = self._start(self._deliver(event, after=self._last_delivery.get(test_id)))
        self._last_delivery[test_id] = task
        task.add_done_callback(lambda done: self._forget(test_id, done))

    def _start(self, delivery: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Cancel all deliveries under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, test_id: str, done: asyncio.Task[None]) -> None:
        if self._last_delivery.get(test_id) is done:
            del self._last_delivery[test_id]

    async def _deliver_late(self, event: Json) -> None:
        await asyncio.sleep(self.faults.reordered_by if self.faults else 0.0)
        await self._deliver(event)

    async def _deliver(self, event: Json, *, after: asyncio.Task[None] | None = None) -> None:
        if after is not None:
            await asyncio.wait([after])
        subscriptions = [s for s in self.subscriptions.values() if s.matches(type_of(event))]
        for request in [subscription.build_request(self.rewrite(event)) for subscription in subscriptions]:
            if not await self._deliver_one(request):
                self.undelivered.append(event)

    async def _deliver_one(self, request: HttpRequest) -> bool:
        for delay in (*self._retry_delays, None):
            response = await self._transport.send(request)
            if isinstance(response, HttpResponse) and response.status in self._accepted:
                return True
            if delay is not None:
                await asyncio.sleep(delay)
        return False
