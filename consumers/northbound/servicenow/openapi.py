"""Describe what is served for ServiceNow in OpenAPI 3.1, as the server behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.northbound.api.openapi.service_test import (
    BLANK,
    NAME,
    NAMED_MEASURE,
    TEXT,
    TEXT_WITHOUT_NUL,
    Schema,
    links,
    query_parameter,
    reference,
    refusals,
    schema_name,
    service_test_schemas,
)
from router.northbound.api_version import SERVICENOW_BASE, ApiVersion
from router.northbound.lists.query import MAX_OFFSET
from router.northbound.service_test_body import MAX_ID_LENGTH, MAX_ITEMS
from router.northbound.servicenow.list_query import DEFAULT_LIMIT, MAX_LIMIT
from router.northbound.servicenow.service_test_request import MAX_TABLE_NAME_LENGTH
from router.northbound.servicenow.shorten import MAX_ANSWER_LENGTH
from router.northbound.writeback import TargetFormat, spelled_state
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REQUESTS_PATH = "/spoke-selector/requests"
_RUN, _NEW_RUN, _CHANGED_RUN = "ServiceNowServiceTest", "ServiceNowServiceTest_Create", "ServiceNowServiceTest_Update"
_STATES = [spelled_state(TargetFormat(), state) for state in RunState if state is not RunState.UNKNOWN]
_LOCAL_MOMENT: Schema = {
    "anyOf": [
        {"type": "string", "enum": ["2026-01-31 09:35:43", "2026-11-29 23:59:59"]},
        {"type": "string", "format": "date-time"},
        BLANK,
    ],
    "description": "`YYYY-MM-DD HH:MM:SS` in the zone of the setting, or as RFC 3339; empty for none.",
}


def management_paths() -> dict[str, object]:
    """Return the paths of ServiceNow's API."""
    whole, one = f"{SERVICENOW_BASE}/serviceTest", f"{SERVICENOW_BASE}/serviceTest/{{id}}"
    shown: Schema = {"application/json": {"schema": reference(_RUN)}}
    some: Schema = {
        "application/json": {"schema": {"anyOf": [reference(_RUN), {"type": "object", "required": ["id"]}]}}
    }
    listed: Schema = {
        "application/json": {"schema": {"type": "array", "items": {"type": "object", "required": ["id"]}}}
    }
    next_ones = links("retrieveServiceNowServiceTest", "patchServiceNowServiceTest")
    return {
        whole: {
            "get": _operation(
                "listServiceNowServiceTest",
                "List runs, newest first. Other parameters than these are ignored.",
                {"200": _response("The whole list.", listed), "206": _response("A part of it.", listed)},
                refusals("400"),
                parameters=_list_parameters(),
            ),
            "post": _operation(
                "createServiceNowServiceTest",
                "Order a run; `id` becomes its external id.",
                {"200": {**_response("The order is durable.", shown), "links": next_ones}},
                refusals("400", "408", "413", "415"),
                body=_NEW_RUN,
            ),
        },
        one: {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": _operation(
                "retrieveServiceNowServiceTest",
                "Read a run, by the id that Southbound gave it (sys_id) or by its external id.",
                {"200": _response("The run.", some)},
                refusals("400", "404"),
                parameters=[query_parameter("fields", "First-level attributes to show.", {"type": "string"})],
            ),
            "patch": _operation(
                "patchServiceNowServiceTest",
                "Change a run; measures are updated by their ids. The state `canceled` cancels it.",
                {"200": _response("The run.", shown)},
                refusals("400", "404", "408", "413", "415", "503"),
                body=_CHANGED_RUN,
            ),
        },
    }


def management_schemas() -> dict[str, object]:
    """Return the schemas of ServiceNow's API."""
    required = ["name", "relatedService", "testSpecification"]
    properties = _properties(service_test_schemas(ApiVersion.V5)[schema_name(ApiVersion.V5, "ServiceTest_Create")])
    properties |= {
        **{
            name: {**_schema(properties[name]), "type": ["array", "null"]}
            for name in ("characteristic", "relatedParty")
        },
        "mode": {"anyOf": [{"enum": ["ONDEMAND", "PROACTIVE", "ondemand", "proactive"]}, BLANK]},
        "startDateTime": _LOCAL_MOMENT,
        "endDateTime": _LOCAL_MOMENT,
        "validFor": {
            **BLANK,
            "type": ["object", "string", "null"],
            "properties": {"startDateTime": _LOCAL_MOMENT, "endDateTime": _LOCAL_MOMENT},
        },
        "testMeasure": {"type": ["array", "null"], "maxItems": MAX_ITEMS, "items": _measure()},
    }
    children: Schema = {"type": ["array", "null"], "maxItems": MAX_ITEMS, "items": reference(_NEW_RUN)}
    changeable = {name: schema for name, schema in properties.items() if name not in ("id", "childServiceTest")}
    return {
        _RUN: _shown_run(),
        _NEW_RUN: {
            "type": "object",
            "required": required,
            "properties": properties | {"childServiceTest": children},
        },
        _CHANGED_RUN: {
            "type": "object",
            "description": "What is not named stays as it is, and so do measures and characteristics.",
            "required": required,
            "properties": changeable | {"state": {"type": "string", "enum": _STATES}},
        },
    }


