"""Write values and cells as the S-FEEL text that reads back as them."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any

from router.tables.feel.conditions import Literal, in_text
from router.tables.feel.literals import quoted
from router.tables.feel.values import Months, at_fixed_offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.tables.feel.conditions import Operand
    from router.tables.feel.unary_test import Cell


def value_text(value: object) -> str:
    """Write a value so that its column reads it back: words bare, dates and durations without their function."""
    match value:
        case bool():
            return str(value).lower()
        case Months():
            return _months(value.count)
        case timedelta():
            return _days(value)
        case datetime():
            return at_fixed_offset(value).isoformat()
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


def _months(count: int) -> str:
    years, months = divmod(abs(count), 12)
    parts = f"{years}Y" * bool(years) + f"{months}M" * (bool(months) or not years)
    return f"{'-' * (count < 0)}P{parts}"


def _days(size: timedelta) -> str:
    sign, size = ("-", -size) if size < timedelta() else ("", size)
    hours, rest = divmod(size.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{size.microseconds:06}".rstrip("0") if size.microseconds else ""
    clock = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
    clock += f"{seconds}{fraction}S" * bool(seconds or fraction)
    day = f"{size.days}D" * bool(size.days or not clock)
    return f"{sign}P{day}{'T' * bool(clock)}{clock}"


_LONGEST_PLAIN = 40  # digits; a larger number is written with an exponent

_NOT_PLAIN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)  # lost, changed or refused by XML or a terminal


def cell_as_text(cell: Cell) -> str:
    """Write a cell as a unary test."""
    tests = ", ".join([in_text(condition, _operand) for condition in cell.conditions])
    return f"not({tests})" if cell.negated else tests or "-"


def _operand(operand: Operand) -> str:
    return literal(operand.value) if isinstance(operand, Literal) else operand.text


def literal(value: object) -> str:
    """Write a value that a table can hold.

    Raises:
        ValueError: it is none.
    """
    write = next((writer for kind, writer in _WRITERS if isinstance(value, kind)), None)
    if write is None:
        raise ValueError(f"{value!r} cannot be written as a literal")
    return write(value)


def _number(number: Decimal) -> str:
    return f"{number:f}" if abs(number.adjusted()) < _LONGEST_PLAIN else str(number)


def _escaped(sign: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(sign[0], f"\\u{ord(sign[0]):04x}")


# From the special to the general: a boolean is an int, and a moment a date, in Python.
_WRITERS: list[tuple[type, Callable[[Any], str]]] = [
    (NoneType, lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (int, lambda value: _number(Decimal(value))),
    (Decimal, _number),
    (str, lambda value: _NOT_PLAIN.sub(_escaped, quoted(value))),
    (timedelta, lambda value: f'duration("{value_text(value)}")'),
    (Months, lambda value: f'duration("{value_text(value)}")'),
    (datetime, lambda value: f'date and time("{value_text(value)}")'),
    (date, lambda value: f'date("{value_text(value)}")'),
    (time, lambda value: f'time("{value_text(value)}")'),
]
