"""The resource `/hub` of an external system: subscriptions to notifications (TMF653 v4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from southbound.simulator import http_responses
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.notifications import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from southbound.simulator.measures import Json
    from southbound.simulator.notifications import NotificationSender
    from southbound.simulator.tmf_definition import TmfDefinition


class Hub:
    """Handles requests that add and remove subscriptions."""

    def __init__(self, notifications: NotificationSender, definition: TmfDefinition, new_id: Callable[[], str]) -> None:
        self._subscriptions = notifications.subscriptions
        self._definition = definition
        self._new_id = new_id

    def routes(self, base: str) -> list[web.RouteDef]:
        """Return the routes below the base path."""
        return [web.post(f"{base}/hub", self._subscribe), web.delete(f"{base}/hub/{{id}}", self._unsubscribe)]

    async def _subscribe(self, request: web.Request) -> web.Response:
        body = await http_responses.read_json_body(request)
        for violation in self._definition.violations("EventSubscriptionInput", body)[:1]:
            raise RequestRefusedError(400, "invalidBody", violation.message, violation.pointer)
        subscription = self._add(body)
        query = {"query": subscription.query} if subscription.query else {}
        return http_responses.json_response(201, {"id": subscription.id, "callback": subscription.callback, **query})

    def _add(self, body: Json) -> Subscription:
        callback, query = str(body["callback"]), str(body.get("query", "")) or None
        if any(known.callback == callback for known in self._subscriptions.values()):
            raise RequestRefusedError(409, "exists", f"{callback} is subscribed already", "/callback")
        subscription = Subscription(id=self._new_id(), callback=callback, query=query)
        self._subscriptions[subscription.id] = subscription
        return subscription

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        subscription_id = request.match_info["id"]
        if self._subscriptions.pop(subscription_id, None) is None:
            raise RequestRefusedError(404, "notFound", f"there is no subscription {subscription_id}")
        return web.Response(status=204)
