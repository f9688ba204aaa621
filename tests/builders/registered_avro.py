"""Values as a producer with a Confluent-compatible registry writes them."""

from __future__ import annotations

import io
import json
from typing import Any

from fastavro import parse_schema, schemaless_writer

REFERENCE = {
    "type": "record",
    "name": "Reference",
    "fields": [{"name": "id", "type": "string"}],
}
SERVICE_TEST = {
    "type": "record",
    "name": "ServiceTest",
    "fields": [
        *[{"name": name, "type": "string"} for name in ("id", "name", "state")],
        {"name": "description", "type": ["null", "string"], "default": None},
        {"name": "relatedService", "type": REFERENCE},
        {"name": "testSpecification", "type": "Reference"},
    ],
}
CHANGE = {"type": "record", "name": "Change", "fields": [{"name": "sys_id", "type": "string"}]}


def framed_avro(schema: dict[str, Any], value: dict[str, Any], schema_id: int = 7) -> bytes:
    """Return a value with the zero byte and the id of its schema before it."""
    written = io.BytesIO()
    schemaless_writer(written, parse_schema(json.loads(json.dumps(schema))), value)
    return b"\x00" + schema_id.to_bytes(4, "big") + written.getvalue()
