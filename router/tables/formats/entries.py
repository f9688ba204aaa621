"""Read one entry of a table file: the text of a cell, or the value of an output."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from router.tables.explain.wording import describe_value
from router.tables.feel.errors import CellError
from router.tables.feel.lexer import is_literal_of_another_type, quote_bare_words
from router.tables.feel.literals import (
    quote,
    read_date,
    read_datetime,
    read_duration,
    read_number,
    read_string,
    read_time,
)
from router.tables.feel.values import TYPES, kind_of
from router.tables.formats.fields import invisible_problem
from schemas.files.located_tree import Block, Listing, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.tables.feel.unary_test import Cell
    from router.tables.model import Output
    from schemas.files.located_tree import Tree


def cell_text(tree: Tree, column_type: str, names: Collection[str]) -> str:
    """Return the text of a cell from its YAML value. The bare words of a string column are quoted.

    Raises:
        CellError: the value is a list or a mapping, or is empty.
    """
    match tree:
        case Listing() | Block():
            raise CellError('a cell is one text: put it in quotes, such as "[1..5]" or "a, b"')
        case Scalar(value=None, text="" | "~" | "Null" | "NULL"):
            raise CellError('the cell is empty; write "-" for any value, or put the cell before it in quotes')
        case Scalar(value=bool() as value):
            return str(value).lower()
        case Scalar(text=text, value=str()) if column_type == "string" and is_literal_of_another_type(text):
            return quote(text)  # YAML's quotes mark it as a string
        case Scalar(text=text) if column_type == "string":
            return quote_bare_words(text, names)
        case Scalar(text=text):
            check_numbers(text, column_type)
            return text


def check_numbers(text: str, column_type: str) -> None:
    """Check the numbers of a cell: `1,5` and `1,500` may be one or two, and `0777` is octal in some languages.

    Raises:
        CellError: one is not certain.
    """
    if column_type not in _HAVE_NUMBERS:
        return
    bare = _QUOTED.sub('""', text)
    if _COMMA_IN_NUMBER.search(bare):
        raise CellError(f'"{text}" may be a number or a choice of two: write 1.5, or "1, 5" with a space')
    if _LEADING_ZERO.search(bare):
        plain = _LEADING_ZERO.sub(r"\1", text)
        raise CellError(f'"{text}" begins with a zero: write {plain}, or give the column the type string')


def with_plain_numbers(text: str) -> str:
    """Return a cell of FEEL, where a comma always separates two values and all numbers are decimal, as we write it."""
    strings = _QUOTED.findall(text)
    parts = [_LEADING_ZERO.sub(r"\1", _COMMA_IN_NUMBER.sub(", ", part)) for part in _QUOTED.split(text)]
    return "".join(part + string for part, string in zip_longest(parts, strings, fillvalue=""))


def output_value(scalar: Scalar, column: Output) -> object:
    """Read the value of an output. It must be present, of the column's type and allowed.

    Raises:
        CellError: it is missing, of another type or not allowed.
    """
    if scalar.value is None or scalar.text == "":
        raise CellError("has no value, and unset is not possible: write one")
    if scalar.unseen:
        raise CellError(invisible_problem(scalar))
    value = _READERS[column.type](scalar) if column.type in _READERS else scalar.text
    if kind_of(value) not in TYPES[column.type]:
        raise CellError(_wrong_type_sentence(scalar, value, column.type))
    if column.allowed and value not in column.allowed:
        raise CellError(not_allowed_sentence(scalar.text, [describe_value(allowed) for allowed in column.allowed]))
    return value


def _wrong_type_sentence(scalar: Scalar, value: object, column_type: str) -> str:
    return f"{scalar.text} is {kind_of(value).value}, the column takes {column_type}{_HINTS.get(column_type, '')}"


_HINTS = {"string": "; put it in quotes", "boolean": "; write true or false"}


def not_allowed_sentence(text: str, allowed: list[str]) -> str:
    """Return the sentence for a value that is not one of the allowed values of its column."""
    matches = difflib.get_close_matches(text, allowed, n=1)
    hint = f"; did you mean {matches[0]}?" if matches else ""
    return f"{text} is not one of the allowed values {', '.join(allowed)}{hint}"


def _yaml_value(scalar: Scalar) -> object:
    return scalar.value


def _number(scalar: Scalar) -> object:
    is_number = isinstance(scalar.value, int | float) and not isinstance(scalar.value, bool)
    if not is_number:
        return scalar.value
    check_numbers(scalar.text, "number")
    return read_number(scalar.text)


def _text_reader(read: Callable[[str], object]) -> Callable[[Scalar], object]:
    return lambda scalar: read(scalar.text)


_READERS: dict[str, Callable[[Scalar], object]] = {
    "string": _yaml_value,
    "boolean": _yaml_value,
    "number": _number,
    "date": _text_reader(read_date),
    "time": _text_reader(read_time),
    "datetime": _text_reader(read_datetime),
    "days-duration": _text_reader(read_duration),
    "months-duration": _text_reader(read_duration),
}

NULL = "null"

_QUOTED = re.compile(r'@?"(?:[^"\\]|\\.)*"', re.DOTALL)
_COMMA_IN_NUMBER = re.compile(r"(?<=[0-9]),(?=[0-9])")
_LEADING_ZERO = re.compile(r"((?:(?<![\w.:-])|(?<=\.\.))-?)0+(?=[0-9])")
_HAVE_NUMBERS = frozenset({"number", "any"})


def shortest_cell_text(cell: Cell, names: Collection[str] = ()) -> str:
    """Return the shortest text that loads as this cell; `names` are the other inputs of its table."""
    if cell.type != "string":
        return cell.text
    bare = _QUOTED.sub(_unquote, cell.text)
    return bare if loads_as(bare, cell, names) else _unquote_where_possible(cell, names)


def _unquote_where_possible(cell: Cell, names: Collection[str]) -> str:
    """Remove the quotes of each word unless the cell would load differently without them."""
    text, at = cell.text, 0
    while match := _QUOTED.search(text, at):
        word = _unquote(match)
        shorter = text[: match.start()] + word + text[match.end() :]
        if loads_as(shorter, cell, names):
            text, at = shorter, match.start() + len(word)
        else:
            at = match.end()
    return text


def loads_as(text: str, cell: Cell, names: Collection[str] = ()) -> bool:
    """Return whether a text loads as the cell. `null` alone is the missing value, as in every format."""
    try:
        return cell_text(Scalar(text, None if text == NULL else text, 0), cell.type, names).strip() == cell.text
    except CellError:
        return False


def _unquote(match: re.Match[str]) -> str:
    try:
        return match[0] if match[0].startswith("@") else read_string(match[0])
    except CellError:
        return match[0]


def listed_value_texts(cell: Cell) -> list[str]:
    """Return the values of a cell that only lists values; an empty list for any other cell."""
    only_values = [literal.text for literal in cell.equality_literals]
    if cell.negated or len(only_values) != len(cell.conditions) or ", ".join(only_values) != cell.text:
        return []
    return [shortest_cell_text(replace(cell, text=text)) for text in only_values]
