"""Apply a JSON Patch whose paths may select entries of a list by a query (TMF630, `application/json-patch-query+json`).

`/testMeasure/unitOfMeasure?testMeasure.metricName=Loss` is that attribute of every measure with this name. A query
selects entries of the first list that its path leads to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from router.northbound.errors import MistakeCode, refuse
from router.northbound.lists.query import Filter, FilterComparison
from router.northbound.patches.patch import json_patch
from schemas.text.json_pointer import unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.northbound.patches.patch import JsonNode

MAX_QUERY_OPERATIONS = 20  # each of them may change many entries
MAX_CONDITIONS = 10
_ENCODED = re.compile(rb"%([0-9A-Fa-f]{2})")


def json_patch_query(target: JsonNode, operations: JsonNode) -> JsonNode:
    """Return the target after all operations, each of which finds the entries that the ones before have left.

    Raises:
        ApiRefusedError: 400 for what is no patch; 409 if a query selects nothing, an operation does not fit, or a test
            fails.
    """
    if not isinstance(operations, list):
        return json_patch(target, operations)
    if len(operations) > MAX_QUERY_OPERATIONS:
        sentence = f"a JSON Patch with queries may have {MAX_QUERY_OPERATIONS} operations"
        raise refuse(400, MistakeCode.TOO_MANY, sentence)
    for number, operation in enumerate(operations):
        target = json_patch(target, _expanded(target, operation, f"/{number}/path"))
    return target


def without_query(operations: JsonNode) -> JsonNode:
    """Return the operations with paths that end before their query."""
    if not isinstance(operations, list):
        return operations
    return [
        {**operation, "path": operation["path"].partition("?")[0]} if _has_query(operation) else operation
        for operation in operations
    ]


def _has_query(operation: JsonNode) -> bool:
    return isinstance(operation, dict) and isinstance(operation.get("path"), str) and "?" in operation["path"]


def _expanded(target: JsonNode, operation: JsonNode, place: str) -> list[JsonNode]:
    """Return an operation for each entry that the query of this one selects; the last entry first."""
    if not _has_query(operation):
        return [operation]
    fields = cast("Mapping[str, JsonNode]", operation)
    if fields.get("op") in ("move", "copy"):
        raise refuse(
            400, MistakeCode.INVALID_VALUE, "move and copy take no query: add, remove, replace and test do", place
        )
    path, _, query = cast("str", fields["path"]).partition("?")
    parts = path.split("/")
    names, entries = _first_list(target, [unescape(part) for part in parts[1:]])
    if entries is None:
        raise refuse(409, MistakeCode.OTHER, "the path leads to no list, of which a query could select entries", place)
    conditions = _conditions(query, names, place)
    chosen = [at for at, entry in enumerate(entries) if all(_holds(condition, entry) for condition in conditions)]
    if not chosen:
        raise refuse(409, MistakeCode.OTHER, "the query of the path selects nothing", place)
    before, after = parts[: len(names) + 1], parts[len(names) + 1 :]
    # An entry that is removed does not move those before it.
    return [{**fields, "path": "/".join([*before, str(at), *after])} for at in reversed(chosen)]


def _first_list(target: JsonNode, names: Sequence[str]) -> tuple[Sequence[str], Sequence[JsonNode] | None]:
    """Return the first list that a path leads to, with the names up to it."""
    for number, name in enumerate(names, start=1):
        target = target.get(name) if isinstance(target, dict) else None
        if isinstance(target, list):
            return names[:number], target
    return names, None


def _conditions(query: str, names: Sequence[str], place: str) -> list[Filter]:
    pairs = [part.partition("=") for part in query.split("&")]
    if len(pairs) > MAX_CONDITIONS or not all(name and equals for name, equals, _ in pairs):
        sentence = f"a query of a path has 1 to {MAX_CONDITIONS} conditions, as name=value&name=value"
        raise refuse(400, MistakeCode.INVALID_VALUE, sentence, place)
    decoded = [(_decoded(name), _decoded(value)) for name, _, value in pairs]
    return [Filter(_below(name.split("."), names), FilterComparison.EQUAL, (value,)) for name, value in decoded]


def _decoded(text: str) -> str:
    """Return a text of a query without its percent-encoding (RFC 3986 §2.1); what is none stays as it is."""
    encoded = text.encode("utf-8", "replace")
    return _ENCODED.sub(lambda found: bytes([int(found[1], 16)]), encoded).decode("utf-8", "replace")


def _below(path: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return a path from an entry: queries name the list, too, or leave it out."""
    whole = tuple(path)
    return whole[len(names) :] if whole[: len(names)] == tuple(names) else whole


def _holds(condition: Filter, entry: JsonNode) -> bool:
    return condition.matches(cast("Mapping[str, object]", entry)) if isinstance(entry, dict) else False
