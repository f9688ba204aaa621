"""Strategies for every message that a producer can send, built from the Avro files so that new fields are included."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from schemas.catalogue import CATALOGUE, EventData, EventType
from schemas.codec.avro_schemas import load_schema, named_types

# Models strip the blanks around texts and refuse empty ids and NUL in them, so generated texts have none of these.
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
TEXTS = st.text(LETTERS, min_size=1, max_size=8).map(str.strip).filter(bool)
LONGS = st.integers(-(2**63), 2**63 - 1) | st.integers(-70, 70)
TIMES = st.integers(-62_135_596_800_000, 253_402_300_799_999).map(
    lambda milliseconds: datetime.fromtimestamp(milliseconds // 1000, UTC).replace(
        microsecond=milliseconds % 1000 * 1000
    )
)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "long": LONGS,
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "string": TEXTS,
    "bytes": st.binary(max_size=20),
}
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "version": st.integers(1, 2**63 - 1),
    "json_text": st.sampled_from(['{"a":1}', "[1, 2.5]", '["ü"]']),
}
NULLABLE: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(
    ("expected_duration", "time_out", "tolerance_seconds"), st.none() | st.integers(0, 2**63 - 1)
)


def messages() -> st.SearchStrategy[EventData]:
    return st.sampled_from(CATALOGUE).flatmap(messages_of)


def messages_of(entry: EventType) -> st.SearchStrategy[EventData]:
    schema = load_schema(entry, entry.versions)
    return _values(schema, named_types(schema), depth=0).map(entry.model.model_validate)


def _values(schema: Any, named: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:  # noqa: ANN401 - Avro's own
    if isinstance(schema, list):
        return st.one_of([_values(branch, named, depth) for branch in schema])
    if isinstance(schema, str):
        return _values(named[schema], named, depth) if schema in named else SCALARS[schema]
    return _complex(schema, named, depth)


def _complex(schema: Any, named: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:  # noqa: ANN401 - Avro's own
    match schema["type"]:
        case "record":
            return st.fixed_dictionaries({f["name"]: _field(f, named, depth) for f in schema["fields"]})
        case "enum":
            return st.sampled_from(schema["symbols"])
        case "array":
            return st.lists(_values(schema["items"], named, depth + 1), max_size=2)
        case "map":
            return st.dictionaries(TEXTS, _values(schema["values"], named, depth), max_size=2)
    return TIMES if schema.get("logicalType") == "timestamp-millis" else SCALARS[schema["type"]]


def _field(field: Any, named: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:  # noqa: ANN401 - Avro's own
    if field["name"] == "children" and depth > 0:
        return st.just([])
    if field["name"] in SPECIAL and isinstance(field["type"], str):
        return SPECIAL[field["name"]]
    if field["name"] in NULLABLE:
        return NULLABLE[field["name"]]
    return _values(field["type"], named, depth)
