"""Notifications to subscribers, as a version of TMF653 writes them: sent in order per test until acknowledged."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import orjson

from consumers.spokes.tmf653.versions import VERSIONS
from consumers.spokes.transport import HttpRequest
from router.responses import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from consumers.spokes.tmf653.versions import TmfVersion
    from consumers.spokes.transport import Transport
    from southbound.simulator.measures import Json

STATE_CHANGED = "ServiceTestStateChangeEvent"  # defined by v4.2; v4.1 systems in use send it too
ATTRIBUTE_CHANGED = "ServiceTestAttributeValueChangeEvent"
DELETED = "ServiceTestDeleteEvent"
INFORMATION_REQUIRED = "ServiceTestInformationRequiredEvent"  # v5.0
MINIMAL_FIELDS = ("id", "href", "state")
RETRY_DELAYS = (0.05, 0.2, 0.5, 1.0, 2.0)  # seconds before each retry


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
        resources = event["event"] if isinstance(event["event"], dict) else {}
        return {**event, "event": {name: _with_only(fields, resource) for name, resource in resources.items()}}

    def build_request(self, event: Json) -> HttpRequest:
        """Return the request that delivers an event."""
        url = f"{self.callback.rstrip('/')}/{event['eventType']}" if self.event_in_path else self.callback
        body = orjson.dumps(self.selected(event))
        headers = {"content-type": "application/json", **self.headers, **self.sign(body)}
        return HttpRequest(method="POST", url=url, headers=headers, body=body)


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
    """Sends events to subscribers; the events of one test are sent in order."""

    def __init__(
        self,
        transport: Transport,
        *,
        retry_delays: Iterable[float] = RETRY_DELAYS,
        accepted: frozenset[int] = frozenset(range(200, 300)),
    ) -> None:
        self._transport = transport
        self._retry_delays = tuple(retry_delays)
        self._accepted = accepted
        self._last_delivery: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.subscriptions: dict[str, Subscription] = {}
        self.undelivered: list[Json] = []

    def send(self, test_id: str, event: Json) -> None:
        """Send an event to every subscriber, after the earlier events of the same test."""
        task = asyncio.create_task(self._deliver(event, after=self._last_delivery.get(test_id)))
        self._last_delivery[test_id] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: self._forget(test_id, done))

    async def stop(self) -> None:
        """Cancel all deliveries under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, test_id: str, done: asyncio.Task[None]) -> None:
        if self._last_delivery.get(test_id) is done:
            del self._last_delivery[test_id]

    async def _deliver(self, event: Json, *, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        subscriptions = [s for s in self.subscriptions.values() if s.matches(str(event["eventType"]))]
        for request in [subscription.build_request(event) for subscription in subscriptions]:
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
