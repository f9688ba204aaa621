"""Read the literals of FEEL: numbers, strings, dates, times and durations (DMN 1.5, S-FEEL)."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from router.tables.feel.errors import CellError
from router.tables.feel.values import Months, with_fixed_offset
from schemas.files.surrogates import join_surrogates

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_DIGITS = 34  # of a FEEL number (IEEE 754 decimal128)
_MAX_EXPONENT = 6144
_MAX_INT_EXPONENT = 40  # a number with a larger exponent stays a decimal instead of becoming a very long int

_NUMBER = re.compile(r"(?P<sign>[-+]?)[ \t]*(?P<size>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\"}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{6}|.)", re.DOTALL)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Java writes nanoseconds; Python's `time` keeps microseconds and drops the rest.
_CLOCK = re.compile(r"T?([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)(.*)", re.DOTALL)
_OFFSET = re.compile(r"([+-])([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")
_MONTHS = re.compile(r"(-?)P(?:([0-9]+)Y)?(?:([0-9]+)M)?")
_DAYS = re.compile(r"(-?)P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?")


def read_number(text: str) -> int | Decimal:
    """Read a number exactly: an int if it is whole, else a decimal.

    Raises:
        CellError: it is none, or too long.
    """
    written = _NUMBER.fullmatch(text)
    if written is None:
        raise CellError(f'"{text}" is not a number')
    try:
        number = Decimal(written["sign"] + written["size"])
    except DecimalException:
        raise CellError(f'"{text}" is not a number') from None
    _, digits, exponent = number.as_tuple()
    if len(digits) > _MAX_DIGITS or not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
        raise CellError(f'the number "{text[:40]}" is longer than {_MAX_DIGITS} digits')
    is_whole = exponent >= 0 or number == number.to_integral_value()
    return int(number) if is_whole and exponent < _MAX_INT_EXPONENT else number


def read_string(literal: str) -> str:
    """Read a string literal with its quotes and escapes. A pair of surrogate escapes becomes one character."""
    text = _ESCAPE.sub(_unescape, literal[1:-1])
    return join_surrogates(text) if "\\" in literal else text


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        return _code_point(code)
    if code not in _ESCAPES:
        raise CellError(f'a string has no escape "\\{code}"; write \\\\ for a backslash')
    return _ESCAPES[code]


def _code_point(code: str) -> str:
    try:
        return chr(int(code[1:], 16))
    except ValueError:
        raise CellError(f'there is no character "\\{code}"') from None


def quote(text: str) -> str:
    """Return the FEEL string literal of a text."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_date(text: str) -> date:
    """Read a date such as `2026-03-12`."""
    if not _DATE.fullmatch(text):
        raise CellError(f'"{text}" is not a date such as 2026-03-12')
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CellError(f"there is no date {text}") from None


def read_time(text: str) -> time:
    """Read a time such as `08:30:00`, without a zone or with an offset such as `Z` or `+01:00`."""
    clock, zone = _clock_and_zone(text)
    if isinstance(zone, ZoneInfo):
        raise CellError(f'"{text}": a time with the name of a zone needs a date; write an offset such as +01:00')
    return clock.replace(tzinfo=zone)


def read_datetime(text: str) -> datetime:
    """Read a date and time such as `2026-03-12T08:30:00`, with an offset, with `@Europe/Paris` or without a zone.

    A date alone is its midnight.
    """
    day, separator, rest = text.partition("T")
    if not separator:
        return datetime.combine(read_date(day), time())
    clock, zone = _clock_and_zone(rest)
    return with_fixed_offset(datetime.combine(read_date(day), clock, tzinfo=zone))


def _clock_and_zone(text: str) -> tuple[time, tzinfo | None]:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise CellError(f'"{text}" is not a time such as 08:30:00')
    if match[1].startswith("24"):  # newer versions of Python read it as midnight
        raise CellError(f"there is no time {text}; a day ends at 23:59:59.999999")
    try:
        return time.fromisoformat(match[1]), _zone(match[2])
    except ValueError as error:
        if isinstance(error, CellError):
            raise
        raise CellError(f"there is no time {text}") from None


def _zone(text: str) -> tzinfo | None:
    if not text:
        return None
    if text in ("Z", "z"):
        return UTC
    return _named_zone(text[1:]) if text.startswith("@") else _offset(text)


def _named_zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        raise CellError(f'there is no time zone "{name}"') from None


def _offset(text: str) -> tzinfo:
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise CellError(f'"{text}" is not an offset such as Z or +01:00')
    size = timedelta(hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4] or 0))
    try:
        return timezone(-size if match[1] == "-" else size)
    except ValueError:
        raise CellError(f"there is no offset {text}") from None


def read_duration(text: str) -> timedelta | Months:
    """Read a duration: `P1DT2H` (days-time) or `P1Y2M` (years-months)."""
    if (match := _MONTHS.fullmatch(text)) and any(match.groups()[1:]):
        return _months(match)
    if (match := _DAYS.fullmatch(text)) and any(match.groups()[1:]) and not text.endswith("T"):
        return _days(match)
    raise CellError(f'"{text}" is not a duration such as P2D, PT1H30M or P1Y6M (years-months stand alone)')


def _months(match: re.Match[str]) -> Months:
    try:
        count = int(match[2] or 0) * 12 + int(match[3] or 0)
    except ValueError:  # more digits than Python converts to an int
        raise CellError("the duration is too long") from None
    return Months(-count if match[1] else count)


def _days(match: re.Match[str]) -> timedelta:
    days, hours, minutes, seconds = (Decimal(part or 0) for part in match.groups()[1:])
    try:
        size = timedelta(days=int(days), hours=int(hours), minutes=int(minutes)) + _seconds(seconds)
    except (ArithmeticError, ValueError):
        raise CellError(f'the duration "{match[0][:40]}" is too long') from None
    return -size if match[1] else size


def _seconds(seconds: Decimal) -> timedelta:
    return timedelta(seconds=int(seconds), microseconds=int(seconds % 1 * 1_000_000))


def read_at_literal(text: str) -> object:
    """Read the content of `@"…"`: a duration, a date and time, a time or a date."""
    return _reader_for(text)(text)


def _reader_for(text: str) -> Callable[[str], object]:
    if text.startswith(("P", "-P")):
        return read_duration
    if "T" in text[1:].partition("@")[0]:
        return read_datetime
    return read_time if ":" in text else read_date


CONVERSION_FUNCTIONS: dict[str, Callable[[str], object]] = {
    "date": read_date,
    "time": read_time,
    "date and time": read_datetime,
    "duration": read_duration,
}