def request_paths() -> dict[str, object]:
    """Return the path of requests of a spoke selector."""
    answer: Schema = {"application/json": {"schema": reference("ServiceTestAnswer")}}
    statuses = ("400", "401", "403", "408", "409", "413", "415", "429", "500", "503")
    refused = dict.fromkeys(statuses, "The request is refused or failed: `status_code` is 0.")
    prefer: Schema = {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=10` lowers the time limit to 10 s, `respond-async` to 0 (RFC 7240); others are ignored.",
        "schema": {"type": "string"},
    }
    return {
        REQUESTS_PATH: {
            "post": _operation(
                "createServiceTestRequest",
                "Order a run and wait for its result. The same request again returns the result of the same run.",
                {
                    "200": _response("The result: `status_code` is 1 if the run was executed, else 0.", answer),
                    "202": _response("The order is stored, and its result comes later.", answer),
                    **{status: _response(description, answer) for status, description in refused.items()},
                },
                {},
                body="ServiceTestRequest",
                parameters=[prefer],
                tag="Service Test Request (ServiceNow)",
            )
        }
    }


def request_schemas(tables: Collection[str]) -> dict[str, object]:
    """Return the schemas of requests and answers; `tables` are those whose records are taken."""
    with_id = {"required": ["id"], "properties": {"id": {**NAME, "maxLength": MAX_ID_LENGTH}}}
    run: Schema = {"allOf": [reference(_NEW_RUN), {"type": "object", **with_id}]}
    text: Schema = {
        "type": "string",
        "contentMediaType": "application/json",
        "enum": [
            '{"id": "1", "name": "Speed Test", "relatedService": {"id": "PI1"}, "testSpecification": {"id": "T1"}}'
        ],
        "description": "The same as a text of JSON.",
    }
    limited: Schema = {"type": "string", "maxLength": MAX_ANSWER_LENGTH}
    return {
        **{name: schema for name, schema in management_schemas().items() if name == _NEW_RUN},
        "ServiceTestRequest": {
            "type": "object",
            "required": ["table_name", "request_body"],
            "properties": {
                "table_name": {"type": "string", "maxLength": MAX_TABLE_NAME_LENGTH, "enum": sorted(tables)},
                "request_body": {"anyOf": [run, text]},
            },
        },
        "ServiceTestAnswer": {
            "type": "object",
            "required": ["status_code", "status_reason", "response_body"],
            "properties": {
                "status_code": {"type": "string", "enum": ["0", "1"]},
                "status_reason": limited,
                "response_body": {
                    "anyOf": [limited, {"type": "object"}],
                    "description": f"At most {MAX_ANSWER_LENGTH} characters of JSON, in the form of `request_body`."
                    " `shortened` says what is left out.",
                },
            },
        },
    }


def _operation(
    name: str,
    summary: str,
    responses: Mapping[str, object],
    errors: Mapping[str, object],
    *,
    body: str | None = None,
    parameters: Collection[Schema] = (),
    tag: str = "serviceTest (ServiceNow)",
) -> Schema:
    operation: Schema = {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "parameters": [*parameters],
        "responses": {**errors, **responses},
    }
    content: Schema = {"application/json": {"schema": reference(body)}} if body else {}
    return operation | {"requestBody": {"required": True, "content": content}} if body else operation


def _response(description: str, content: Schema) -> Schema:
    return {"description": description, "content": content}


def page_parameters(shown: str) -> list[Schema]:
    """Return the parameters that select a page of what is shown."""
    offset: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}
    limit: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_OFFSET, "default": DEFAULT_LIMIT}
    return [
        query_parameter("offset", f"How many {shown} are skipped.", offset),
        query_parameter("limit", f"How many {shown} are shown at most; above {MAX_LIMIT} it is {MAX_LIMIT}.", limit),
    ]


def _list_parameters() -> list[Schema]:
    return [
        query_parameter(
            "fields",
            "First-level attributes to show, separated by commas; unknown ones are ignored.",
            {"type": "string"},
        ),
        *page_parameters("runs"),
        query_parameter("state", "Runs in this state.", {"type": "string", "enum": _STATES}),
    ]


def _measure() -> Schema:
    texts = ("metricHref", "unitOfMeasure", "testMeasureDefinitionId")
    properties = {**dict.fromkeys(("id", "metricName"), TEXT_WITHOUT_NUL), **dict.fromkeys(texts, TEXT)}
    return {"type": "object", "anyOf": NAMED_MEASURE, "properties": properties}


def _shown_run() -> Schema:
    return {
        "type": "object",
        "description": "A run, as ServiceNow's Service Test Management Open API shows it.",
        "required": ["id", "name", "state", "relatedService", "testSpecification"],
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "state": {"type": "string", "enum": _STATES},
            "relatedService": {"type": "object", "required": ["id"]},
            "testSpecification": {"type": "object", "required": ["id"]},
            "startDateTime": {"type": "string"},
            "endDateTime": {"type": "string"},
            "characteristic": {"type": "array", "items": {"type": "object"}},
            "testMeasure": {"type": "array", "items": {"type": "object", "required": ["id"]}},
        },
    }


def _properties(schema: object) -> dict[str, object]:
    return dict(_schema(_schema(schema)["properties"]))


def _schema(value: object) -> Schema:
    if not isinstance(value, dict):
        raise TypeError("a schema is a mapping")
    return value
