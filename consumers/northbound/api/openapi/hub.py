"""Describe `hub` in OpenAPI 3.1, as the server behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.northbound.api.openapi.service_test import links, reference, refusals
from consumers.northbound.hub.callback import MAX_CALLBACK_LENGTH
from router.northbound.hub.event_query import MAX_QUERY_LENGTH

if TYPE_CHECKING:
    from router.northbound.api_version import ApiVersion

IGNORED_MEMBERS = ("id", "@type", "@baseType", "@schemaLocation")  # of what a client sends


def hub_paths(version: ApiVersion) -> dict[str, object]:
    """Return the paths of one version."""
    suffix, tag = ("V5" if version.is_v5 else ""), [f"hub {version.value}"]
    parameter = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    shown = {"application/json": {"schema": reference("EventSubscription")}}
    wanted = {"application/json": {"schema": reference("EventSubscriptionInput")}}
    return {
        f"{version.base}/hub": {
            "post": {
                "operationId": f"createHub{suffix}",
                "summary": "Subscribe to the events of runs. The secret of the signatures is shown here only.",
                "tags": tag,
                "requestBody": {"required": True, "content": wanted},
                "responses": {
                    "201": {
                        "description": "The subscription.",
                        "content": shown,
                        "links": links(f"getHub{suffix}", f"deleteHub{suffix}"),
                    },
                    **refusals("400", "408", "409", "413", "415"),
                },
            }
        },
        f"{version.base}/hub/{{id}}": {
            "get": {
                "operationId": f"getHub{suffix}",
                "summary": "Read a subscription, and how its deliveries go.",
                "tags": tag,
                "parameters": [parameter],
                "responses": {"200": {"description": "The subscription.", "content": shown}, **refusals("404")},
            },
            "delete": {
                "operationId": f"deleteHub{suffix}",
                "summary": "Delete a subscription, and the events that wait for it.",
                "tags": tag,
                "parameters": [parameter],
                "responses": {"204": {"description": "It is deleted."}, **refusals("404")},
            },
        },
    }


def hub_schemas() -> dict[str, object]:
    """Return the schemas that the paths refer to."""
    callback = {
        "type": "string",
        "format": "uri",
        "maxLength": MAX_CALLBACK_LENGTH,
        "pattern": "^https?://[^\\s\\\\@#]+$",
        "description": "An address that the policy of the gateway allows, without credentials and fragment.",
    }
    query = {"type": ["string", "null"], "maxLength": MAX_QUERY_LENGTH}
    given = {"callback": callback, "query": query}
    ours = {
        "southbound.secret": {"type": "string"},
        "southbound.state": {"type": "string", "enum": ["active", "parked"]},
        "southbound.problem": {"type": "string"},
        "southbound.delivered": {"type": "integer"},
        "southbound.refused": {"type": "integer"},
        "southbound.expired": {"type": "integer"},
    }
    return {
        "EventSubscriptionInput": {
            "type": "object",
            "required": ["callback"],
            "properties": {**given, **{name: {} for name in IGNORED_MEMBERS}},
            "additionalProperties": False,
        },
        "EventSubscription": {
            "type": "object",
            "required": ["id", "callback"],
            "properties": {"id": {"type": "string"}, "href": {"type": "string"}, **given, **ours},
        },
    }
