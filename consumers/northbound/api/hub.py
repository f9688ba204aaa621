"""The resource `hub`: subscribe to the events of runs, read a subscription, end it."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, cast

import orjson
from aiohttp import web

from consumers.northbound.api.openapi.hub import IGNORED_MEMBERS, hub_paths, hub_schemas
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import json_response
from consumers.northbound.hub.callback import (
    CallbackError,
    PolicyResolver,
    check_leads_outside,
    read_callback,
    read_query,
)
from consumers.spokes.limits.name_resolver import OwnThreadResolver
from consumers.store.subscriptions.port import DuplicateSubscriptionError, TooManySubscriptionsError
from router.northbound.api_version import ApiVersion
from router.northbound.errors import MistakeCode, refuse
from router.northbound.hub.event_query import EventQueryError, canonical, check_states
from router.northbound.hub.signature import encode_secret
from router.northbound.hub.subscription import RunSubscription
from router.northbound.principal import Scope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.orders.api_call import ApiCall
    from consumers.store.subscriptions.port import SubscriptionLimits, SubscriptionStore
    from router.northbound.hub.address_policy import AddressPolicy
    from router.northbound.principal import Principal

_KNOWN_MEMBERS = frozenset({"callback", "query", *IGNORED_MEMBERS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribing:
    """What subscribing needs. `secret_of` returns the secret that signs the events of a subscription."""

    store: SubscriptionStore
    policy: AddressPolicy
    limits: SubscriptionLimits
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    secret_of: Callable[[str], bytes]


def hub_resource(subscribing: Subscribing, reader: RequestReader) -> ResourceRoutes:
    """Return the routes of `hub` below the paths of version 4 and of version 5."""
    routes: list[web.AbstractRouteDef] = []
    for version in (reader.v4, ApiVersion.V5):
        handler = _HubRequests(subscribing=subscribing, reader=reader, is_v5=version.is_v5)
        one = f"{version.base}/hub/{{id}}"
        routes += [
            web.post(f"{version.base}/hub", handler.subscribe),
            web.get(one, handler.read),
            web.delete(one, handler.delete),
        ]
    return ResourceRoutes(routes=routes, paths=hub_paths(reader.v4) | hub_paths(ApiVersion.V5), schemas=hub_schemas())


@dataclass(frozen=True, slots=True, kw_only=True)
class _HubRequests:
    """Handles the requests of one version."""

    subscribing: Subscribing
    reader: RequestReader
    is_v5: bool
    names: OwnThreadResolver = field(default_factory=OwnThreadResolver)  # of all requests, whose number has a limit

    async def subscribe(self, request: web.Request) -> web.Response:
        """Answer POST: 201, or 409 if the same client has an equal subscription."""
        call = self._call(request)
        callback, query = _read_body(await self.reader.json_body(request))
        subscription = await self._subscription(call, callback, query)
        try:
            await self.subscribing.store.add(subscription, _identity(subscription), self.subscribing.limits)
        except DuplicateSubscriptionError as error:
            sentence = f"the subscription {error.subscription_id} has this callback and query: delete it first"
            raise refuse(409, MistakeCode.OTHER, sentence) from None
        except TooManySubscriptionsError as error:
            total, per_client = self.subscribing.limits
            known = f"this client has {per_client}" if error.of_client else f"there are {total}"
            sentence = f"{known} subscriptions already: delete one first"
            raise refuse(409, MistakeCode.TOO_MANY, sentence) from None
        secret = encode_secret(self.subscribing.secret_of(subscription.subscription_id))
        shown = {**self._shown(request, subscription), "southbound.secret": secret}
        headers = {"Location": str(shown["href"]), "Cache-Control": "no-store"}
        return json_response(201, shown, headers)

    async def read(self, request: web.Request) -> web.Response:
        """Answer GET."""
        subscription = await self._find(request)
        ours = {
            "southbound.state": subscription.state.value,
            "southbound.problem": subscription.problem,
            "southbound.delivered": subscription.delivered,
            "southbound.refused": subscription.refused,
            "southbound.expired": subscription.expired,
        }
        return json_response(200, {**self._shown(request, subscription), **ours})

    async def delete(self, request: web.Request) -> web.Response:
        """Answer DELETE."""
        await self.subscribing.store.remove((await self._find(request)).subscription_id)
        return web.Response(status=204)

    async def _subscription(self, call: ApiCall, callback: str, query: str) -> RunSubscription:
        try:
            address = read_callback(callback, self.subscribing.policy)
            await check_leads_outside(address, PolicyResolver(self.subscribing.policy, self.names))
        except CallbackError as error:
            raise refuse(400, MistakeCode.INVALID_VALUE, f"the callback {error}", "/callback") from None
        try:
            check_states(read_query(query))
        except EventQueryError as error:
            raise refuse(400, MistakeCode.INVALID_VALUE, str(error), "/query") from None
        # Events have milliseconds: one of this very millisecond is not older than the subscription.
        now = self.subscribing.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return RunSubscription(
            subscription_id=self.subscribing.new_id(),
            principal=call.principal.name,
            tenant=call.principal.tenant,
            callback=address,
            query=query,
            version=call.version,
            created_at=now,
            next_attempt_at=now,
        )

    async def _find(self, request: web.Request) -> RunSubscription:
        """Return a subscription of the client; that of another client is as good as none."""
        principal = self._call(request).principal
        subscription_id = request.match_info["id"]
        # No NUL, which a database does not take in a text.
        found = await self.subscribing.store.find(subscription_id) if subscription_id.isprintable() else None
        if found is None or not _may_see(principal, found):
            raise refuse(404, MistakeCode.UNKNOWN_REFERENCE, "there is no such subscription")
        return found

    def _call(self, request: web.Request) -> ApiCall:
        call = self.reader.call(request, is_v5=self.is_v5)
        call.require(Scope.READ)
        return call

    def _shown(self, request: web.Request, subscription: RunSubscription) -> dict[str, object]:
        version = ApiVersion.V5 if self.is_v5 else self.reader.v4
        subscription_id = subscription.subscription_id
        shown: dict[str, object] = {
            "id": subscription_id,
            "href": f"{self.reader.base_url(request)}{version.base}/hub/{subscription_id}",
            "callback": subscription.callback,
            "query": subscription.query,
        }
        return {**shown, "@type": "EventSubscription"} if self.is_v5 else shown


def _read_body(body: object) -> tuple[str, str]:
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the body must be an object with `callback`")
    members = cast("dict[str, object]", body)
    if unknown := sorted(members.keys() - _KNOWN_MEMBERS):
        raise refuse(400, MistakeCode.UNEXPECTED, f"a subscription has no {unknown[0][:80]!r}")
    callback, query = members.get("callback"), members.get("query")
    if callback is None:
        raise refuse(
            400, MistakeCode.MISSING, "callback is required: the address to which events are sent", "/callback"
        )
    if not isinstance(callback, str):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "callback must be a text", "/callback")
    if query is not None and not isinstance(query, str):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "query must be a text", "/query")
    return callback, query or ""


def _identity(subscription: RunSubscription) -> str:
    """Return what two equal subscriptions of one client have in common."""
    parts = (
        subscription.principal,
        subscription.tenant,
        subscription.version.base,
        subscription.callback,
        canonical(read_query(subscription.query)),
    )
    return sha256(orjson.dumps(parts)).hexdigest()


def _may_see(principal: Principal, subscription: RunSubscription) -> bool:
    if principal.may(Scope.ADMINISTER) and principal.sees(subscription.tenant):
        return True
    return (principal.name, principal.tenant) == (subscription.principal, subscription.tenant)
