"""The JSON Schema of profiles, and of other files that people write, for editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from consumers.spokes.profile import Profile

if TYPE_CHECKING:
    from pydantic import BaseModel


def profile_schema() -> str:
    """Return the schema of profiles as JSON."""
    return schema_of(Profile, "Profile of an external system of Southbound")


def schema_of(model: type[BaseModel], title: str) -> str:
    """Return the schema of a model as JSON, the same for the same model."""
    schema = _in_order(model.model_json_schema(by_alias=True))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return orjson.dumps({**schema, **head}, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode() + "\n"


def _in_order(node: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose defaults are in order: sets have none."""
    return {name: _default(value) if name == "default" else _part(value) for name, value in node.items()}


def _part(value: object) -> object:
    if isinstance(value, dict):
        return _in_order(value)
    return [_part(each) for each in value] if isinstance(value, list) else value


def _default(value: object) -> object:
    if isinstance(value, dict):
        return {name: _default(each) for name, each in value.items()}
    return sorted(value, key=str) if isinstance(value, list) else value
