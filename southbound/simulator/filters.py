"""Filtering, paging and field selection of TMF queries (TMF630)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from schemas.text.json_types import Json

NOT_FILTERS = frozenset({"fields", "offset", "limit"})
ALWAYS_SHOWN = ("id", "href")


class QueryError(Exception):
    """A query parameter has an invalid value; the message names it."""


def filter_resources(resources: Iterable[Json], query: Mapping[str, str]) -> list[Json]:
    """Return the resources that satisfy every filter; a comma in a filter value means "or"."""
    filters = [(path, value) for path, value in query.items() if path not in NOT_FILTERS]
    return [r for r in resources if all(_satisfies(r, path, filter_value) for path, filter_value in filters)]


def paginate(resources: list[Json], query: Mapping[str, str]) -> list[Json]:
    """Return at most `limit` resources from `offset` on.

    Raises:
        QueryError: one of the two is not a whole number.
    """
    start = _whole_number(query, "offset") or 0
    limit = _whole_number(query, "limit")
    return resources[start:] if limit is None else resources[start : start + limit]


def select_fields(resource: Json, query: Mapping[str, str]) -> Json:
    """Return the requested fields of a resource, or all fields if none are requested."""
    if not query.get("fields"):
        return resource
    selected = {*query["fields"].split(","), *ALWAYS_SHOWN}
    return {name: value for name, value in resource.items() if name in selected}


def _satisfies(resource: Json, path: str, filter_value: str) -> bool:
    # A value may contain a comma itself, so the whole value is allowed too.
    allowed = {filter_value, *filter_value.split(",")}
    return any(str(value) in allowed for value in _values_at(resource, path.split(".")))


def _values_at(value: object, path: list[str]) -> Iterator[object]:
    if isinstance(value, list):
        for item in value:
            yield from _values_at(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict) and path[0] in value:
        yield from _values_at(value[path[0]], path[1:])


def _whole_number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is not None and not (text.isascii() and text.isdigit()):
        raise QueryError(f"{name} must be a whole number, not {text!r}")
    return None if text is None else int(text)
