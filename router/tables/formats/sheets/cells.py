"""Read the cells of a sheet as the values that YAML would have, by the type of their column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.feel.literals import quote, read_number, read_string
from router.tables.feel.look_alikes import check_value, check_visible, is_in_odd_quotes
from router.tables.feel.writer import value_text
from router.tables.formats.entries import NULL, check_numbers
from schemas.files.located_tree import Listing, Scalar
from schemas.text.invisible import first_unseen

if TYPE_CHECKING:
    from collections.abc import Iterable

_LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_LIST_ITEM = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,]*)\s*(?:,|$)', re.DOTALL)
_BOOLEANS = {"true": True, "false": False}
_POINTS_BETWEEN_THOUSANDS = re.compile(r"(?<![0-9])(?<![0-9]\.)[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?!\.?[0-9])")


def read_condition(cell: Scalar, column_type: str) -> Scalar:
    """Read a cell of an input column. `null` is the missing value, and booleans may be in capitals."""
    if cell.text.strip() == NULL:
        return Scalar(NULL, None, cell.line)
    return read_boolean(cell) if column_type == "boolean" else cell


def read_output(cell: Scalar, column_type: str) -> Scalar:
    """Read an output value. A string that a spreadsheet would change is written in double quotes.

    Raises:
        CellError: its quotes are not closed, or not straight.
    """
    match column_type:
        case "string":
            return _string(cell)
        case "boolean":
            return read_boolean(cell)
        case "number":
            return read_numeric(cell)
        case _:
            return Scalar(cell.text.strip(), cell.value, cell.line)


def read_output_list(cell: Scalar, column_type: str) -> Listing:
    """Read a list of output values, separated by commas.

    Raises:
        CellError: the quotes of one value are not closed.
    """
    parts = [match[1] for match in _LIST_ITEM.finditer(cell.text) if match[0]]
    listed = [read_output(Scalar(part, part, cell.line), column_type) for part in parts]
    return Listing(tuple(listed), cell.line)


def read_boolean(cell: Scalar) -> Scalar:
    """Read true or false, in any capitalization. Anything else is returned unchanged."""
    word = cell.text.strip().lower()
    return Scalar(word, _BOOLEANS[word], cell.line) if word in _BOOLEANS else cell


def read_numeric(cell: Scalar) -> Scalar:
    """Read a number. Anything else is returned unchanged."""
    text = cell.text.strip()
    try:
        value = read_number(text)
    except CellError:
        return cell
    return Scalar(text, value if isinstance(value, int) else float(value), cell.line)


def _string(cell: Scalar) -> Scalar:
    text = cell.text.strip()
    if isinstance(cell.value, str) and text.startswith('"'):
        if not _LITERAL.fullmatch(text):
            raise CellError(f"the quote in {text} is not closed")
        word = read_string(text)
        return Scalar(word, word, cell.line)
    check_value(text)
    check_visible(text)
    value = text if isinstance(cell.value, str) else cell.value
    return Scalar(text, None if text == NULL else value, cell.line)


def check_separators(cell: Scalar, *, decimal_comma: bool) -> None:
    """Check that a cell is not ambiguous: `1,5` and `1,500` may be one number or two.

    Where a comma is before the decimals, `1.500` may be 1500.

    Raises:
        CellError: it is ambiguous.
    """
    if decimal_comma and (found := _POINTS_BETWEEN_THOUSANDS.search(cell.text)):
        plain = found[0].replace(".", "")
        raise CellError(f'"{cell.text}" may be {plain} or {found[0]}: write {plain}, or another number of decimals')
    check_numbers(cell.text, "number")


def output_text(value: object) -> str:
    """Return the text of an output value that `read_output` reads back."""
    if not isinstance(value, str):
        return NULL if value is None else value_text(value)
    is_plain = value == value.strip() and not value.startswith('"') and value not in ("", NULL)
    is_plain = is_plain and not is_in_odd_quotes(value) and not first_unseen(value)
    return value if is_plain else quote(value)


def output_list_text(values: Iterable[object]) -> str:
    """Return the text of a list of output values that `read_output_list` reads back."""
    return ", ".join(_list_item_text(value) for value in values)


def _list_item_text(value: object) -> str:
    return quote(value) if isinstance(value, str) and "," in value else output_text(value)
