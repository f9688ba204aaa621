"""The task resource `cancelServiceTest` of version 5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

from consumers.northbound.access.request_keys import name_run
from consumers.northbound.api.openapi.cancel_service_test import cancel_paths, cancel_schemas
from consumers.northbound.api.pages import Page
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import json_response
from consumers.northbound.orders.change_order import OrderChanger
from router.northbound.api_version import ApiVersion
from router.northbound.cancel_task import TASK_ATTRIBUTES, TASK_STATES, cancel_task_of, read_cancellation
from router.northbound.errors import MistakeCode, refuse
from router.northbound.lists.query import FilterComparison, read_fields, read_list_request
from router.northbound.principal import Scope
from router.northbound.resource import select_fields

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.orders.api_call import ApiCall
    from consumers.northbound.orders.order_book import OrderBook
    from router.northbound.resource import Resource

# Of the newest cancellations, from which a page is taken; behind them, the total is unknown, as that of a list of runs.
MAX_LISTED = 1_000
BATCH = 100


def cancel_service_test_resource(book: OrderBook, reader: RequestReader) -> ResourceRoutes:
    """Return the routes of `cancelServiceTest`."""
    handler = _CancelServiceTestHandler(book=book, reader=reader)
    whole = f"{ApiVersion.V5.base}/cancelServiceTest"
    return ResourceRoutes(
        routes=[
            web.get(whole, handler.list_tasks),
            web.post(whole, handler.create),
            web.get(f"{whole}/{{id}}", handler.read),
        ],
        paths=cancel_paths(),
        schemas=cancel_schemas(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _CancelServiceTestHandler:
    """Handles the requests."""

    book: OrderBook
    reader: RequestReader

    async def list_tasks(self, request: web.Request) -> web.Response:
        """Answer GET of the collection: of the newest cancellations."""
        call, limits = self._call(request, Scope.READ), self.reader.limits
        wanted = read_list_request(
            request.query.items(),
            default_limit=limits.default_page,
            max_limit=limits.max_page,
            attributes=TASK_ATTRIBUTES,
            states=TASK_STATES,
        )
        ids = [
            value
            for each in wanted.filters
            if each.path in (("id",), ("serviceTest", "id")) and each.comparison is FilterComparison.EQUAL
            for value in each.values
        ]
        listed = await self._newest_tasks(call.principal.tenant, ids or None, self.reader.base_url(request))
        are_all = len(listed) <= MAX_LISTED
        tasks = [task for task in listed[:MAX_LISTED] if wanted.matches(task)]
        shown = [select_fields(task, wanted.fields) for task in tasks[wanted.offset : wanted.offset + wanted.limit]]
        page = Page(resources=shown, offset=wanted.offset, limit=wanted.limit, total=len(tasks) if are_all else None)
        headers = page.headers(URL(self.reader.base_url(request) + request.path_qs, encoded=True))
        return json_response(200 if page.is_whole else 206, shown, headers)

    async def _newest_tasks(
        self, tenant: str | None, run_ids: Collection[str] | None, base_url: str
    ) -> Sequence[Resource]:
        """Return the newest tasks, one more than are listed if there are more; of their runs, few are held at once."""
        tasks: dict[str, Resource] = {}
        offset, is_end = 0, False
        while not is_end and offset <= MAX_LISTED:
            limit = min(BATCH, MAX_LISTED + 1 - offset)
            views = await self.book.store.cancellations(tenant, run_ids, limit, offset)
            tasks.update((view.run_id, cancel_task_of(view, base_url)) for view in views)
            offset, is_end = offset + limit, len(views) < limit
        return [*tasks.values()]

    async def create(self, request: web.Request) -> web.Response:
        """Answer POST: 201 once Kafka has the cancellation, 202 if it is stored and Kafka is not available."""
        call = self._call(request, Scope.CANCEL)
        run_id, reason = read_cancellation(await self.reader.json_body(request))
        outcome = await OrderChanger(book=self.book).cancel(call, run_id, reason)
        name_run(request, outcome.view.run_id)
        task = cancel_task_of(outcome.view, self.reader.base_url(request))
        return json_response(201 if outcome.is_published else 202, task, {"Location": str(task["href"])})

    async def read(self, request: web.Request) -> web.Response:
        """Answer GET of one task."""
        call = self._call(request, Scope.READ)
        view = await self.book.find(call, request.match_info["id"])
        if not view.is_cancelled:
            raise refuse(404, MistakeCode.UNKNOWN_REFERENCE, "nobody has cancelled this run")
        task, fields = cancel_task_of(view, self.reader.base_url(request)), request.query.get("fields")
        return json_response(200, task if fields is None else select_fields(task, read_fields(fields)))

    def _call(self, request: web.Request, scope: Scope) -> ApiCall:
        call = self.reader.call(request, is_v5=True)
        call.require(scope)
        return call
