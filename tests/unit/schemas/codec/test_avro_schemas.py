"""The Avro schema files and the models have the same fields, types and defaults."""

from __future__ import annotations

import types
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import avro.schema
import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined, to_jsonable_python

from schemas.catalogue import CATALOGUE, NAMESPACE, EventType
from schemas.codec.avro_encode import CHILD
from schemas.codec.avro_schemas import load_schema, named_types, read_avsc, single_object_prefix
from schemas.run_document import JsonText, RunDocument

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PLAIN = {str: "string", bool: "boolean", int: "long", float: "double", bytes: "bytes", type(None): "null"}
TIME = {"type": "long", "logicalType": "timestamp-millis"}

entries = pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)


def expected(annotation: Any) -> Any:  # noqa: ANN401 - a type annotation is anything
    """Return the Avro type of a model's annotation, with named types by name."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in {Union, types.UnionType}:
        branches = [expected(branch) for branch in inner]
        return sorted(branches, key=lambda branch: branch != "null")
    if origin is tuple:
        return {"type": "array", "items": CHILD if inner[0] is RunDocument else expected(inner[0])}
    if origin is dict:
        return {"type": "map", "values": expected(inner[1])}
    if hasattr(annotation, "__metadata__"):
        return expected(inner[0])
    if annotation is datetime:
        return TIME
    return PLAIN.get(annotation) or annotation.__name__


def by_name(schema: Any) -> Any:  # noqa: ANN401 - Avro's own
    if isinstance(schema, list):
        return [by_name(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if "name" in schema:
        return schema["name"]
    return {key: by_name(value) if key in {"items", "values"} else value for key, value in schema.items()}


def types_in(annotation: Any) -> set[type]:  # noqa: ANN401 - a type annotation is anything
    inner = get_args(annotation)
    if inner:
        return set().union(*(types_in(part) for part in inner if part is not Ellipsis))
    return {annotation} if isinstance(annotation, type) else set()


def models_and_enums(model: type[BaseModel], found: dict[str, type]) -> dict[str, type]:
    found[model.__name__] = model
    if model is RunDocument:  # in Avro, a child has its own record type, so that no schema is recursive
        found[CHILD] = RunDocument
    for field in model.model_fields.values():
        for part in types_in(field.annotation):
            if issubclass(part, StrEnum):
                found[part.__name__] = part
            elif issubclass(part, BaseModel) and part.__name__ not in found:
                models_and_enums(part, found)
    return found


def fields_of(name: str, model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields that a record must have: those of its model, without `children` in a child."""
    return {key: field for key, field in model.model_fields.items() if (name, key) != (CHILD, "children")}


def newest(entry: EventType) -> Any:  # noqa: ANN401 - Avro's own
    return load_schema(entry, entry.versions)


@entries
def test_the_file_defines_exactly_the_types_of_the_model(entry: EventType) -> None:
    assert set(named_types(newest(entry))) == set(models_and_enums(entry.model, {}))


@entries
def test_every_record_has_the_fields_of_its_model_in_the_same_order_and_type(entry: EventType) -> None:
    types = named_types(newest(entry))
    for name, model in models_and_enums(entry.model, {}).items():
        if issubclass(model, BaseModel):
            in_avro = [(field["name"], by_name(field["type"])) for field in types[name]["fields"]]
            in_model = [(key, expected(field.rebuild_annotation())) for key, field in fields_of(name, model).items()]
            assert in_avro == in_model, name


@entries
def test_every_field_has_the_default_of_its_model_and_no_other(entry: EventType) -> None:
    types = named_types(newest(entry))
    for name, model in models_and_enums(entry.model, {}).items():
        if issubclass(model, BaseModel):
            fields = {field["name"]: field["default"] for field in types[name]["fields"] if "default" in field}
            defaults = {key: f.get_default(call_default_factory=True) for key, f in fields_of(name, model).items()}
            known = {key: value for key, value in defaults.items() if value is not PydanticUndefined}
            assert fields == to_jsonable_python(known), name


@entries
def test_every_enum_has_the_symbols_of_its_model(entry: EventType) -> None:
    types = named_types(newest(entry))
    for name, enum in models_and_enums(entry.model, {}).items():
        if issubclass(enum, StrEnum):
            assert types[name]["symbols"] == [symbol.value for symbol in enum]


@entries
def test_the_fingerprint_is_the_one_that_the_avro_project_computes(entry: EventType) -> None:
    theirs = avro.schema.parse(read_avsc(entry.subject, entry.versions)).canonical_form
    # Avro's Python keeps {"type":"long"} where the rule PRIMITIVES of the specification, and Java, write "long".
    simple = avro.schema.parse(theirs.replace('{"type":"long"}', '"long"'))
    assert single_object_prefix(newest(entry)) == b"\xc3\x01" + simple.fingerprint("CRC-64-AVRO")


def test_the_fingerprint_of_null_is_the_one_in_the_java_tests() -> None:
    assert single_object_prefix("null")[2:] == (0x63DD24E7CC258F8A).to_bytes(8, "little")


def test_all_types_are_in_one_namespace() -> None:
    assert {newest(entry)["namespace"] for entry in CATALOGUE} == {NAMESPACE}


def test_the_comparison_detects_a_difference() -> None:
    assert expected(str | None) == ["null", "string"]
    assert expected(tuple[JsonText, ...]) == {"type": "array", "items": "JsonText"}
