"""Serve the paths of ServiceNow's Service Test Management Open API: list, read, order and change runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

from consumers.northbound.access.request_keys import name_run
from consumers.northbound.api.pages import Page, PageReader
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import json_response, not_kept_header
from consumers.northbound.orders.change_order import OrderChanger, PatchRequest
from consumers.northbound.orders.order_book import MAX_ATTEMPTS, busy
from consumers.northbound.orders.place_order import OrderPlacer
from consumers.northbound.servicenow.openapi import management_paths, management_schemas
from consumers.northbound.servicenow.statuses import with_its_statuses
from consumers.store.orders.port import RunQuery
from router.northbound.api_version import SERVICENOW_BASE
from router.northbound.change import PatchKind
from router.northbound.lists.query import read_fields
from router.northbound.not_kept import not_kept, not_kept_of_patch
from router.northbound.principal import Scope
from router.northbound.resource import select_fields, to_resource
from router.northbound.servicenow.list_query import read_list_query
from router.northbound.servicenow.read_body import read_change, read_new_run
from router.northbound.servicenow.shown_run import shown_run, with_type

if TYPE_CHECKING:
    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.orders.api_call import ApiCall
    from consumers.northbound.orders.order_book import OrderBook, OrderOutcome
    from router.northbound.order import RunView
    from router.northbound.writeback import Body, TargetFormat


class _ChangedMeanwhileError(Exception):
    """The run is not the one that the patch was made for."""


def management_resource(book: OrderBook, reader: RequestReader, form: TargetFormat) -> ResourceRoutes:
    """Return the routes of ServiceNow's API; `form` is how its runs are written."""
    handler = _ManagementHandler(book=book, reader=reader, form=form)
    whole, one = f"{SERVICENOW_BASE}/serviceTest", f"{SERVICENOW_BASE}/serviceTest/{{id}}"
    return ResourceRoutes(
        routes=[
            web.get(whole, handler.list_runs),
            web.post(whole, handler.order),
            web.get(one, handler.read),
            web.patch(one, handler.change),
        ],
        paths=management_paths(),
        schemas=management_schemas(),
    )


def list_response(page: Page, url: URL) -> web.Response:
    """Answer GET of a collection as ServiceNow does: 206 for a part of it, and `Content-Range` without a total.

    ServiceNow counts from 1 there: of `offset=2` and `limit=3` it documents `items 3-5`.
    """
    count = len(page.resources)
    part = f"{page.offset + 1}-{page.offset + count}" if count else "*"
    headers = {**page.headers(url), "Content-Range": f"items {part}"}
    return json_response(200 if page.is_whole else 206, page.resources, headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ManagementHandler:
    """Handles the requests. Their bodies are read as those of TMF653 5.0, which needs no `metricHref` of a measure."""

    book: OrderBook
    reader: RequestReader
    form: TargetFormat

    @with_its_statuses
    async def list_runs(self, request: web.Request) -> web.Response:
        """Answer GET of the collection: newest first, 206 for a part of it."""
        call, wanted = self._call(request, Scope.READ), read_list_query(request.query.items())
        query = RunQuery(
            tenant=call.principal.tenant, pushdown=wanted.pushdown, offset=wanted.offset, limit=wanted.limit
        )
        views, total = await PageReader(store=self.book.store).views(query)
        # A run may have got another state while it was read.
        states = wanted.pushdown.states
        runs = [self._shown(view, call, wanted.fields) for view in views if states is None or view.state in states]
        page = Page(resources=runs, offset=wanted.offset, limit=wanted.limit, total=total)
        return list_response(page, URL(self.reader.base_url(request) + request.path_qs, encoded=True))

    @with_its_statuses
    async def read(self, request: web.Request) -> web.Response:
        """Answer GET of one run."""
        call, fields = self._call(request, Scope.READ), request.query.get("fields")
        view = await self.book.find(call, request.match_info["id"])
        return json_response(200, self._shown(view, call, None if fields is None else read_fields(fields)))

    @with_its_statuses
    async def order(self, request: web.Request) -> web.Response:
        """Answer POST: 200 once the order is durable; an `id` in the body is the external id of the run."""
        call = self._call(request, Scope.ORDER)
        body = await self.reader.json_body(request)
        outcome = await OrderPlacer(book=self.book).place(call, read_new_run(body, self.form.zone))
        name_run(request, outcome.view.run_id)
        shown = self._shown(outcome.view, call)
        return json_response(200, shown, not_kept_header(not_kept(body, with_type(shown))))

    @with_its_statuses
    async def change(self, request: web.Request) -> web.Response:
        """Answer PATCH: the state `canceled` cancels a run, everything else changes it."""
        call = self._call(request, Scope.ORDER, Scope.CANCEL)
        body = await self.reader.json_body(request)
        for _ in range(MAX_ATTEMPTS):
            view = await self.book.find(call, request.match_info["id"])
            name_run(request, view.run_id)
            try:
                outcome = await self._change(call, view, body)
            except _ChangedMeanwhileError:
                continue
            shown = self._shown(outcome.view, call)
            return json_response(200, shown, not_kept_header(not_kept_of_patch(body, with_type(shown))))
        raise busy()

    async def _change(self, call: ApiCall, view: RunView, body: object) -> OrderOutcome:
        """Change the run as it was read.

        Raises:
            _ChangedMeanwhileError: it is another one by now.
        """
        resource = to_resource(view, call.version)
        patch = read_change(body, view, shown_run(view, self.form, call.client), resource, self.form.zone)

        def check(present: RunView) -> None:
            if present.revision != view.revision:
                raise _ChangedMeanwhileError

        request = PatchRequest(patch=patch, kind=PatchKind.MERGE, check=check)
        return await OrderChanger(book=self.book).change(call, view.run_id, request)

    def _call(self, request: web.Request, *scopes: Scope) -> ApiCall:
        call = self.reader.call(request, is_v5=True)
        call.require(*scopes)
        return call

    def _shown(self, view: RunView, call: ApiCall, fields: frozenset[str] | None = None) -> Body:
        return select_fields(shown_run(view, self.form, call.client), fields)
