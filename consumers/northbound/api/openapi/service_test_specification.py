"""Describe `serviceTestSpecification` in OpenAPI 3.1, as the server behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.northbound.api.openapi.service_test import (
    NAME,
    Schema,
    links,
    reference,
    refusals,
    response_with_etag,
    some_attributes,
    sort_parameter,
)
from router.northbound.lists.query import MAX_OFFSET, MAX_VALUE_LENGTH
from router.northbound.specification_resource import RESOURCE_NAME, SORTABLE_SPECIFICATION_ATTRIBUTES, TYPE_NAME
from router.specifications.definition import MAX_CHARACTERISTICS, MAX_ID_LENGTH, MAX_MEASURES, MAX_RULES, MAX_VALUES
from schemas.base import LONG_MAX

if TYPE_CHECKING:
    from router.northbound.api_version import ApiVersion

# Numbers are taken as texts, and texts of digits as numbers: systems write them in both ways.
_NAME: Schema = {**NAME, "type": ["string", "number"]}
_TEXT: Schema = {"type": ["string", "number", "null"], "pattern": "^[^\\u0000]*$"}
_BOOLEAN: Schema = {"enum": [True, False, "true", "false"]}
_DIGITS = "^[0-9]{1,12}$"
_CONTROL_FREE = "^[^\\u0000-\\u001f\\u007f]*$"
_ID_PATTERN = "^[^\\u0000-\\u001f\\u007f]*[^\\u0000-\\u001f\\u007f\\s][^\\u0000-\\u001f\\u007f]*$"
_FILTER: Schema = {"type": "string", "maxLength": MAX_VALUE_LENGTH, "pattern": "^[^\\u0000]*$"}
_UNITS = ("second", "minute", "hour", "day")
_DURATION: Schema = {
    "type": "object",
    "required": ["amount", "units"],
    "properties": {
        "amount": {"type": ["integer", "string"], "minimum": 0, "maximum": 10**12, "pattern": _DIGITS},
        "units": {"type": "string", "enum": [f"{unit}{end}" for unit in _UNITS for end in ("s", "")]},
    },
}


def specification_paths(version: ApiVersion) -> dict[str, object]:
    """Return the paths of one version."""
    whole, one = f"{version.base}/{RESOURCE_NAME}", f"{version.base}/{RESOURCE_NAME}/{{id}}"
    tags, suffix = [f"{RESOURCE_NAME} {version.value}"], "V5" if version.is_v5 else ""

    def operation(verb: str, summary: str, **parts: object) -> Schema:
        return {"operationId": f"{verb}{TYPE_NAME}{suffix}", "summary": summary, "tags": tags, **parts}

    shown = reference(TYPE_NAME)
    next_ones = links(*(f"{verb}{TYPE_NAME}{suffix}" for verb in ("retrieve", "patch", "delete")))
    fields = _parameter("fields", "query", "First-level attributes to show, separated by commas.")
    if_match = _parameter("If-Match", "header", "412 if the specification has another entity tag.")
    merge = {"schema": reference(f"{TYPE_NAME}_Update")}
    return {
        whole: {
            "get": operation(
                "list",
                "List specifications, by id. Every attribute is a filter too, such as `lifecycleStatus=published`.",
                parameters=[
                    fields,
                    *_page_parameters(),
                    {**_parameter("name", "query", "Those with this name."), "schema": _FILTER},
                ],
                responses={
                    "200": _list_response("The whole list."),
                    "206": _list_response("A part of it."),
                    **refusals("400", "501"),
                },
            ),
            "post": operation(
                "create",
                "Add a specification. Needs the scope southbound.administer.",
                requestBody=_body({"application/json": {"schema": reference(f"{TYPE_NAME}_Create")}}),
                responses={
                    "201": {**response_with_etag("Kafka and the store have it.", shown), "links": next_ones},
                    **refusals("400", "408", "409", "413", "415"),
                },
            ),
        },
        one: {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": operation(
                "retrieve",
                "Read a specification.",
                parameters=[fields, _parameter("If-None-Match", "header", "304 if it still has this entity tag.")],
                responses={
                    "200": response_with_etag("The specification.", some_attributes(shown)),
                    "304": {"description": "It has not changed."},
                    **refusals("404"),
                },
            ),
            "patch": operation(
                "patch",
                "Change a specification; runs that were routed before keep what they took from it.",
                parameters=[if_match],
                requestBody=_body(
                    {
                        "application/merge-patch+json": merge,
                        "application/json": merge,
                        "application/json-patch+json": {"schema": reference("JsonPatch")},
                    }
                ),
                responses={
                    "200": response_with_etag("The specification after the change.", shown),
                    **refusals("400", "404", "408", "409", "412", "413", "415"),
                },
            ),
            "delete": operation(
                "delete",
                "Delete a specification; runs that were routed before keep what they took from it.",
                parameters=[if_match],
                responses={"204": {"description": "It is deleted."}, **refusals("404", "409", "412")},
            ),
        },
    }


def specification_schemas() -> dict[str, object]:
    """Return the schemas, which are those of both versions."""
    properties: dict[str, object] = {
        "id": {**_NAME, "maxLength": MAX_ID_LENGTH, "pattern": _ID_PATTERN},
        "name": _NAME,
        "version": _TEXT,
        "lifecycleStatus": _TEXT,
        "@type": _TEXT,
        "relatedServiceSpecification": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "object", "required": ["id"], "properties": {"id": _NAME}},
        },
        "specCharacteristic": {"type": "array", "maxItems": MAX_CHARACTERISTICS, "items": _characteristic()},
        "testMeasureDefinition": {"type": "array", "maxItems": MAX_MEASURES, "items": _measure()},
        "expectedDuration": {"anyOf": [_DURATION, {"type": "null"}]},
        "timeOut": {"anyOf": [_DURATION, {"type": "null"}]},
    }
    required = ["name", "relatedServiceSpecification"]
    return {
        TYPE_NAME: {
            "type": "object",
            "required": ["id", "href", "lastUpdate", *required],
            "properties": {
                "id": {"type": "string"},
                "href": {"type": "string"},
                "lastUpdate": {"type": "string", "format": "date-time"},
            },
        },
        f"{TYPE_NAME}_Create": {"type": "object", "required": required, "properties": properties},
        f"{TYPE_NAME}_Update": {
            "type": "object",
            "description": "A JSON Merge Patch (RFC 7386): a list replaces the whole list.",
            "properties": {name: schema for name, schema in properties.items() if name not in {"id", "@type"}},
            "not": {"anyOf": [{"required": ["id"]}, {"required": ["href"]}]},
        },
    }


def _characteristic() -> Schema:
    value: Schema = {
        "type": "object",
        "properties": {"value": {}, "isDefault": _BOOLEAN},
    }
    values = {"type": "array", "maxItems": MAX_VALUES, "items": value}
    properties = {"name": _NAME, "valueType": _TEXT, "characteristicValueSpecification": values}
    return {"type": "object", "required": ["name"], "properties": properties}


def _measure() -> Schema:
    period = {"anyOf": [_DURATION, {"type": "null"}]}
    count = {"type": ["integer", "string", "null"], "minimum": 0, "maximum": LONG_MAX, "pattern": "^[0-9]{0,15}$"}
    texts = (
        "name",
        "thresholdRuleSeverity",
        "conformanceTargetLower",
        "conformanceTargetUpper",
        "conformanceTargetExact",
        "conformanceComparatorLower",
        "conformanceComparatorUpper",
    )
    rule: Schema = {
        "type": "object",
        "properties": {
            **dict.fromkeys(texts, _TEXT),
            "conformanceComparatorExact": {"enum": [True, False, "true", "false", None]},
            "numberOfAllowedCrossing": count,
            "tolerancePeriod": period,
        },
    }
    names = ("metricName", "name", "metricHref", "metricUri", "unitOfMeasure")
    named = [{"required": [name], "properties": {name: _NAME}} for name in ("metricName", "name")]
    return {
        "type": "object",
        "description": "Its id, else its name, else its metricName is the id of the measure, and no other's.",
        "anyOf": named,
        "properties": {
            "id": {"type": ["string", "number", "null"], "maxLength": MAX_ID_LENGTH, "pattern": _CONTROL_FREE},
            **dict.fromkeys(names, _TEXT),
            "mandatory": _BOOLEAN,
            "thresholdRule": {"type": "array", "maxItems": MAX_RULES, "items": rule},
        },
    }


def _list_response(description: str) -> Schema:
    listed: Schema = {"type": "array", "items": some_attributes(reference(TYPE_NAME))}
    names = ("X-Total-Count", "X-Result-Count", "Content-Range", "Link")
    headers = {name: {"schema": {"type": "string"}} for name in names}
    return {"description": description, "headers": headers, "content": {"application/json": {"schema": listed}}}


def _body(content: Schema) -> Schema:
    return {"required": True, "content": content}


def _parameter(name: str, place: str, description: str) -> Schema:
    return {"name": name, "in": place, "description": description, "schema": {"type": "string"}}


def _page_parameters() -> list[Schema]:
    numbers = {"offset": 0, "limit": 1}
    pages: list[Schema] = [
        {
            "name": name,
            "in": "query",
            "description": f"The {name} of the page.",
            "schema": {"type": "integer", "minimum": least, "maximum": MAX_OFFSET},
        }
        for name, least in numbers.items()
    ]
    return [*pages, sort_parameter(SORTABLE_SPECIFICATION_ATTRIBUTES)]
