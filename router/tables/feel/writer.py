"""Write values and cells as S-FEEL text that reads back as the same value or cell."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING, Any

from router.tables.feel.conditions import Literal, condition_text
from router.tables.feel.literals import quote
from router.tables.feel.values import Months, with_fixed_offset

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.tables.feel.conditions import Operand
    from router.tables.feel.unary_test import Cell


def value_text(value: object) -> str:
    """Return the text of a value as its column reads it: strings without quotes, dates without `date(…)`."""
    match value:
        case bool():
            return str(value).lower()
        case Months():
            return _months(value.count)
        case timedelta():
            return _days(value)
        case datetime():
            return with_fixed_offset(value).isoformat()
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


_MAX_PLAIN_DIGITS = 40  # a longer number is written with an exponent

_NEEDS_ESCAPE = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]"
)  # XML or a terminal would drop, change or refuse them


def unary_test_text(cell: Cell) -> str:
    """Return the text of a cell as a unary test."""
    tests = ", ".join([condition_text(condition, _operand) for condition in cell.conditions])
    return f"not({tests})" if cell.negated else tests or "-"


def _operand(operand: Operand) -> str:
    return literal_text(operand.value) if isinstance(operand, Literal) else operand.text


def literal_text(value: object) -> str:
    """Return the FEEL literal of a value.

    Raises:
        ValueError: a table cannot hold the value.
    """
    write = next((writer for kind, writer in _WRITERS if isinstance(value, kind)), None)
    if write is None:
        raise ValueError(f"{value!r} cannot be written as a literal")
    return write(value)


def _number(number: Decimal) -> str:
    return f"{number:f}" if abs(number.adjusted()) < _MAX_PLAIN_DIGITS else str(number)


def _escape(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(match[0], f"\\u{ord(match[0]):04x}")


# Subclasses first: in Python a bool is an int, and a datetime a date.
_WRITERS: list[tuple[type, Callable[[Any], str]]] = [
    (NoneType, lambda _: "null"),
    (bool, lambda value: "true" if value else "false"),
    (int, lambda value: _number(Decimal(value))),
    (Decimal, _number),
    (str, lambda value: _NEEDS_ESCAPE.sub(_escape, quote(value))),
    (timedelta, lambda value: f'duration("{value_text(value)}")'),
    (Months, lambda value: f'duration("{value_text(value)}")'),
    (datetime, lambda value: f'date and time("{value_text(value)}")'),
    (date, lambda value: f'date("{value_text(value)}")'),
    (time, lambda value: f'time("{value_text(value)}")'),
]
