"""JSON pointers (RFC 6901) with two more tokens: `*` is every item of a list, `[name=port]` the item with that field.

In a place that is written, `-` is a new item at the end of a list, and what leads to the place is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.text.json_pointer import is_pointer, unescape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.text.json_types import Json

StarPositions = tuple[int, ...]  # the positions that stand for each `*` of a pointer, from left to right

EACH, NEW = "*", "-"
MAX_TOKENS = 20
MAX_ITEMS = 10_000  # of one list that a rule passes through
_INDEX = re.compile(r"0|[1-9][0-9]{0,3}")
_SELECTOR = re.compile(r"\[(?P<field>[^=\]]+)=(?P<value>[^\]]*)\]")
MISSING = object()


@dataclass(frozen=True, slots=True)
class Select:
    """Chooses the item of a list whose field has this value."""

    field: str
    value: str


PointerToken = str | int | Select


def parse_pointer(text: str) -> tuple[PointerToken, ...]:
    """Return the tokens of a pointer.

    Raises:
        ValueError: it is no pointer.
    """
    if not is_pointer(text) or text in ("", "/"):
        raise ValueError(
            f"'{text[:100]}' must be a JSON pointer that begins with '/' and has '~' only in '~0' and '~1',"
            " such as /relatedService/id"
        )
    tokens = [_token(each) for each in text[1:].split("/")]
    if len(tokens) > MAX_TOKENS:
        raise ValueError(f"a pointer has at most {MAX_TOKENS} parts")
    return tuple(tokens)


def _token(text: str) -> PointerToken:
    if found := _SELECTOR.fullmatch(text):
        return Select(unescape(found["field"]), unescape(found["value"]))
    return int(text) if _INDEX.fullmatch(text) else unescape(text)


def find(
    root: object, tokens: tuple[PointerToken, ...], at: StarPositions = ()
) -> Iterator[tuple[StarPositions, object]]:
    """Yield what a pointer leads to: once, or once per item for each `*`; nothing where there is nothing."""
    if not tokens:
        yield at, root
        return
    token, rest = tokens[0], tokens[1:]
    if token == EACH:
        for position, item in enumerate(root[:MAX_ITEMS] if isinstance(root, list) else ()):
            yield from find(item, rest, (*at, position))
    elif (inner := _inner(root, token)) is not MISSING:
        yield from find(inner, rest, at)


def _inner(node: object, token: PointerToken) -> object:
    if isinstance(node, dict):
        return node.get(str(token), MISSING)
    if not isinstance(node, list):
        return MISSING
    if isinstance(token, Select):
        return next((each for each in node if _is_selected(each, token)), MISSING)
    return node[token] if isinstance(token, int) and token < len(node) else MISSING


def _is_selected(item: object, by: Select) -> bool:
    return isinstance(item, dict) and str(item.get(by.field)) == by.value


def put(root: Json, tokens: tuple[PointerToken, ...], at: StarPositions, value: object) -> None:
    """Write a value where a pointer leads to; `at` are the positions for its `*`. What is in the way is replaced."""
    positions = iter(at)
    node: object = root
    for number, token in enumerate(tokens):
        step = next(positions) if token == EACH else token
        is_last = number == len(tokens) - 1
        following = tokens[number + 1] if not is_last else None
        node = _enter(node, step, value if is_last else MISSING, following)
        if node is MISSING:
            return


def _enter(node: object, token: PointerToken, value: object, following: PointerToken | None) -> object:
    """Return the inner value, after writing it if there is one to write; make what is missing."""
    if isinstance(node, list):
        position = _position(node, token)
        if position is None:
            return MISSING
        if value is not MISSING:
            node[position] = value
        elif not _fits(node[position], following):
            node[position] = _container(following)
        return node[position]
    if not isinstance(node, dict):
        return MISSING
    key = str(token)
    if value is not MISSING:
        node[key] = value
    elif not _fits(node.get(key), following):
        node[key] = _container(following)
    return node[key]


def _position(items: list[object], token: PointerToken) -> int | None:
    """Return the position in a list; a new item is made for what is not there yet."""
    if isinstance(token, Select):
        found = next((number for number, each in enumerate(items) if _is_selected(each, token)), None)
        if found is None:
            items.append({token.field: token.value})
        return len(items) - 1 if found is None else found
    position = len(items) if token == NEW else token
    if not isinstance(position, int) or position >= MAX_ITEMS:
        return None
    items.extend({} for _ in range(len(items), position + 1))
    return position


def _is_of_list(token: PointerToken | None) -> bool:
    return isinstance(token, int | Select) or token in {EACH, NEW}


def _fits(node: object, following: PointerToken | None) -> bool:
    return isinstance(node, list) if _is_of_list(following) else isinstance(node, dict)


def _container(following: PointerToken | None) -> object:
    return [] if _is_of_list(following) else {}


def remove(root: object, tokens: tuple[PointerToken, ...]) -> None:
    """Remove what a pointer leads to, and each object that is empty then."""
    token, rest = tokens[0], tokens[1:]
    if token == EACH and isinstance(root, list):
        if not rest:
            root.clear()
        for item in root[:MAX_ITEMS]:
            remove(item, rest)
        if not any(root):
            root.clear()
        return
    inner = _inner(root, token)
    if inner is MISSING:
        return
    if rest:
        before = bool(inner)
        remove(inner, rest)
        if inner or not before:
            return
    if isinstance(root, dict):
        del root[str(token)]
    elif isinstance(root, list):
        # Not by value: another item may be equal.
        del root[next(number for number, each in enumerate(root) if each is inner)]
