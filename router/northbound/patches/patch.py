"""Apply a JSON Merge Patch (RFC 7386) or a JSON Patch (RFC 6902) to a resource."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Never

from router.northbound.errors import MistakeCode, refuse
from router.northbound.json_limits import MAX_DEPTH
from schemas.text.json_pointer import is_pointer, pointer_to, unescape

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_OPERATIONS = 500
_MAX_COPIED_NODES = 100_000  # by all operations together: `copy` can double a document again and again

JsonNode = object


def merge_patch(target: JsonNode, patch: JsonNode) -> JsonNode:
    """Return the target with the patch merged into it: null removes, a list replaces the whole list."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def json_patch(target: JsonNode, operations: JsonNode) -> JsonNode:
    """Return the target after all operations, which are applied together or not at all.

    Raises:
        ApiRefusedError: 400 for what is no patch; 409 if an operation does not fit, or a test fails.
    """
    if not isinstance(operations, list):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "a JSON Patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        raise refuse(400, MistakeCode.TOO_MANY, f"a JSON Patch may have {MAX_OPERATIONS} operations")
    patched, copied = deepcopy(target), 0
    for number, operation in enumerate(operations):
        patched, nodes = _Operation(number, operation).apply(patched)
        copied += nodes
        if copied > _MAX_COPIED_NODES:
            raise refuse(400, MistakeCode.TOO_MANY, "the operations copy too much", f"/{number}")
    return patched


def touched_names(operations: JsonNode) -> frozenset[str]:
    """Return the first-level names that the operations of a JSON Patch change."""
    found: set[str] = set()
    for operation in operations if isinstance(operations, list) else ():
        if not isinstance(operation, dict) or operation.get("op") == "test":
            continue
        paths = [operation.get("path"), operation.get("from") if operation.get("op") == "move" else None]
        parts = (path.split("/") for path in paths if isinstance(path, str))
        found |= {unescape(part[1]) for part in parts if len(part) > 1}
    return frozenset(found)


class _Operation:
    """One operation of a JSON Patch."""

    def __init__(self, number: int, operation: JsonNode) -> None:
        self._number = number
        if not isinstance(operation, dict):
            self._refuse("an operation is an object with op and path")
        self._fields = operation

    def apply(self, target: JsonNode) -> tuple[JsonNode, int]:  # noqa: PLR0911 - one per operation
        """Return the target after it, and the number of nodes that it copied."""
        path = self._pointer("path")
        match self._fields.get("op"):
            case "add":
                return self._add(target, path, deepcopy(self._value())), 0
            case "remove":
                return self._remove(target, path)[0], 0
            case "replace":
                self._find(target, path)
                removed = target if not path else self._remove(target, path)[0]
                return self._add(removed, path, deepcopy(self._value())), 0
            case "move":
                source = self._pointer("from")
                if path[: len(source)] == source and len(path) > len(source):
                    self._refuse("a value cannot be moved into itself")
                rest, moved = self._remove(target, source)
                return self._add(rest, path, moved), 0
            case "copy":
                copied = self._find(target, self._pointer("from"))
                return self._add(target, path, deepcopy(copied)), _count(copied)
            case "test":
                if not is_equal(self._find(target, path), self._value()):
                    self._conflict(path, "holds another value than the patch tests for")
                return target, 0
            case _:
                return self._refuse("op must be add, remove, replace, move, copy or test")

    def _value(self) -> JsonNode:
        if "value" not in self._fields:
            self._refuse("the operation needs a value")
        return self._fields["value"]

    def _pointer(self, name: str) -> list[str]:
        pointer = self._fields.get(name)
        if not isinstance(pointer, str) or not is_pointer(pointer):
            self._refuse(f"{name} must be a JSON pointer, which begins with a slash and has ~ only in ~0 and ~1")
        return [unescape(part) for part in pointer.split("/")[1:]]

    def _find(self, target: JsonNode, path: Sequence[str]) -> JsonNode:
        for part in path:
            target = self._step(target, part, path)
        return target

    def _step(self, value: JsonNode, part: str, path: Sequence[str]) -> JsonNode:
        if isinstance(value, dict) and part in value:
            return value[part]
        if isinstance(value, list):
            return value[self._position(value, part, path, last=len(value) - 1)]
        return self._conflict(path, "does not exist")

    def _add(self, target: JsonNode, path: Sequence[str], value: JsonNode) -> JsonNode:
        if len(path) + _depth(value) > MAX_DEPTH:
            self._refuse(f"the operation nests values more than {MAX_DEPTH} levels deep")
        if not path:
            return value
        parent = self._find(target, path[:-1])
        if isinstance(parent, dict):
            parent[path[-1]] = value
        elif isinstance(parent, list):
            at = len(parent) if path[-1] == "-" else self._position(parent, path[-1], path, last=len(parent))
            parent.insert(at, value)
        else:
            self._conflict(path, "is no place for a value")
        return target

    def _remove(self, target: JsonNode, path: Sequence[str]) -> tuple[JsonNode, JsonNode]:
        if not path:
            self._refuse("the whole resource cannot be removed")
        removed = self._find(target, path)
        parent = self._find(target, path[:-1])
        if isinstance(parent, dict):
            del parent[path[-1]]
        elif isinstance(parent, list):
            del parent[int(path[-1])]
        return target, removed

    def _position(self, items: list[JsonNode], part: str, path: Sequence[str], *, last: int) -> int:
        is_index = part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") and len(part) <= len(str(last))
        if not is_index or int(part) > last:
            self._conflict(path, f"names no position of a list of {len(items)}")
        return int(part)

    def _refuse(self, sentence: str) -> Never:
        raise refuse(400, MistakeCode.INVALID_VALUE, sentence, f"/{self._number}")

    def _conflict(self, path: Sequence[str], sentence: str) -> Never:
        place = pointer_to(path)
        raise refuse(409, MistakeCode.OTHER, f"{place[:200]} {sentence}", f"/{self._number}/path")


def is_equal(one: JsonNode, other: JsonNode) -> bool:
    """Return whether two values are equal as JSON: true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(is_equal(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return one == other


def _depth(value: JsonNode) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(_depth, inner), default=0) if isinstance(value, dict | list) else 0


def _count(value: JsonNode) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_count, value.values()))
    return 1 + sum(map(_count, value)) if isinstance(value, list) else 1
