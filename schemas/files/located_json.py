"""Read JSON strictly, and find the line of a value in it."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import lru_cache
from math import isfinite
from typing import TYPE_CHECKING, NoReturn

from schemas.files.located_tree import Tree, locate
from schemas.files.located_yaml import MAX_DEPTH, MAX_VALUES, LocatedYamlError, read_located_yaml
from schemas.text.exact_numbers import inexact_number_sentence, is_exact

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_DIGITS = 4300  # Python's own limit: beyond it, reading an int takes quadratic time
_MAX_EXCERPT = 60  # characters
# JSON is YAML, except for tabs between its tokens, and what the readers of YAML refuse or take for an end of a line.
_ONLY_IN_JSON = re.compile(r"[\t\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]|\\u[dD][89A-Fa-f][0-9A-Fa-f]{2}")


class LocatedJsonError(ValueError):
    """The text is not JSON, or exceeds a limit."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


class _RefusedError(Exception):
    """The text is JSON as Python's parser reads it, but has something that would be read wrongly."""


def read_located_json(text: str) -> object:
    """Read one JSON value. Duplicate keys, numbers that are not finite, and deep nesting are refused.

    Raises:
        LocatedJsonError: with the line, as far as it is known.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_fraction,
            parse_constant=_constant,
        )
        _check_size(value)
    except json.JSONDecodeError as error:
        raise LocatedJsonError(f"not JSON: {error.msg}, column {error.colno}", error.lineno) from None
    except RecursionError:
        raise LocatedJsonError(f"not JSON: {_TOO_DEEP}", _line_of_problem(text)) from None
    except _RefusedError as error:
        raise LocatedJsonError(f"not JSON: {error}", _line_of_problem(text)) from None
    return value


def line_in_json(text: str, path: Sequence[int | str]) -> int:
    """Return the line of a field of a JSON text; if it is missing, the line of what should contain it."""
    if not path:
        return text.count("\n", 0, len(text) - len(text.lstrip())) + 1
    tree = _tree(text)
    return tree if isinstance(tree, int) else locate(tree, path)[0]


@lru_cache(maxsize=1)  # all mistakes of a text are located one after another
def _tree(text: str) -> Tree | int:
    """Return the text as a tree, or the line where it cannot be read as one."""
    # An error is returned, because raised ones are not cached.
    try:
        return read_located_yaml(_as_yaml(text)).documents[0].root
    except LocatedYamlError as error:
        return error.line


def _line_of_problem(text: str) -> int:
    try:
        problems = read_located_yaml(_as_yaml(text)).problems
    except LocatedYamlError as error:
        return error.line
    return problems[0].line if problems else 1


def _as_yaml(text: str) -> str:
    """Return YAML with the same values in the same lines, except for the characters that YAML does not know."""
    return _ONLY_IN_JSON.sub(lambda found: " " if len(found[0]) == 1 else "\\u0020", text)


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels: remove some"


def _check_size(value: object) -> None:
    """Refuse values that are nested too deep, and more of them than a file of events has."""
    level: list[object] = [value]
    values = depth = 0
    while level:
        values, depth = values + len(level), depth + 1
        if depth > MAX_DEPTH:
            raise _RefusedError(_TOO_DEEP)
        if values > MAX_VALUES:
            raise _RefusedError(f"more than {MAX_VALUES:,} values: split the file")
        level = [below for above in level if isinstance(above, dict | list) for below in _children(above)]


def _children(value: dict[str, object] | list[object]) -> Sequence[object]:
    return list(value.values()) if isinstance(value, dict) else value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise _RefusedError(f"{twice[:_MAX_EXCERPT]!r} stands twice in one object: remove one")
    return fields


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise _RefusedError(_LONG_NUMBER)
    return int(text)


def _fraction(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise _RefusedError(_LONG_NUMBER)
    if not is_exact(text):
        raise _RefusedError(inexact_number_sentence(text))
    return value


_LONG_NUMBER = "a number is too large for any system to read it: send it as text"


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not a number in JSON: remove it, or put it in quotes")
