"""Refuse JSON that is nested too deeply, or that holds numbers or NUL, which cannot be kept, before it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.northbound.errors import MistakeCode, refuse
from schemas.text.exact_numbers import WrittenNumber, inexact_number_sentence
from schemas.text.json_pointer import pointer_to

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 64  # objects and lists inside of each other
_NUL = "\x00"
_HOLDS_NUL = "holds a NUL character (U+0000), which databases do not keep: remove it"
_SHOWN_PARTS = 12  # of a pointer


def check_json(body: object) -> None:
    """Check a whole body.

    Raises:
        ApiRefusedError: 400, with the place.
    """
    for value, at in _values_in(body):
        if isinstance(value, WrittenNumber):
            raise refuse(400, MistakeCode.INVALID_VALUE, inexact_number_sentence(value), pointer_to(at))
        if isinstance(value, dict | list) and len(at) >= MAX_DEPTH:
            place = pointer_to(at[:_SHOWN_PARTS])
            sentence = f"the body is nested more than {MAX_DEPTH} levels deep: flatten it"
            raise refuse(400, MistakeCode.INVALID_FORMAT, sentence, place)


def check_no_nul(body: object) -> None:
    """Check that no value and no name has a NUL, also where nothing is kept: the rule is the same for every attribute.

    Raises:
        ApiRefusedError: 400, with the place.
    """
    for value, at in _values_in(body):
        if isinstance(value, str) and _NUL in value:
            raise refuse(400, MistakeCode.INVALID_VALUE, f"the value {_HOLDS_NUL}", pointer_to(at))
        if isinstance(value, dict) and any(_NUL in name for name in value):
            raise refuse(400, MistakeCode.INVALID_VALUE, f"a name {_HOLDS_NUL}", pointer_to(at))


def _values_in(body: object) -> Iterator[tuple[object, tuple[str | int, ...]]]:
    """Yield every value with its place; who stops to iterate decides how deep this goes."""
    waiting: list[tuple[object, tuple[str | int, ...]]] = [(body, ())]
    while waiting:
        value, at = waiting.pop()
        yield value, at
        if isinstance(value, dict | list):
            waiting += [(inner, (*at, name)) for name, inner in _items(value)]


def _items(value: dict[str, object] | list[object]) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from value.items()
    else:
        yield from enumerate(value)
