"""The resource `serviceTestSpecification`: list, read, create, change, delete."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from aiohttp import web
from yarl import URL

from consumers.northbound.api.openapi.service_test_specification import specification_paths, specification_schemas
from consumers.northbound.api.pages import Page
from consumers.northbound.api.requests import (
    etag_of,
    matches_etag,
    patch_kind,
    precondition,
    wrong_patch_type,
)
from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import json_response
from consumers.specifications.published_specifications import RefusedSpecificationError
from consumers.table_topic.port import PlanOutdatedError, TableTopicError
from router.northbound.api_version import ApiVersion
from router.northbound.errors import ApiRefusedError, Mistake, MistakeCode, refuse
from router.northbound.lists.query import read_fields, read_list_request
from router.northbound.lists.sort import sorted_by
from router.northbound.principal import Scope
from router.northbound.resource import select_fields
from router.northbound.specification_resource import (
    RESOURCE_NAME,
    SORTABLE_SPECIFICATION_ATTRIBUTES,
    patched_specification,
    read_new_specification,
    specification_attributes,
    to_specification_resource,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from typing import TypeVar

    from consumers.northbound.api.requests import RequestReader, Revised
    from consumers.northbound.orders.api_call import ApiCall
    from consumers.specifications.catalogue import SpecificationCatalogue
    from schemas.published_tables import SpecificationRecord

    T = TypeVar("T")


def service_test_specification_resource(
    catalogue: SpecificationCatalogue, reader: RequestReader, new_id: Callable[[], str]
) -> ResourceRoutes:
    """Return the routes of `serviceTestSpecification` below the paths of version 4 and of version 5."""
    routes: list[web.AbstractRouteDef] = []
    for version in (reader.v4, ApiVersion.V5):
        handler = _SpecificationHandler(catalogue=catalogue, reader=reader, new_id=new_id, is_v5=version.is_v5)
        whole, one = f"{version.base}/{RESOURCE_NAME}", f"{version.base}/{RESOURCE_NAME}/{{id}}"
        routes += [
            web.get(whole, handler.list_specifications),
            web.post(whole, handler.create),
            web.get(one, handler.read),
            web.patch(one, handler.change),
            web.delete(one, handler.delete),
        ]
    return ResourceRoutes(
        routes=routes,
        paths=specification_paths(reader.v4) | specification_paths(ApiVersion.V5),
        schemas=specification_schemas(),
    )


class _Found(NamedTuple):
    """A specification that passes, with the texts that it is sorted by, and the resource if it is known to be shown."""

    spec_id: str
    texts: Mapping[str, str]
    resource: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A record, with its revision as an entity tag has it."""

    record: SpecificationRecord

    @property
    def revision(self) -> str:
        return str(self.record.revision)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SpecificationHandler:
    """Handles the requests of one version."""

    catalogue: SpecificationCatalogue
    reader: RequestReader
    new_id: Callable[[], str]
    is_v5: bool

    async def list_specifications(self, request: web.Request) -> web.Response:
        """Answer GET of the collection, by id unless it is sorted."""
        call, limits = self._call(request, Scope.READ), self.reader.limits
        wanted = read_list_request(
            request.query.items(),
            default_limit=limits.default_page,
            max_limit=limits.max_page,
            attributes=specification_attributes(call.version),
            sortable=SORTABLE_SPECIFICATION_ATTRIBUTES,
        )
        base_url = self.reader.base_url(request)
        found: list[_Found] = []
        async for record in self.catalogue.all():
            resource = to_specification_resource(record, call.version, base_url)
            if wanted.matches(resource):
                # Only what may be shown is kept whole: a specification has up to 256 KB.
                in_page = not wanted.sort and wanted.offset <= len(found) < wanted.offset + wanted.limit
                texts = {key.name: str(resource.get(key.name, "")) for key in wanted.sort}
                found.append(_Found(record.id, texts, resource if in_page else None))
        total, ordered = len(found), sorted_by(found, wanted.sort, lambda one, name: one.texts[name])
        shown = []
        for one in ordered[wanted.offset : wanted.offset + wanted.limit]:
            resource = one.resource or await self._resource(one.spec_id, call, base_url)
            shown.append(select_fields(resource, wanted.fields))
        page = Page(resources=shown, offset=wanted.offset, limit=wanted.limit, total=total)
        headers = page.headers(URL(base_url + request.path_qs, encoded=True))
        return json_response(200 if page.is_whole else 206, shown, headers)

    async def _resource(self, spec_id: str, call: ApiCall, base_url: str) -> dict[str, object]:
        record = await self.catalogue.find(spec_id)
        if record is None:  # it was deleted meanwhile
            return {"id": spec_id}
        return to_specification_resource(record, call.version, base_url)

    async def read(self, request: web.Request) -> web.Response:
        """Answer GET of one specification."""
        call = self._call(request, Scope.READ)
        record = existing_specification(await self.catalogue.find(request.match_info["id"]))
        known = request.headers.get("If-None-Match")
        if known is not None and matches_etag(known, _Shown(record), weakly=True):
            return web.Response(status=304, headers={"ETag": etag_of(_Shown(record))})
        fields = request.query.get("fields")
        return self._response(request, call, record, fields=None if fields is None else read_fields(fields))

    async def create(self, request: web.Request) -> web.Response:
        """Answer POST: 201 once Kafka and the store have the specification."""
        call = self._changing_call(request)
        spec_id, document = read_new_specification(await self.reader.json_body(request), self.new_id(), call.version)
        record = await answering(self.catalogue.change(spec_id, call.principal.name, new_document(document)))
        return self._response(request, call, record, status=201)

    async def change(self, request: web.Request) -> web.Response:
        """Answer PATCH."""
        call = self._changing_call(request)
        kind = patch_kind(request, call.version)
        if kind is None:
            return wrong_patch_type(call.version)
        patch, check = await self.reader.json_body(request), precondition(request, "specification")

        def edit(known: SpecificationRecord | None) -> Mapping[str, object]:
            record = existing_specification(known)
            document = patched_specification(record, patch, call.version, kind)
            check(_Shown(record))  # last, as RFC 9110 §13.2.1 says: what is refused anyway is not refused with 412
            return document

        spec_id = request.match_info["id"]
        record = await answering(self.catalogue.change(spec_id, call.principal.name, edit))
        return self._response(request, call, record)

    async def delete(self, request: web.Request) -> web.Response:
        """Answer DELETE."""
        self._changing_call(request)
        check = partial(_check, precondition(request, "specification"))
        await answering(self.catalogue.delete(request.match_info["id"], check))
        return web.Response(status=204)

    def _call(self, request: web.Request, scope: Scope) -> ApiCall:
        call = self.reader.call(request, is_v5=self.is_v5)
        call.require(scope)
        return call

    def _changing_call(self, request: web.Request) -> ApiCall:
        return changing_call(self._call(request, Scope.ADMINISTER))

    def _response(
        self,
        request: web.Request,
        call: ApiCall,
        record: SpecificationRecord,
        *,
        status: int = 200,
        fields: frozenset[str] | None = None,
    ) -> web.Response:
        resource = to_specification_resource(record, call.version, self.reader.base_url(request))
        location = {"Location": str(resource["href"])} if status == 201 else {}  # noqa: PLR2004 - Created
        shown = select_fields(resource, fields)
        return json_response(status, shown, {"ETag": etag_of(_Shown(record)), **location})


