"""Write the value of an output as the text that a column of its type reads."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from router.tables.feel.values import Months, at_fixed_offset


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
