"""Serve the OpenAPI document of all resources, and a page to try them out that loads nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import web

from consumers.northbound.api.resource_routes import ResourceRoutes
from consumers.northbound.api.responses import json_response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.northbound.api_version import ApiVersion

_PAGE_HEADERS = {
    # The page calls its own server and nothing else.
    "Content-Security-Policy": "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

KEY_HEADER = "X-API-Key"  # in which clients send API keys, unless a setting names another one


def openapi_document(
    version: ApiVersion, resources: Sequence[ResourceRoutes], key_header: str = KEY_HEADER
) -> dict[str, object]:
    """Return the document of these resources; `version` is how the paths of version 4 behave."""
    paths: dict[str, object] = {}
    schemas: dict[str, object] = {}
    for resource in resources:
        paths |= resource.paths
        schemas |= resource.schemas
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Southbound: Service Test Management",
            "version": version.value,
            "description": "TMF653 Service Test Management: order test runs, and read their states and results. The"
            f" paths of version 4 behave as {version.value}; those of version 5 read and write the same runs.",
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _security_schemes(key_header)},
        "security": [{}, {"bearer": []}, {"apiKey": []}],
    }


def openapi_resource(
    version: ApiVersion, resources: Sequence[ResourceRoutes], key_header: str = KEY_HEADER
) -> ResourceRoutes:
    """Return the routes of the document and of the page."""
    document = openapi_document(version, resources, key_header)
    page = files("consumers.northbound.api.openapi").joinpath("try_out.html").read_text(encoding="utf-8")

    async def show_document(_: web.Request) -> web.Response:
        return json_response(200, document)

    async def show_page(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers=_PAGE_HEADERS)

    return ResourceRoutes(routes=[web.get("/openapi.json", show_document), web.get("/", show_page)])


def _security_schemes(key_header: str) -> Mapping[str, object]:
    return {
        "bearer": {"type": "http", "scheme": "bearer"},
        "apiKey": {"type": "apiKey", "in": "header", "name": key_header},
    }
