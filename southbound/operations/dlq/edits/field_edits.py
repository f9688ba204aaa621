"""Edit fields of events by JSON pointers, for `--set` and `--remove` of `southbound dlq redrive`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from schemas.codec.printable import printable
from schemas.files.located_json import LocatedJsonError, read_located_json
from schemas.text.json_pointer import is_pointer, pointer_to, unescape
from southbound.exit_codes import invalid_input

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_EDITS = 100  # of one command
MAX_TOKENS = 50  # of one pointer
MAX_PLACES = 10_000  # of one event that one pointer leads to
_EACH, _NEW = "*", "-"
_MAX_SHOWN = 80  # characters of a value in a line


class _Absent:
    """The value of a field that is not there."""


ABSENT = _Absent()


class UneditableError(Exception):
    """A dead letter that an edit does not fit; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldEdit:
    """What one option changes: `value` is written where `pointer` leads to, or ABSENT removes what is there."""

    pointer: str
    tokens: tuple[str, ...]
    value: object

    @property
    def is_removal(self) -> bool:
        """Whether it removes a field."""
        return self.value is ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedField:
    """A field that an edit changes. A value is ABSENT where the field is not there before, or after."""

    pointer: str
    before: object
    after: object

    def as_line(self) -> str:
        """Return it as one line."""
        return f"{printable(self.pointer)}: {_shown(self.before)} → {_shown(self.after)}"

    def as_json(self) -> dict[str, object]:
        """Return it for JSON; a side on which the field is not there is left out."""
        sides = {"from": self.before, "to": self.after}
        return {"field": self.pointer, **{name: value for name, value in sides.items() if value is not ABSENT}}


def parse_edits(sets: Sequence[str], removals: Sequence[str]) -> tuple[FieldEdit, ...]:
    """Read the values of `--set` and `--remove`.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    mistakes: list[str] = []
    if len(sets) + len(removals) > MAX_EDITS:
        raise invalid_input([f"--set and --remove: at most {MAX_EDITS} of them are taken at a time"])
    read = [_parsed_set(text, mistakes) for text in sets]
    read += [_parsed(text, "--remove", ABSENT, mistakes) for text in removals]
    if mistakes:
        raise invalid_input(mistakes)
    return tuple([edit for edit in read if edit is not None])


def apply_edits(data: object, edits: Sequence[FieldEdit]) -> tuple[EditedField, ...]:
    """Change `data` in its place, edit by edit, and return what is different now.

    Raises:
        UneditableError: an edit leads to no place in it.
    """
    return tuple([change for edit in edits for change in _apply(data, edit)])


def _apply(data: object, edit: FieldEdit) -> Iterator[EditedField]:
    places = list(islice(_places(data, edit.tokens, ()), MAX_PLACES + 1))
    if len(places) > MAX_PLACES:
        raise UneditableError(f"{edit.pointer} leads to more than {MAX_PLACES:,} places in it")
    found = [place for place in places if place.can_take(edit)]
    if not found:
        raise UneditableError(f"it has no {edit.pointer}")
    # From the end: what is removed from a list moves what follows it.
    for place in reversed(found) if edit.is_removal else found:
        before = place.value
        after = place.write(edit.value)
        if before is ABSENT or edit.is_removal or json.dumps(before) != json.dumps(after):
            yield EditedField(pointer=place.pointer, before=before, after=after)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a pointer leads to: a field of an object or an item of a list, which may be missing."""

    container: dict[str, object] | list[object]
    key: str
    path: tuple[str, ...]

    @property
    def pointer(self) -> str:
        return pointer_to((*self.path, self.key))

    @property
    def value(self) -> object:
        if isinstance(self.container, dict):
            return self.container.get(self.key, ABSENT)
        return ABSENT if self.key == _NEW else self.container[int(self.key)]

    def can_take(self, edit: FieldEdit) -> bool:
        return not edit.is_removal or self.value is not ABSENT

    def write(self, value: object) -> object:
        # Each place has its own copy, because a later edit may lead into it.
        copy = value if value is ABSENT else json.loads(json.dumps(value))
        if isinstance(self.container, dict):
            self.container[self.key] = copy
            if copy is ABSENT:
                del self.container[self.key]
        elif copy is ABSENT:
            del self.container[int(self.key)]
        elif self.key == _NEW:
            self.container.append(copy)
        else:
            self.container[int(self.key)] = copy
        return copy


def _places(node: object, tokens: Sequence[str], path: tuple[str, ...]) -> Iterator[_Place]:
    for key in _keys(node, tokens[0]):
        place = _Place(node, key, path)  # type: ignore[arg-type] # only containers have keys
        if len(tokens) == 1:
            yield place
        elif (inner := place.value) is not ABSENT:
            yield from _places(inner, tokens[1:], (*path, key))


def _keys(node: object, token: str) -> list[str]:
    """Return the names or positions that a part of a pointer stands for in a value."""
    if isinstance(node, dict):
        return [token]
    if not isinstance(node, list):
        return []
    if token == _EACH:
        return [str(number) for number in range(len(node))]
    is_there = token == _NEW or (token.isascii() and token.isdigit() and len(token) < 7 and int(token) < len(node))  # noqa: PLR2004 - digits
    return [token if token == _NEW else str(int(token))] if is_there else []


def _parsed_set(text: str, mistakes: list[str]) -> FieldEdit | None:
    pointer, equals, written = text.partition("=")
    if not equals:
        mistakes.append(f"--set {_excerpt(text)}: write a JSON pointer, = and the value, such as /run/mode=PROACTIVE")
        return None
    try:
        value = _parsed_value(written)
    except LocatedJsonError as error:
        mistakes.append(f"--set {_excerpt(text)}: {error.problem}, or put it in quotes to set a text")
        return None
    return _parsed(pointer, "--set", value, mistakes)


def _parsed(pointer: str, option: str, value: object, mistakes: list[str]) -> FieldEdit | None:
    if pointer in ("", "/") or not is_pointer(pointer):
        mistakes.append(
            f"{option} {_excerpt(pointer)}: begin with a JSON pointer into the data of the event, such as /run/mode;"
            " in a name, write ~1 for / and ~0 for ~"
        )
        return None
    tokens = tuple(map(unescape, pointer[1:].split("/")))
    if len(tokens) > MAX_TOKENS:
        mistakes.append(f"{option} {_excerpt(pointer)}: a pointer has at most {MAX_TOKENS} parts")
        return None
    return FieldEdit(pointer=pointer, tokens=tokens, value=value)


def _parsed_value(written: str) -> object:
    """Return JSON as it is, and anything else as text."""
    try:
        json.loads(written)
    except (ValueError, RecursionError):
        return written
    return read_located_json(written)


def _shown(value: object) -> str:
    if value is ABSENT:
        return "(none)"
    text = printable(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"


def _excerpt(text: str) -> str:
    return printable(text[:_MAX_SHOWN])
