"""Each field of each body is taken or refused as the served OpenAPI document says, whatever stands in its place.

Schemathesis tries some values of some fields, as many as its time allows; this tries every field.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema_rs import Draft202012Validator

from tests.contract.northbound.rules_beyond_schemas import is_rule_beyond_schemas, sentence_of
from tests.contract.northbound.test_openapi_with_schemathesis import SPECIFICATION, other_resources
from tests.fixtures.northbound_server import V4, V5, HttpAnswer, NorthboundServer, a_northbound_server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SERVICENOW = "/api/sn_sprb_mgmt/servicetestmanagement"
BODIES = [
    *((method, f"{base}/serviceTest") for base in (V4, V5, SERVICENOW) for method in ("POST", "PATCH")),
    *((method, f"{V4}/serviceTestSpecification") for method in ("POST", "PATCH")),
    ("POST", f"{V5}/hub"),
    ("POST", f"{V5}/cancelServiceTest"),
    ("POST", "/spoke-selector/requests"),
]
# What an outsider may write where something else is expected.
MISSING = object()
# The first one is for a POST: in a PATCH, what is missing stays as it was.
ODD_VALUES: tuple[object, ...] = (MISSING, None, "", " ", "x" * 300, "a\x00b", 7, True, [], [None], {}, {"a": 1})
NEWER_NAME = "serviceTestSpecificationRelationship"  # of an attribute that a body has under one of two names
MANY = 40  # requests to one server, whose fake of a topic is read from its start at every change
numbers = count(1)


@pytest.mark.parametrize(("method", "path"), BODIES)
async def test_a_field_is_taken_exactly_if_the_document_allows_it(method: str, path: str, tmp_path: Path) -> None:
    async with a_northbound_server(tmp_path, more_resources=other_resources) as api:
        document = (await api.call("GET", "/openapi.json")).body
    schemas = document["components"]["schemas"]
    schema = a_schema(document, method, path)
    validator = Draft202012Validator({**schema, "components": document["components"]}, validate_formats=True)
    example = an_example(schema, schemas)
    example.pop(NEWER_NAME, None)
    assert validator.is_valid(example), [error.message for error in validator.iter_errors(example)]
    values = ODD_VALUES if method == "POST" else ODD_VALUES[1:]
    bodies = [((), example), *changed_bodies(example, values, share=4 if path.endswith("Specification") else 1)]
    wrong: list[str] = []
    for first in range(0, len(bodies), MANY):
        (folder := tmp_path / str(first)).mkdir()
        async with a_northbound_server(folder, more_resources=other_resources, max_body_bytes=512 * 1024) as api:
            target = path if method == "POST" else f"{path}/{await a_resource(api, path)}"
            for place, body in bodies[first : first + MANY]:
                await give_own_ids(api, path, body, place)
                answer = await api.call(method, target, body)
                if differs(answer, is_valid=validator.is_valid(body)):
                    wrong.append(f"{place}: {value_at(body, place)!r}: {answer.status} {sentence_of(answer.body)}")
    assert len(bodies) > 20
    assert not wrong, f"{len(wrong)} of {len(bodies)}, such as\n" + "\n".join(wrong[:20])


def differs(answer: HttpAnswer, *, is_valid: bool) -> bool:
    """Return whether a valid body was refused, or another one taken."""
    # Whether there is such a run or specification already depends on what was sent before.
    assert answer.status in {200, 201, 202, 400, 404, 409}, answer
    is_taken = answer.status != 400
    return is_taken != is_valid and not (is_valid and is_rule_beyond_schemas(answer.body))


def a_schema(document: Any, method: str, path: str) -> Any:  # noqa: ANN401 - JSON
    operation = document["paths"][path if method == "POST" else f"{path}/{{id}}"][method.lower()]
    return operation["requestBody"]["content"]["application/json"]["schema"]


def an_example(schema: Any, schemas: Any, level: int = 1) -> Any:  # noqa: ANN401 - JSON
    """Return a value of this schema with every property; of recursive ones two levels."""
    if "$ref" in schema:
        return an_example(schemas[schema["$ref"].rpartition("/")[2]], schemas, level)
    if "allOf" in schema:
        parts = [an_example(part, schemas, level) for part in schema["allOf"]]
        return {name: value for part in parts for name, value in part.items()}
    if "enum" in schema:
        return next(value for value in schema["enum"] if value not in {None, ""})
    if "properties" in schema:
        return {
            name: an_example(property_schema, schemas, level + (name == "childServiceTest"))
            for name, property_schema in schema["properties"].items()
            if not (level > 1 and name == "childServiceTest")
        }
    if "anyOf" in schema:
        return an_example(schema["anyOf"][0], schemas, level)
    return a_plain_example(schema, schemas, level)


def a_plain_example(schema: Any, schemas: Any, level: int) -> Any:  # noqa: ANN401 - JSON
    types = schema.get("type", "string")
    match types if isinstance(types, str) else types[0]:
        case "array":
            return [an_example(schema["items"], schemas, level)]
        case "object":
            return dict.fromkeys(schema.get("required", ()), "x")
        case "integer" | "number":
            return 1
    return {"date-time": "2026-01-31T09:35:43Z", "uri": "https://127.0.0.1:8443/x"}.get(schema.get("format"), "x")


def changed_bodies(
    example: Any,  # noqa: ANN401 - JSON
    odd_values: Sequence[object],
    share: int,
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the example with each odd value at each place, or every `share`-th in turn, and the place."""
    for number, place in enumerate(places(example)):
        for value in odd_values[number % share :: share]:
            body = parent = deepcopy(example)
            for step in place[:-1]:
                parent = parent[step]
            if value is MISSING:
                del parent[place[-1]]
            else:
                parent[place[-1]] = deepcopy(value)
            yield place, body


def places(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - JSON
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, entry in entries:
        yield (*at, name)
        yield from places(entry, (*at, name))


async def a_resource(api: NorthboundServer, path: str) -> str:
    """Return the id of a resource to change."""
    if path.endswith("serviceTest"):
        return str((await api.order())["id"])
    added = await api.call("POST", path, {**SPECIFICATION, "id": "fibre-line"})
    assert added.status == 201, added.body
    return "fibre-line"


async def give_own_ids(api: NorthboundServer, path: str, body: Any, changed: tuple[str | int, ...]) -> None:  # noqa: ANN401 - JSON
    """Write ids that no other request has, except at the place that was changed."""
    run = body.get("request_body", body)
    for holder, at in ((run, changed[-1:]), *((child, changed[2:]) for child in children_of(run))):
        if isinstance(holder, dict) and "id" in holder and not (changed and at == ("id",)):
            holder["id"] = f"own-{next(numbers)}"
    if "callback" in body and changed != ("callback",):
        body["callback"] = f"https://127.0.0.1:8443/{next(numbers)}"
    if path.endswith("cancelServiceTest") and changed[:1] != ("serviceTest",):
        body["serviceTest"]["id"] = (await api.order())["id"]


def children_of(run: Any) -> list[Any]:  # noqa: ANN401 - JSON
    children = run.get("childServiceTest") if isinstance(run, dict) else None
    return children if isinstance(children, list) else []


def value_at(body: Any, place: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - JSON
    """Return what stands at a place, or the word for nothing."""
    for step in place:
        if isinstance(body, dict) and step not in body:
            return MISSING
        body = body[step]
    return body
