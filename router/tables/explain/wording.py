"""Write values and cells in the words of an explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.feel.conditions import Literal, condition_text
from router.tables.feel.values import Months

if TYPE_CHECKING:
    from router.tables.feel.conditions import Operand
    from router.tables.feel.unary_test import Cell

_MAX_VALUE_LENGTH = 80
_MAX_NUMBER_BITS = 200


def describe_value(value: object) -> str:
    """Return a value in words: null is `missing`, and long values are shortened."""
    match value:
        case None:
            return "missing"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > _MAX_NUMBER_BITS:
            return "a number of very many digits"  # Python refuses to convert the longest ones to text
        case Months():
            return f"P{value.count}M"
        case tuple():
            return f"[{shorten(', '.join(map(describe_value, value)), _MAX_VALUE_LENGTH)}]"
        case _:
            return shorten(str(value), _MAX_VALUE_LENGTH) or "empty"


def shorten(text: str, max_length: int) -> str:
    """Cut a text that is longer than `max_length`, and end it with an ellipsis."""
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def cell_in_words(cell: Cell) -> str:
    """Return what a cell matches, in words, with strings unquoted."""
    words = ", ".join([condition_text(condition, _describe_operand) for condition in cell.conditions])
    return f"anything but {words}" if cell.negated else words or "anything"


def _describe_operand(operand: Operand) -> str:
    if isinstance(operand, Literal):
        return _describe_literal(operand)
    return f"the value of `{operand.text}`"


def _describe_literal(literal: Literal) -> str:
    return literal.value or '""' if isinstance(literal.value, str) else literal.text
