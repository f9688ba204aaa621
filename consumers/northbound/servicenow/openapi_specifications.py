"""Describe the path of specifications that is served for ServiceNow in OpenAPI 3.1, as the server behaves."""

from __future__ import annotations

from consumers.northbound.api.openapi.service_test import Schema, links, query_parameter, reference, refusals
from consumers.northbound.api.openapi.service_test_specification import specification_schemas
from consumers.northbound.servicenow.openapi import page_parameters
from router.northbound.api_version import SERVICENOW_BASE
from router.northbound.specification_resource import RESOURCE_NAME, TYPE_NAME

_SHOWN, _CHANGED = "ServiceNowServiceTestSpecification", "ServiceNowServiceTestSpecification_Update"
_TAGS = ["serviceTestSpecification (ServiceNow)"]


def specification_management_paths() -> dict[str, object]:
    """Return the paths."""
    whole, one = f"{SERVICENOW_BASE}/{RESOURCE_NAME}", f"{SERVICENOW_BASE}/{RESOURCE_NAME}/{{id}}"
    fields = query_parameter("fields", "First-level attributes to show, separated by commas.", {"type": "string"})
    some: Schema = {"type": "object", "required": ["id"]}
    next_ones = links(f"retrieve{_SHOWN}", f"patch{_SHOWN}")
    return {
        whole: {
            "get": _operation(
                "list",
                "List specifications, by id. Other parameters than these are ignored.",
                parameters=[fields, *page_parameters("specifications")],
                responses={
                    "200": _response("The whole list.", {"type": "array", "items": some}),
                    "206": _response("A part of it.", {"type": "array", "items": some}),
                    **refusals("400"),
                },
            ),
            "post": _operation(
                "create",
                "Add a specification. Needs the scope southbound.administer.",
                requestBody=_body(f"{TYPE_NAME}_Create"),
                responses={
                    "200": {**_response("Kafka and the store have it.", reference(_SHOWN)), "links": next_ones},
                    **refusals("400", "408", "413", "415"),
                },
            ),
        },
        one: {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": _operation(
                "retrieve",
                "Read a specification.",
                parameters=[fields],
                responses={"200": _response("The specification.", some), **refusals("404")},
            ),
            "patch": _operation(
                "patch",
                "Change a specification. Needs the scope southbound.administer.",
                requestBody=_body(_CHANGED),
                responses={
                    "200": _response("The specification after the change.", reference(_SHOWN)),
                    **refusals("400", "404", "408", "413", "415"),
                },
            ),
        },
    }


def specification_management_schemas() -> dict[str, object]:
    """Return the schemas."""
    known = specification_schemas()
    update = known[f"{TYPE_NAME}_Update"]
    properties = dict(update["properties"]) if isinstance(update, dict) else {}
    for name in ("specCharacteristic", "testMeasureDefinition"):  # null removes the list
        properties[name] = {**properties[name], "type": ["array", "null"]}
    return {
        f"{TYPE_NAME}_Create": known[f"{TYPE_NAME}_Create"],
        _SHOWN: {
            "type": "object",
            "required": ["id", "name", "lastUpdate", "relatedServiceSpecification"],
            "properties": {
                "id": {"type": "string"},
                "lastUpdate": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}$"},
            },
        },
        _CHANGED: {
            "type": "object",
            "description": "Attributes that are not named stay as they are, the others are replaced. `id` is ignored.",
            "properties": properties,
        },
    }


def _operation(verb: str, summary: str, **parts: object) -> Schema:
    return {"operationId": f"{verb}{_SHOWN}", "summary": summary, "tags": _TAGS, **parts}


def _response(description: str, schema: Schema) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _body(name: str) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": reference(name)}}}