def changing_call(call: ApiCall) -> ApiCall:
    """Return a call that may change specifications.

    Raises:
        ApiRefusedError: 403 for a client of one tenant.
    """
    if call.principal.tenant is not None:
        sentence = "specifications are those of all tenants: a client of one tenant cannot change them"
        raise refuse(403, MistakeCode.OTHER, sentence)
    return call


def new_document(document: Mapping[str, object]) -> Callable[[SpecificationRecord | None], Mapping[str, object]]:
    """Return the edit that adds a document; it raises ApiRefusedError (409) if there is one with its id."""

    def edit(known: SpecificationRecord | None) -> Mapping[str, object]:
        if known is not None:
            raise refuse(409, MistakeCode.OTHER, "there is a specification with this id: change it by PATCH", "/id")
        return document

    return edit


def existing_specification(record: SpecificationRecord | None) -> SpecificationRecord:
    """Return the specification.

    Raises:
        ApiRefusedError: 404 if there is none.
    """
    if record is None:
        raise refuse(404, MistakeCode.UNKNOWN_REFERENCE, "there is no such specification")
    return record


def _check(check: Callable[[Revised], None], record: SpecificationRecord | None) -> None:
    check(_Shown(existing_specification(record)))


async def answering(change: Awaitable[T]) -> T:
    """Return the outcome of a change.

    Raises:
        ApiRefusedError: what prevents the change, as the error of its request.
    """
    try:
        return await change
    except RefusedSpecificationError as error:
        _refuse_all(400, error.sentences)
    except PlanOutdatedError:
        raise refuse(409, MistakeCode.OTHER, "others change the specification at this moment: try again") from None
    except TableTopicError:
        raise refuse(503, MistakeCode.OTHER, "Kafka does not take the change: try again") from None


def _refuse_all(status: int, sentences: tuple[str, ...]) -> NoReturn:
    raise ApiRefusedError(status, [Mistake(MistakeCode.INVALID_VALUE, sentence) for sentence in sentences])
