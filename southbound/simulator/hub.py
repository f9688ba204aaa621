"""The resource `/hub` of an external system: subscriptions to notifications (TMF653 v4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from southbound.simulator import replies
from southbound.simulator.courier import Subscription
from southbound.simulator.patches import PatchRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from southbound.simulator.courier import NotificationSender
    from southbound.simulator.definition import TmfDefinition
    from southbound.simulator.measures import Json


class Hub:
    """Adds and removes subscriptions."""

    def __init__(self, notifications: NotificationSender, definition: TmfDefinition, new_id: Callable[[], str]) -> None:
        self._subscriptions = notifications.subscriptions
        self._definition = definition
        self._new_id = new_id

    def routes(self, base: str) -> list[web.RouteDef]:
        """List the routes below the base path."""
        return [web.post(f"{base}/hub", self._subscribe), web.delete(f"{base}/hub/{{id}}", self._unsubscribe)]

    async def _subscribe(self, request: web.Request) -> web.Response:
        body = await replies.read_json_body(request)
        for violation in self._definition.violations("EventSubscriptionInput", body)[:1]:
            raise PatchRefusedError(400, "invalidBody", violation.message, violation.pointer)
        subscription = self._add(body)
        query = {"query": subscription.query} if subscription.query else {}
        return replies.json_response(201, {"id": subscription.id, "callback": subscription.callback, **query})

    def _add(self, body: Json) -> Subscription:
        callback, query = str(body["callback"]), str(body.get("query", "")) or None
        if any(known.callback == callback for known in self._subscriptions.values()):
            raise PatchRefusedError(409, "exists", f"{callback} is subscribed already", "/callback")
        subscription = Subscription(id=self._new_id(), callback=callback, query=query)
        self._subscriptions[subscription.id] = subscription
        return subscription

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        identity = request.match_info["id"]
        if self._subscriptions.pop(identity, None) is None:
            raise PatchRefusedError(404, "notFound", f"there is no subscription {identity}")
        return web.Response(status=204)


STATE_CHANGED = "ServiceTestStateChangeEvent"  # named by v4.2; v4.1 systems in the field send it too

ATTRIBUTE_CHANGED = "ServiceTestAttributeValueChangeEvent"

DELETED = "ServiceTestDeleteEvent"

MINIMAL_FIELDS = ("id", "href", "state")


def make_notification(
    event_type: str,
    resource: Json,
    *,
    event_id: str,
    at: datetime,
    only: tuple[str, ...] | None = None,
    field_path: str | None = None,
) -> Json:
    """Wrap a test, or only some of its fields, into the event envelope of v4.1."""
    told = resource if only is None else {name: resource[name] for name in only if name in resource}
    moment = at.isoformat()
    # `timeOcurred` is spelled as the v4 definition spells it.
    envelope: Json = {
        "eventId": event_id,
        "eventType": event_type,
        "eventTime": moment,
        "timeOcurred": moment,
    }
    path: Json = {"fieldPath": field_path} if field_path else {}
    return {**envelope, **path, "event": {"serviceTest": dict(told)}}
