"""Describe `serviceTest` in OpenAPI 3.1, as the server behaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.lists.query import MAX_ALTERNATIVES, MAX_OFFSET, MAX_VALUE_LENGTH
from router.northbound.lists.sort import MAX_SORT_KEYS, SORTABLE_RUN_ATTRIBUTES
from router.northbound.not_kept import NOT_KEPT_HEADER
from router.northbound.patches.patch import MAX_OPERATIONS
from router.northbound.patches.patch_query import MAX_QUERY_OPERATIONS
from router.northbound.service_test_body import MAX_ID_LENGTH, MAX_ITEMS, MAX_RELATIONSHIPS
from router.runs.states import KNOWN_STATES
from router.specifications.tmf_types import MAX_TEXT_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.northbound.api_version import ApiVersion

Schema = dict[str, object]

TEXT: Schema = {"type": ["string", "null"]}
# A name or id: it must have more than blanks around it, and no NUL, which databases do not keep.
NAME: Schema = {"type": "string", "minLength": 1, "pattern": "^[^\\u0000]*[^\\u0000\\s][^\\u0000]*$"}
# Since version 5 a measure without a name has that of its definition.
NAMED_MEASURE: list[Schema] = [
    {"required": [name], "properties": {name: NAME}} for name in ("metricName", "testMeasureDefinitionId")
]
OPTIONAL_NAME: Schema = {**NAME, "type": ["string", "null"]}
BLANK: Schema = {**TEXT, "pattern": "^\\s*$"}
NO_NUL = "^[^\\u0000]*$"
TEXT_WITHOUT_NUL: Schema = {**TEXT, "pattern": NO_NUL}
MOMENT: Schema = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
_VALID_FOR: Schema = {
    "type": ["object", "null"],
    "description": "When the results are valid.",
    "properties": {"startDateTime": MOMENT, "endDateTime": MOMENT},
}
_BOUNDED_TEXT: Schema = {**TEXT_WITHOUT_NUL, "maxLength": MAX_TEXT_LENGTH}
_KEY: Schema = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^([!#-~]|[!-~][ -~]*[!-~])$"}
_REFUSALS = {
    "400": "The request is wrong; `propertyPath` is the JSON pointer of the mistake.",
    "401": "The credentials are missing or wrong.",
    "403": "The credentials do not allow this.",
    "404": "There is no such run.",
    "408": "The body did not arrive in time.",
    "409": "The run is in a state, or was ordered in a way, that does not allow this.",
    "412": "The run has changed since the client read it.",
    "413": "The body is too large.",
    "415": "The body has another content type.",
    "422": "The Idempotency-Key was sent with another body before.",
    "429": "Too many requests.",
    "500": "The request failed.",
    "501": "The query uses something that is not supported.",
    "503": "The run store or Kafka is not available; Retry-After has seconds.",
}


def reference(name: str) -> Schema:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def refusals(*statuses: str) -> dict[str, object]:
    """Return the responses that are TMF errors."""
    every = ("401", "403", "429", "500", "503")
    content = {"application/json": {"schema": reference("Error")}}
    return {status: {"description": _REFUSALS[status], "content": content} for status in sorted({*statuses, *every})}


def links(*operations: str) -> dict[str, object]:
    """Return links from the response that shows a new resource to the operations on it."""
    return {name: {"operationId": name, "parameters": {"id": "$response.body#/id"}} for name in operations}


def schema_name(version: ApiVersion, name: str = "ServiceTest") -> str:
    """Return the name of a schema of this version."""
    return f"{name}V5" if version.is_v5 else name


def service_test_paths(version: ApiVersion) -> dict[str, object]:
    """Return the paths of one version."""
    shown = reference(schema_name(version))
    one = {"id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}}
    whole_path, one_path = f"{version.base}/serviceTest", f"{version.base}/serviceTest/{{id}}"
    tag, suffix = [f"serviceTest {version.value}"], "V5" if version.is_v5 else ""
    next_ones = links(*(f"{verb}ServiceTest{suffix}" for verb in ("retrieve", "patch", "delete")))
    return {
        whole_path: {
            "get": _operation(
                f"listServiceTest{suffix}",
                "List runs, newest first. Every attribute is a filter too, such as `relatedService.id=a,b`.",
                tag,
                _list_parameters(),
                {"200": _list_response("The whole list.", shown), "206": _list_response("A part of it.", shown)},
                refusals("400", "501"),
            ),
            "post": _operation(
                f"createServiceTest{suffix}",
                "Order a run, or a root with its children.",
                tag,
                [{**_header("Idempotency-Key", "Repeating a POST with the same key orders one run."), "schema": _KEY}],
                {
                    "201": {**_response_to_body("Kafka has the order.", shown), "links": next_ones},
                    "202": _response_to_body("The order is stored, and published once Kafka is available.", shown),
                },
                refusals("400", "408", "409", "413", "415", "422"),
                {"application/json": {"schema": reference(schema_name(version, "ServiceTest_Create"))}},
            ),
        },
        one_path: {
            "parameters": [one["id"]],
            "get": _operation(
                f"retrieveServiceTest{suffix}",
                "Read a run, by its id or by the id under which this client ordered it.",
                tag,
                [_fields_parameter(), _header("If-None-Match", "304 if the run still has this entity tag.")],
                {
                    "200": response_with_etag("The run.", some_attributes(shown)),
                    "304": {"description": "The run has not changed."},
                },
                refusals("404"),
            ),
            "patch": _operation(
                f"patchServiceTest{suffix}",
                "Change a run, or cancel it by the state `cancelled`.",
                tag,
                [_header("If-Match", "412 if the run has another entity tag.")],
                {
                    "200": _response_to_body("Kafka has the change, or nothing was to be changed.", shown),
                    "202": _response_to_body("The change is stored, and published once Kafka is available.", shown),
                },
                refusals("400", "404", "408", "409", "412", "413", "415"),
                _patch_bodies(version),
            ),
            "delete": _operation(
                f"deleteServiceTest{suffix}",
                "Cancel a run that has not ended, and show it no longer; a root with its children.",
                tag,
                [_header("If-Match", "412 if the run has another entity tag.")],
                {
                    "202": {"description": "It is stored, and published once Kafka is available."},
                    "204": {"description": "Kafka has the cancellation, or the run had ended."},
                },
                refusals("404", "409", "412"),
            ),
        },
    }


def service_test_schemas(version: ApiVersion) -> dict[str, object]:
    """Return the schemas of one version; names without `V5` are those of version 4."""
    create = _create(version)
    name = schema_name(version, "ServiceTest_Create")
    children = _items(reference(name))
    properties = {**_mapping(create["properties"]), "childServiceTest": children}
    changeable = {key: _in_merge_patch(value) for key, value in _mapping(create["properties"]).items() if key != "id"}
    return {
        schema_name(version): _shown(version),
        name: {**create, "properties": properties},
        schema_name(version, "ServiceTest_Update"): {
            "type": "object",
            "description": "A JSON Merge Patch (RFC 7386) of a run: a list replaces the whole list.",
            "properties": changeable | {"state": {"type": "string", "enum": [*KNOWN_STATES]}},
            "not": {"anyOf": [{"required": ["id"]}, {"required": ["href"]}]},
        },
        "JsonPatch": _json_patch(),
        "JsonPatchQuery": _json_patch_query(),
        "Error": _error(),
    }


def _operation(
    name: str,
    summary: str,
    tags: Iterable[str],
    parameters: Iterable[Schema],
    responses: Mapping[str, object],
    errors: Mapping[str, object],
    body: Mapping[str, object] | None = None,
) -> Schema:
    operation: Schema = {
        "operationId": name,
        "summary": summary,
        "tags": [*tags],
        "parameters": [*parameters],
        "responses": {**responses, **errors},
    }
    return operation if body is None else operation | {"requestBody": {"required": True, "content": body}}


def response_with_etag(description: str, schema: Schema) -> Schema:
    """Return the response that shows one resource, with its entity tag."""
    headers = {"ETag": {"schema": {"type": "string"}}}
    return {"description": description, "headers": headers, "content": {"application/json": {"schema": schema}}}


def _response_to_body(description: str, schema: Schema) -> Schema:
    """Return the response to a body of which some attributes may not be kept."""
    response = response_with_etag(description, schema)
    not_kept: Schema = {
        "description": "JSON pointers to what was sent and is not kept, percent-encoded; 20 at most, then `...`.",
        "schema": {"type": "string"},
    }
    return {**response, "headers": {**_mapping(response["headers"]), NOT_KEPT_HEADER: not_kept}}


def _list_response(description: str, schema: Schema) -> Schema:
    listed: Schema = {"type": "array", "items": some_attributes(schema)}
    names = ("X-Total-Count", "X-Result-Count", "Content-Range", "Link")
    return {
        "description": description,
        "headers": {name: {"schema": {"type": "string"}} for name in names},
        "content": {"application/json": {"schema": listed}},
    }


def some_attributes(schema: Schema) -> Schema:
    """Return the schema of a resource of which `fields` may have selected attributes."""
    return {"anyOf": [schema, {"type": "object", "required": ["id", "href"]}]}


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def _fields_parameter() -> Schema:
    description = "First-level attributes to show, separated by commas; id and href are always shown."
    return query_parameter("fields", description, {"type": "string"})


def _list_parameters() -> list[Schema]:
    filters = {
        "name": "Runs with this name; several, separated by commas, mean any of them.",
        "relatedService.id": "Runs that test this service.",
        "testSpecification.id": "Runs of this specification.",
    }
    offset: Schema = {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}
    limit: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_OFFSET}
    text: Schema = {"type": "string", "maxLength": MAX_VALUE_LENGTH, "pattern": NO_NUL}
    states: Schema = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_ALTERNATIVES,
        "items": {"type": "string", "enum": [*KNOWN_STATES]},
    }
    return [
        _fields_parameter(),
        query_parameter("offset", "How many runs are skipped.", offset),
        query_parameter("limit", "How many runs are shown at most.", limit),
        sort_parameter(SORTABLE_RUN_ATTRIBUTES),
        *(query_parameter(name, description, text) for name, description in filters.items()),
        {**query_parameter("state", "Runs in one of these states.", states), "style": "form", "explode": False},
    ]


def sort_parameter(attributes: Iterable[str]) -> Schema:
    """Return the parameter `sort` of a list that can be sorted by these attributes."""
    keys = [sign + name for name in attributes for sign in ("", "-")]
    schema: Schema = {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_SORT_KEYS,
        "items": {"type": "string", "enum": keys},
    }
    description = "Attributes to sort by, the most important one first; with `-` the other way round."
    return {**query_parameter("sort", description, schema), "style": "form", "explode": False}


def query_parameter(name: str, description: str, schema: Schema) -> Schema:
    """Return a parameter of the query."""
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _patch_bodies(version: ApiVersion) -> Schema:
    merge = {"schema": reference(schema_name(version, "ServiceTest_Update"))}
    queries = {"application/json-patch-query+json": {"schema": reference("JsonPatchQuery")}} if version.is_v5 else {}
    return {
        **queries,
        "application/merge-patch+json": merge,
        "application/json": merge,
        "application/json-patch+json": {"schema": reference("JsonPatch")},
    }


def _service_reference(*more: str) -> Schema:
    names = ("href", "name", "@referredType", *more)
    return {"type": "object", "required": ["id"], "properties": {"id": NAME, **dict.fromkeys(names, TEXT)}}


def _create(version: ApiVersion) -> Schema:
    own_id: Schema = {
        **NAME,
        "type": ["string", "null"],
        "maxLength": MAX_ID_LENGTH,
        "description": "The client's own id of the run.",
    }
    return {
        "type": "object",
        "required": ["name", "relatedService", "testSpecification"],
        "properties": {
            "id": own_id,
            "name": NAME,
            "description": TEXT,
            "mode": {"enum": ["ONDEMAND", "PROACTIVE", None]},
            "relatedService": _service_reference(),
            "testSpecification": _service_reference("version"),
            "startDateTime": MOMENT,
            "endDateTime": MOMENT,
            "validFor": _VALID_FOR,
            "characteristic": _items(_characteristic()),
            "relatedParty": _items(_related_party(version)),
            "testMeasure": _items(_requested_measure(version)),
        },
    }


def _in_merge_patch(schema: object) -> Schema:
    """Return the schema of a field in a merge patch: an object changes parts of the other."""
    field = _mapping(schema)
    return {key: value for key, value in field.items() if key != "required"}


def _items(schema: Schema) -> Schema:
    return {"type": ["array", "null"], "maxItems": MAX_ITEMS, "items": schema}


def _characteristic() -> Schema:
    value: Schema = {"description": "Any JSON; numbers that 64 bits hold exactly."}
    relationship: Schema = {
        "type": "object",
        "properties": dict.fromkeys(("id", "href", "relationshipType"), _BOUNDED_TEXT),
    }
    properties = {
        "id": _BOUNDED_TEXT,
        "name": NAME,
        "valueType": TEXT,
        "value": value,
        "characteristicRelationship": {
            "type": ["array", "null"],
            "maxItems": MAX_RELATIONSHIPS,
            "items": relationship,
        },
    }
    return {"type": "object", "required": ["name", "value"], "properties": properties}


def _related_party(version: ApiVersion) -> Schema:
    party: Schema = {
        "type": "object",
        "required": ["id", "@referredType"],
        "properties": {"id": NAME, "@referredType": NAME, "name": TEXT, "href": TEXT},
    }
    if not version.is_v5:
        return {**party, "properties": {**_mapping(party["properties"]), "role": TEXT}}
    return {"type": "object", "required": ["partyOrPartyRole"], "properties": {"role": TEXT, "partyOrPartyRole": party}}


def _requested_measure(version: ApiVersion) -> Schema:
    properties: Schema = {
        "id": TEXT_WITHOUT_NUL,
        "metricName": NAME,
        "metricHref": {"type": "string"},
        "metricDescription": _BOUNDED_TEXT,
        "unitOfMeasure": TEXT,
        # Results are checked and not kept: they come from the test system.
        "accuracy": {"type": ["number", "null"]},
        "captureDateTime": MOMENT,
        "captureMethod": TEXT,
        "value": {"type": ["object", "null"], "required": ["name", "value"]},
    }
    if not version.is_v5:
        return {"type": "object", "required": ["metricName", "metricHref"], "properties": properties}
    properties |= {"metricName": OPTIONAL_NAME, **dict.fromkeys(("metricHref", "testMeasureDefinitionId"), TEXT)}
    return {"type": "object", "anyOf": NAMED_MEASURE, "properties": properties}


def _shown(version: ApiVersion) -> Schema:
    texts = ("description", "mode", "startDateTime", "endDateTime", "@baseType", "@schemaLocation")
    lists = ("characteristic", "relatedParty", "testMeasure", "externalIdentifier", "serviceTestRelationship")
    return {
        "type": "object",
        "description": f"A run, as TMF653 {version.value} writes it. Characteristics with the prefix `southbound.` are"
        " what TMF653 has no attribute for.",
        "required": ["id", "href", "name", "state", "relatedService", "testSpecification", "@type"],
        "properties": {
            "id": {"type": "string"},
            "href": {"type": "string"},
            "name": {"type": "string"},
            "state": {"type": "string", "enum": [*KNOWN_STATES]},
            "relatedService": {"type": "object", "required": ["id"]},
            "testSpecification": {"type": "object", "required": ["id"]},
            "@type": {"type": "string"},
            "validFor": {"type": "object"},
            **{name: {"type": "string"} for name in texts},
            **{name: {"type": "array", "items": {"type": "object"}} for name in lists},
        },
    }


def _json_patch() -> Schema:
    # A JSON pointer (RFC 6901); what is changed is not the whole resource, nor what cannot be changed.
    read: Schema = {"type": "string", "pattern": "^(/([^/~]|~[01])*)*$"}
    changed: Schema = {
        "type": "string",
        "pattern": "^/(?!(id|href|@type|@baseType|@schemaLocation)(/|$))([^/~]|~[01])*(/([^/~]|~[01])*)*$",
    }
    operations = [
        _patch_operation(["add", "replace"], {"path": changed, "value": {}}),
        _patch_operation(["test"], {"path": read, "value": {}}),
        _patch_operation(["remove"], {"path": changed}),
        _patch_operation(["move"], {"path": changed, "from": changed}),
        _patch_operation(["copy"], {"path": changed, "from": read}),
    ]
    return {
        "type": "array",
        "description": "A JSON Patch (RFC 6902).",
        "maxItems": MAX_OPERATIONS,
        "items": {"oneOf": operations},
    }


def _json_patch_query() -> Schema:
    query = r"(\?[A-Za-z.]{1,50}=[A-Za-z0-9_-]{1,50})?$"
    read: Schema = {"type": "string", "pattern": f"^(/([^/?~]|~[01])*)*{query}"}
    changed: Schema = {
        "type": "string",
        "pattern": f"^/(?!(id|href|@type|@baseType|@schemaLocation)(/|\\?|$))([^/?~]|~[01])*(/([^/?~]|~[01])*)*{query}",
    }
    operations = [
        _patch_operation(["add", "replace"], {"path": changed, "value": {}}),
        _patch_operation(["test"], {"path": read, "value": {}}),
        _patch_operation(["remove"], {"path": changed}),
    ]
    return {
        "type": "array",
        "description": "A JSON Patch (RFC 6902) whose paths may select entries of a list by a query (TMF630).",
        "maxItems": MAX_QUERY_OPERATIONS,
        "items": {"oneOf": operations},
    }


def _patch_operation(names: list[str], properties: Schema) -> Schema:
    operation: Schema = {"type": "string", "enum": names}
    return {"type": "object", "required": ["op", *properties], "properties": {"op": operation, **properties}}


def _error() -> Schema:
    entry: Schema = {"type": "object", "required": ["code", "reason"]}
    return {
        "type": "object",
        "required": ["code", "reason"],
        "properties": {
            "@type": {"type": "string"},
            "code": {"type": "string"},
            "reason": {"type": "string"},
            "message": {"type": "string"},
            "status": {"type": "string"},
            "propertyPath": {"type": "string", "description": "The JSON pointer of the mistake."},
            "errors": {"type": "array", "items": entry},
        },
    }


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise TypeError("properties are a mapping")
    return value
