"""Write values and cells as an operator would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.feel.conditions import Literal, in_text
from router.tables.feel.values import Months

if TYPE_CHECKING:
    from router.tables.feel.conditions import Operand
    from router.tables.feel.unary_test import Cell

_LONGEST_VALUE = 80
_LONGEST_NUMBER = 200  # bits


def value_in_words(value: object) -> str:
    """Write a value as an operator would."""
    match value:
        case None:
            return "missing"
        case bool():
            return str(value).lower()
        case int() if value.bit_length() > _LONGEST_NUMBER:
            return "a number of very many digits"  # Python refuses to write the longest ones
        case Months():
            return f"P{value.count}M"
        case tuple():
            return f"[{shortened(', '.join(map(value_in_words, value)), _LONGEST_VALUE)}]"
        case _:
            return shortened(str(value), _LONGEST_VALUE) or "empty"


def shortened(text: str, longest: int) -> str:
    """Cut a text that is longer, and show that it was cut."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def cell_in_words(cell: Cell) -> str:
    """Write what a cell wants, strings without their quotes."""
    wanted = ", ".join([in_text(condition, _operand_in_words) for condition in cell.conditions])
    return f"anything but {wanted}" if cell.negated else wanted or "anything"


def _operand_in_words(operand: Operand) -> str:
    if isinstance(operand, Literal):
        return _literal_in_words(operand)
    return f"the value of `{operand.text}`"


def _literal_in_words(literal: Literal) -> str:
    return literal.value or '""' if isinstance(literal.value, str) else literal.text
