"""Describe `cancelServiceTest` of version 5 in OpenAPI 3.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.northbound.api.openapi.service_test import NAME, OPTIONAL_NAME, links, reference, refusals
from router.northbound.api_version import ApiVersion
from router.northbound.cancel_task import MAX_REASON_LENGTH, TASK_STATES

if TYPE_CHECKING:
    from consumers.northbound.api.openapi.service_test import Schema


def cancel_paths() -> dict[str, object]:
    """Return the paths."""
    path = f"{ApiVersion.V5.base}/cancelServiceTest"
    shown: Schema = {"application/json": {"schema": reference("CancelServiceTest")}}
    listed: Schema = {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}}
    names = ("X-Total-Count", "X-Result-Count", "Content-Range", "Link")
    headers = {name: {"schema": {"type": "string"}} for name in names}
    body: Schema = {"application/json": {"schema": reference("CancelServiceTest_Create")}}
    run_id: Schema = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        path: {
            "get": {
                "operationId": "listCancelServiceTest",
                "summary": "List cancellations, newest first.",
                "tags": ["cancelServiceTest"],
                "responses": {
                    "200": {"description": "All of them.", "headers": headers, "content": listed},
                    "206": {"description": "A part of them.", "headers": headers, "content": listed},
                    **refusals("400", "501"),
                },
            },
            "post": {
                "operationId": "createCancelServiceTest",
                "summary": "Cancel a run; a root with its children.",
                "tags": ["cancelServiceTest"],
                "requestBody": {"required": True, "content": body},
                "responses": {
                    "201": {
                        "description": "Kafka has the cancellation.",
                        "content": shown,
                        "links": links("retrieveCancelServiceTest"),
                    },
                    "202": {"description": "It is stored, and published once Kafka is available.", "content": shown},
                    **refusals("400", "404", "408", "409", "413", "415"),
                },
            },
        },
        f"{path}/{{id}}": {
            "get": {
                "operationId": "retrieveCancelServiceTest",
                "summary": "Read the cancellation of a run, by the id of the run.",
                "tags": ["cancelServiceTest"],
                "parameters": [run_id],
                "responses": {"200": {"description": "The cancellation.", "content": shown}, **refusals("404")},
            }
        },
    }


def cancel_schemas() -> dict[str, object]:
    """Return the schemas."""
    run: Schema = {"type": "object", "required": ["id"], "properties": {"id": NAME}}
    reason: Schema = {**OPTIONAL_NAME, "maxLength": MAX_REASON_LENGTH}
    return {
        "CancelServiceTest": {
            "type": "object",
            "required": ["id", "href", "state", "serviceTest", "@type"],
            "properties": {"state": {"type": "string", "enum": [*TASK_STATES]}, "serviceTest": run},
        },
        "CancelServiceTest_Create": {
            "type": "object",
            "required": ["serviceTest"],
            "properties": {"serviceTest": run, "cancellationReason": reason},
        },
    }
