"""The resource `/hub` of an external system: subscriptions to notifications."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiohttp import web

from consumers.spokes.tmf653.versions import VERSIONS
from southbound.simulator import http_responses
from southbound.simulator.errors import RequestRefusedError
from southbound.simulator.notifications import Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.spokes.tmf653.versions import TmfVersion
    from schemas.text.json_types import Json
    from southbound.simulator.notifications import NotificationSender
    from southbound.simulator.tmf_definition import TmfDefinition


class Hub:
    """Handles requests that add and remove subscriptions."""

    def __init__(
        self,
        notifications: NotificationSender,
        definition: TmfDefinition,
        new_id: Callable[[], str],
        version: TmfVersion = VERSIONS["4.1"],
        kind: Literal["standard", "listing", "unsupported"] = "standard",
    ) -> None:
        self._kind = kind
        self._version = version
        self._subscriptions = notifications.subscriptions
        self._definition = definition
        self._new_id = new_id

    def routes(self, base: str) -> list[web.RouteDef]:
        """Return the routes below the base path."""
        all_of_them, one = f"{base}/hub", f"{base}/hub/{{id}}"
        if self._kind == "unsupported":
            return [web.route("*", path, self._refuse) for path in (all_of_them, one)]
        listing = [web.get(all_of_them, self._list)] if self._kind == "listing" else []
        return [
            *listing,
            web.post(all_of_them, self._subscribe),
            web.get(one, self._read),
            web.delete(one, self._unsubscribe),
        ]

    async def _refuse(self, _: web.Request) -> web.Response:
        raise RequestRefusedError(501, "notImplemented", "this system has no hub")

    async def _list(self, _: web.Request) -> web.Response:
        return http_responses.json_response(200, [self._shown(known) for known in self._subscriptions.values()])

    async def _subscribe(self, request: web.Request) -> web.Response:
        body = await http_responses.read_json_body(request)
        for violation in self._definition.violations("EventSubscriptionInput", body)[:1]:
            raise RequestRefusedError(400, "invalidBody", violation.message, violation.pointer)
        return http_responses.json_response(201, self._shown(self._add(body)))

    async def _read(self, request: web.Request) -> web.Response:
        subscription_id = request.match_info["id"]
        if (known := self._subscriptions.get(subscription_id)) is None:
            raise RequestRefusedError(404, "notFound", f"there is no subscription {subscription_id}")
        return http_responses.json_response(200, self._shown(known))

    def _shown(self, subscription: Subscription) -> Json:
        query = {"query": subscription.query} if subscription.query else {}
        typed = self._version.type_of("Hub")
        return {"id": subscription.id, "callback": subscription.callback, **query, **typed}

    def _add(self, body: Json) -> Subscription:
        callback, query = str(body["callback"]), str(body.get("query", "")) or None
        if any(known.callback == callback for known in self._subscriptions.values()):
            raise RequestRefusedError(409, "exists", f"{callback} is subscribed already", "/callback")
        headers = body.get("headers")
        subscription = Subscription(
            id=self._new_id(), callback=callback, query=query, headers=headers if isinstance(headers, dict) else {}
        )
        self._subscriptions[subscription.id] = subscription
        return subscription

    async def _unsubscribe(self, request: web.Request) -> web.Response:
        subscription_id = request.match_info["id"]
        if self._subscriptions.pop(subscription_id, None) is None:
            raise RequestRefusedError(404, "notFound", f"there is no subscription {subscription_id}")
        return web.Response(status=204)
