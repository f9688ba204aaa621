"""Describe `serviceTestSpecification` in OpenAPI 3.1, as the server behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.northbound.api.openapi.service_test import (
    BLANK,
    NAME,
    NO_NUL,
    TEXT_WITHOUT_NUL,
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
from router.specifications.durations import MAX_AMOUNT, UNITS
from router.specifications.tmf_types import MAX_ID_LENGTH, MAX_TEXT_LENGTH, PARTY, ROOT, TYPES, Leaf
from router.specifications.views import NEWER_NAME, OLDER_NAME, OUTER_PARTY
from schemas.base import LONG_MAX, LONG_MIN

if TYPE_CHECKING:
    from router.northbound.api_version import ApiVersion
    from router.specifications.tmf_types import Attribute

# Numbers are taken as texts, and texts of digits as numbers: systems write them in both ways.
_CONTROL_FREE = "^[^\\u0000-\\u001f\\u007f]*$"
_ID_PATTERN = "^[^\\u0000-\\u001f\\u007f]*[^\\u0000-\\u001f\\u007f\\s][^\\u0000-\\u001f\\u007f]*$"
_FILTER: Schema = {"type": "string", "maxLength": MAX_VALUE_LENGTH, "pattern": NO_NUL}
_AMOUNT: Schema = {"type": ["integer", "string"], "minimum": 0, "maximum": MAX_AMOUNT, "pattern": "^[0-9]{1,12}$"}
_BOOLEANS = [True, False, "true", "false"]
_LEAVES: dict[Leaf, Schema] = {
    Leaf.ANY: {},
    Leaf.TEXT: {"type": ["string", "number", "null"], "maxLength": MAX_TEXT_LENGTH, "pattern": NO_NUL},
    Leaf.CONTENT: TEXT_WITHOUT_NUL,
    Leaf.ID: {"type": ["string", "number", "null"], "maxLength": MAX_ID_LENGTH, "pattern": _CONTROL_FREE},
    Leaf.BOOLEAN: {"anyOf": [{"enum": _BOOLEANS}, BLANK]},
    Leaf.FLAG: {"anyOf": [{"enum": [*_BOOLEANS, "0", "1"]}, BLANK]},
    Leaf.WHOLE: {
        "type": ["integer", "string", "null"],
        "minimum": LONG_MIN,
        "maximum": LONG_MAX,
        "pattern": "^\\s*(-?[0-9]{1,15}\\s*)?$",
    },
    Leaf.COUNT: {
        "type": ["integer", "string", "null"],
        "minimum": 0,
        "maximum": LONG_MAX,
        "pattern": "^\\s*([0-9]{1,15}\\s*)?$",
    },
    Leaf.MOMENT: {"anyOf": [{"type": "string", "format": "date-time"}, BLANK]},
    Leaf.PERIOD: {
        "anyOf": [
            {
                "type": "object",
                "required": ["amount", "units"],
                "properties": {
                    "amount": _AMOUNT,
                    "units": {"type": "string", "enum": [f"{unit}{end}" for unit in UNITS for end in ("s", "")]},
                },
            },
            {"type": "string", "pattern": f"^(\\s*|[0-9]{{1,12}} ?({'|'.join(UNITS)})s?)$"},
            {"type": "null"},
        ]
    },
}
_LEAVES[Leaf.DURATION] = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"amount": {**_AMOUNT, "type": ["integer", "string", "null"]}, "units": _LEAVES[Leaf.TEXT]},
        },
        {"type": "string", "pattern": "^(\\s*|[0-9]{1,12} ?[A-Za-z]{1,40})$"},
        {"type": "null"},
    ]
}
_REQUIRED: dict[Leaf | str, Schema] = {
    Leaf.NAME: {**NAME, "type": ["string", "number"], "maxLength": MAX_TEXT_LENGTH},
    Leaf.ID: {"type": ["string", "number"], "minLength": 1, "maxLength": MAX_ID_LENGTH, "pattern": _ID_PATTERN},
}
# What a run reads, and is not null therefore.
_NOT_NULL = frozenset({"mandatory"})


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
    queries = {"application/json-patch-query+json": {"schema": reference("JsonPatchQuery")}} if version.is_v5 else {}
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
                        **queries,
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
    properties = _properties(ROOT)
    properties[NEWER_NAME] = {**properties[OLDER_NAME], "description": f"Since version 5, in place of {OLDER_NAME}."}
    written = {name: schema for name, schema in properties.items() if name not in {"href", "lastUpdate"}}
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
        f"{TYPE_NAME}_Create": {
            "type": "object",
            "required": required,
            "properties": written,
            "not": _BOTH_NAMES,
        },
        f"{TYPE_NAME}_Update": {
            "type": "object",
            "description": "A JSON Merge Patch (RFC 7386): a list replaces the whole list.",
            "properties": {name: _in_merge_patch(schema) for name, schema in written.items() if name not in _FIXED},
            "not": {"anyOf": [{"required": ["id"]}, {"required": ["href"]}, _BOTH_NAMES]},
        },
    }


_BOTH_NAMES: Schema = {"required": [OLDER_NAME, NEWER_NAME]}
_FIXED = frozenset({"id", "@type", "@baseType", "@schemaLocation"})


def _in_merge_patch(schema: Schema) -> Schema:
    """Return the schema of an attribute in a merge patch: null removes a list that is not required."""
    is_removable = schema.get("type") == "array" and "minItems" not in schema
    return {**schema, "type": ["array", "null"]} if is_removable else schema


def _properties(type_name: str) -> dict[str, Schema]:
    found = {name: _attribute(attribute) for name, attribute in TYPES[type_name].attributes.items()}
    return found | {name: {"enum": _BOOLEANS} for name in found.keys() & _NOT_NULL}


def _attribute(attribute: Attribute) -> Schema:
    if attribute.most is not None:
        least: Schema = {"minItems": 1} if attribute.required else {}
        return {"type": "array", **least, "maxItems": attribute.most, "items": _value(attribute.of)}
    if attribute.required:
        return _REQUIRED[attribute.of]
    schema = _value(attribute.of)
    return schema if isinstance(attribute.of, Leaf) else {**schema, "type": ["object", "null"]}


def _value(of: Leaf | str) -> Schema:
    if isinstance(of, Leaf):
        return _LEAVES[of]
    required = [name for name, attribute in TYPES[of].attributes.items() if attribute.required]
    plain: Schema = {"type": "object", "properties": _properties(of)}
    if required:
        plain["required"] = required
    if of == PARTY:
        return {"anyOf": [_nested_party(), plain]}
    return plain | _RULES.get(of, {})


def _nested_party() -> Schema:
    """Return a related party of version 5."""
    party = {name: schema for name, schema in _properties(PARTY).items() if name not in {"role", "@referredType"}}
    return {
        "type": "object",
        "required": ["partyOrPartyRole"],
        "additionalProperties": False,
        "properties": {
            "role": _LEAVES[Leaf.TEXT],
            "@type": {"enum": [OUTER_PARTY, None]},
            "partyOrPartyRole": {
                "type": "object",
                "required": ["id"],
                "properties": party,
                "not": {"required": ["role"]},
            },
        },
    }


def _one_of(*names: str) -> Schema:
    """Return that one of these attributes is there and not blank."""
    return {"anyOf": [{"required": [name], "properties": {name: _REQUIRED[Leaf.NAME]}} for name in names]}


_RULES: dict[str, Schema] = {
    "TestMeasureDefinition": {
        "description": "Its id, else its name, else its metricName is the id of the measure, and no other's.",
        **_one_of("metricName", "name"),
    },
    "MetricDefMeasureThresholdRule": {
        "description": "The lower target is not greater than the upper one, and a comparator has its target.",
        **_one_of("conformanceTargetLower", "conformanceTargetUpper", "conformanceTargetExact"),
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
