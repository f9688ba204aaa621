"""The resource `serviceTest`: list, read, order, change, cancel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

from consumers.northbound.access.request_keys import name_run
from consumers.northbound.api.openapi.service_test import service_test_paths, service_test_schemas
from consumers.northbound.api.pages import PageReader
from consumers.northbound.api.requests import (
    etag_of,
    idempotency_key,
    matches_etag,
    patch_kind,
    precondition,
    wrong_patch_type,
)
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import json_response, not_kept_header
from consumers.northbound.orders.change_order import OrderChanger, PatchRequest
from consumers.northbound.orders.place_order import OrderPlacer
from router.northbound.api_version import ApiVersion
from router.northbound.lists.query import read_fields, read_list_request
from router.northbound.lists.sort import SORTABLE_RUN_ATTRIBUTES
from router.northbound.not_kept import not_kept, not_kept_of_patch
from router.northbound.principal import Scope
from router.northbound.resource import select_fields, to_resource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.orders.api_call import ApiCall
    from consumers.northbound.orders.order_book import OrderBook, OrderOutcome
    from router.northbound.order import RunView


def service_test_resource(book: OrderBook, reader: RequestReader) -> ResourceRoutes:
    """Return the routes of `serviceTest` below the paths of version 4 and of version 5."""
    routes: list[web.AbstractRouteDef] = []
    for version in (reader.v4, ApiVersion.V5):
        handler = _ServiceTestHandler(book=book, reader=reader, is_v5=version.is_v5)
        whole, one = f"{version.base}/serviceTest", f"{version.base}/serviceTest/{{id}}"
        routes += [
            web.get(whole, handler.list_runs),
            web.post(whole, handler.order),
            web.get(one, handler.read),
            web.patch(one, handler.change),
            web.delete(one, handler.delete),
        ]
    return ResourceRoutes(
        routes=routes,
        paths=service_test_paths(reader.v4) | service_test_paths(ApiVersion.V5),
        schemas=service_test_schemas(reader.v4) | service_test_schemas(ApiVersion.V5),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ServiceTestHandler:
    """Handles the requests of one version."""

    book: OrderBook
    reader: RequestReader
    is_v5: bool

    async def list_runs(self, request: web.Request) -> web.Response:
        """Answer GET of the collection."""
        call = self._call(request, Scope.READ)
        limits = self.reader.limits
        wanted = read_list_request(
            request.query.items(),
            default_limit=limits.default_page,
            max_limit=limits.max_page,
            sortable=SORTABLE_RUN_ATTRIBUTES,
        )
        base_url = self.reader.base_url(request)
        pages = PageReader(store=self.book.store)
        page = await pages.read(wanted, call.version, call.principal.tenant, base_url)
        shown = [select_fields(resource, wanted.fields) for resource in page.resources]
        headers = page.headers(URL(base_url + request.path_qs, encoded=True))
        return json_response(200 if page.is_whole else 206, shown, headers)

    async def read(self, request: web.Request) -> web.Response:
        """Answer GET of one run."""
        call = self._call(request, Scope.READ)
        view = await self.book.find(call, request.match_info["id"])
        known = request.headers.get("If-None-Match")
        if known is not None and matches_etag(known, view, weakly=True):
            return web.Response(status=304, headers={"ETag": etag_of(view)})
        resource = to_resource(view, call.version, self.reader.base_url(request))
        fields = request.query.get("fields")
        shown = resource if fields is None else select_fields(resource, read_fields(fields))
        return json_response(200, shown, {"ETag": etag_of(view)})

    async def order(self, request: web.Request) -> web.Response:
        """Answer POST: 201 once Kafka has the order; 202 if it is stored and Kafka is not available."""
        call = self._call(request, Scope.ORDER)
        key = idempotency_key(request)
        body = await self.reader.json_body(request)
        outcome = await OrderPlacer(book=self.book).place(call, body, key=key)
        name_run(request, outcome.view.run_id)
        resource = to_resource(outcome.view, call.version, self.reader.base_url(request))
        replayed = {"Idempotency-Replayed": "true"} if outcome.is_repeated else {}
        headers = {"Location": str(resource["href"]), "ETag": etag_of(outcome.view), **replayed}
        headers |= not_kept_header(not_kept(body, resource))
        return json_response(201 if outcome.is_published else 202, resource, headers)

    async def change(self, request: web.Request) -> web.Response:
        """Answer PATCH: what it needs depends on whether it changes or cancels the run."""
        call = self._call(request, Scope.ORDER, Scope.CANCEL)
        kind = patch_kind(request, call.version)
        if kind is None:
            return wrong_patch_type(call.version)
        patch = PatchRequest(
            patch=await self.reader.json_body(request),
            kind=kind,
            check=precondition(request),
        )
        outcome = await OrderChanger(book=self.book).change(call, request.match_info["id"], patch)
        return self._shown(request, call, outcome)

    async def delete(self, request: web.Request) -> web.Response:
        """Answer DELETE: the run is cancelled if it has not ended, and is shown no longer."""
        call = self._call(request, Scope.CANCEL)
        outcome = await OrderChanger(book=self.book).delete(call, request.match_info["id"], precondition(request))
        name_run(request, outcome.view.run_id)
        return web.Response(status=204 if outcome.is_published else 202)

    def _call(self, request: web.Request, *scopes: Scope) -> ApiCall:
        call = self.reader.call(request, is_v5=self.is_v5)
        call.require(*scopes)
        return call

    def _shown(self, request: web.Request, call: ApiCall, outcome: OrderOutcome) -> web.Response:
        view: RunView = outcome.view
        name_run(request, view.run_id)
        resource = to_resource(view, call.version, self.reader.base_url(request))
        lost = not_kept_header(not_kept_of_patch(outcome.changed, resource))
        headers: Mapping[str, str] = {"ETag": etag_of(view), **lost}
        return json_response(200 if outcome.is_published else 202, resource, headers)
