"""Serve the path of specifications of ServiceNow's Service Test Management Open API: list, read, add and change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

from consumers.northbound.api.pages import Page
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import json_response
from consumers.northbound.api.service_test_specification import (
    answering,
    changing_call,
    existing_specification,
    new_document,
)
from consumers.northbound.servicenow.management_api import list_response
from consumers.northbound.servicenow.openapi_specifications import (
    specification_management_paths,
    specification_management_schemas,
)
from consumers.northbound.servicenow.statuses import with_its_statuses
from router.northbound.api_version import SERVICENOW_BASE
from router.northbound.lists.query import read_fields, read_list_request
from router.northbound.principal import Scope
from router.northbound.resource import select_fields
from router.northbound.servicenow.list_query import DEFAULT_LIMIT, MAX_LIMIT
from router.northbound.servicenow.shown_specification import (
    changed_specification,
    read_new_specification_body,
    shown_specification,
)
from router.northbound.specification_resource import RESOURCE_NAME, read_new_specification

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from consumers.northbound.api.requests import RequestReader
    from consumers.northbound.orders.api_call import ApiCall
    from consumers.specifications.catalogue import SpecificationCatalogue
    from schemas.published_tables import SpecificationRecord

_PARAMETERS = frozenset({"fields", "limit", "offset"})


def specification_management_resource(
    catalogue: SpecificationCatalogue, reader: RequestReader, new_id: Callable[[], str], zone: tzinfo
) -> ResourceRoutes:
    """Return the routes; `zone` is that of date-times."""
    handler = _SpecificationManagement(catalogue=catalogue, reader=reader, new_id=new_id, zone=zone)
    whole, one = f"{SERVICENOW_BASE}/{RESOURCE_NAME}", f"{SERVICENOW_BASE}/{RESOURCE_NAME}/{{id}}"
    return ResourceRoutes(
        routes=[
            web.get(whole, handler.list_specifications),
            web.post(whole, handler.create),
            web.get(one, handler.read),
            web.patch(one, handler.change),
        ],
        paths=specification_management_paths(),
        schemas=specification_management_schemas(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _SpecificationManagement:
    """Handles the requests."""

    catalogue: SpecificationCatalogue
    reader: RequestReader
    new_id: Callable[[], str]
    zone: tzinfo

    @with_its_statuses
    async def list_specifications(self, request: web.Request) -> web.Response:
        """Answer GET of the collection, by id: 206 for a part of it. There is no filter."""
        self._call(request, Scope.READ)
        known = [(name, value) for name, value in request.query.items() if name in _PARAMETERS]
        wanted = read_list_request(known, default_limit=DEFAULT_LIMIT, max_limit=MAX_LIMIT)
        shown, total = [], 0
        async for record in self.catalogue.all():
            if wanted.offset <= total < wanted.offset + wanted.limit:
                shown.append(select_fields(shown_specification(record, self.zone), wanted.fields))
            total += 1
        page = Page(resources=shown, offset=wanted.offset, limit=wanted.limit, total=total)
        return list_response(page, URL(self.reader.base_url(request) + request.path_qs, encoded=True))

    @with_its_statuses
    async def read(self, request: web.Request) -> web.Response:
        """Answer GET of one specification."""
        self._call(request, Scope.READ)
        record = existing_specification(await self.catalogue.find(request.match_info["id"]))
        fields = request.query.get("fields")
        shown = shown_specification(record, self.zone)
        return json_response(200, select_fields(shown, None if fields is None else read_fields(fields)))

    @with_its_statuses
    async def create(self, request: web.Request) -> web.Response:
        """Answer POST: 200 once Kafka and the store have the specification."""
        call = changing_call(self._call(request, Scope.ADMINISTER))
        body = read_new_specification_body(await self.reader.json_body(request), self.zone)
        spec_id, document = read_new_specification(body, self.new_id(), call.version)
        record = await answering(self.catalogue.change(spec_id, call.principal.name, new_document(document)))
        return json_response(200, shown_specification(record, self.zone))

    @with_its_statuses
    async def change(self, request: web.Request) -> web.Response:
        """Answer PATCH: attributes that are not named stay as they are."""
        call = changing_call(self._call(request, Scope.ADMINISTER))
        body = await self.reader.json_body(request)

        def edit(known: SpecificationRecord | None) -> Mapping[str, object]:
            return changed_specification(existing_specification(known), body, self.zone)

        record = await answering(self.catalogue.change(request.match_info["id"], call.principal.name, edit))
        return json_response(200, shown_specification(record, self.zone))

    def _call(self, request: web.Request, scope: Scope) -> ApiCall:
        call = self.reader.call(request, is_v5=False)
        call.require(scope)
        return call
