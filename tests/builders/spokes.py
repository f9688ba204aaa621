"""Builders for tests of spokes: profiles, commands, notifications, and validation against TMF653's schemas."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import orjson

from consumers.spokes.profile import Profile
from consumers.spokes.tmf653.spoke import Tmf653Spoke
from schemas.commands import SendRun
from schemas.inbound import InboundReceived
from schemas.vocabulary import Channel
from tests.builders.runs import NOON, SINGLE, a_document

if TYPE_CHECKING:
    from consumers.spokes.port import Call
    from schemas.commands import PinnedDecision
    from schemas.run_document import RunDocument

DATA = Path(__file__).parents[1] / "data" / "tmf653"
OFFICIAL = {
    "4.0": "TMF653-ServiceTest-v4.0.0.swagger.json",
    "4.1": "TMF653-ServiceTest-v4.1.0.swagger.json",
    "4.2": "TMF653_Service_Test_Management_API_v4.2.0_swagger.json",
    "5.0": "TMF653-ServiceTest-v5.0.0.types.json",
}


def a_profile(**fields: Any) -> Profile:  # noqa: ANN401 - any field of a profile
    return Profile(**({"name": "fibre-lab", "base_url": "http://127.0.0.1:8701/v4"} | fields))


def a_spoke(**fields: Any) -> Tmf653Spoke:  # noqa: ANN401 - any field of a profile
    return Tmf653Spoke(a_profile(**fields))


def a_command(run: RunDocument | None = None, decision: PinnedDecision = SINGLE) -> SendRun:
    return SendRun(run=run or a_document(), request_id="RQ0001", spoke="fibre-lab", decision=decision)


def a_notification(body: object, **more: Any) -> InboundReceived:  # noqa: ANN401 - any further field
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    fields = {"spoke": "fibre-lab", "channel": Channel.CALLBACK, "received_at": NOON} | more
    return InboundReceived(body=raw, **fields)


def json_of(call: Call) -> dict[str, Any]:
    assert call.body is not None
    body = orjson.loads(call.body)
    assert isinstance(body, dict)
    return body


@cache
def _schema_validator(
    kind: str, version: str, *, closed: bool
) -> jsonschema_rs.Draft4Validator | jsonschema_rs.Draft202012Validator:
    official = orjson.loads((DATA / OFFICIAL[version]).read_bytes())
    container, definitions = next((name, official[name]) for name in ("definitions", "$defs") if name in official)
    schema = {"$ref": f"#/{container}/{kind}", container: _read_as(definitions, closed=closed)}
    validator = jsonschema_rs.Draft4Validator if container == "definitions" else jsonschema_rs.Draft202012Validator
    return validator(schema, validate_formats=True)


def _read_as(schema: Any, *, closed: bool) -> Any:  # noqa: ANN401 - any JSON
    """Return a schema that refuses properties that it does not name, or one that takes them."""
    if isinstance(schema, list):
        return [_read_as(each, closed=closed) for each in schema]
    if not isinstance(schema, dict):
        return schema
    read = {name: _read_as(each, closed=closed) for name, each in schema.items() if name != "additionalProperties"}
    if closed and schema.get("type") == "object" and schema.get("properties") and "allOf" not in schema:
        read["additionalProperties"] = False
    return read


def violations(kind: str, body: object, version: str = "4.1", *, closed: bool = False) -> list[str]:
    """Return the violations of `body` against the official schema of this version.

    `closed`: properties that a type does not name are violations too.
    """
    validator = _schema_validator(kind, version, closed=closed)
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(body)]
