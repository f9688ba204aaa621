"""Know what kinds of values a table can compare, and give each value one canonical form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from operator import itemgetter
from types import NoneType
from typing import Protocol, TypeVar
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True, order=True)
class Months:
    """A years-months duration: one year and two months is `Months(14)`."""

    count: int


class ValueKind(Enum):
    """What a value is; only values of one kind are ever equal, smaller or greater."""

    NULL = "null"
    BOOLEAN = "a boolean"
    NUMBER = "a number"
    STRING = "a string"
    DATE = "a date"
    TIME = "a time without zone"
    ZONED_TIME = "a time with zone"
    DATETIME = "a date and time without zone"
    ZONED_DATETIME = "a date and time with zone"
    DAYS = "a days-time duration"
    MONTHS = "a years-months duration"
    LIST = "a list"
    OTHER = "neither text, number nor date"

    __hash__ = object.__hash__  # there is one of each, and the hash of an enum is a call of Python


ORDERED = frozenset(ValueKind) - {ValueKind.NULL, ValueKind.BOOLEAN, ValueKind.LIST, ValueKind.OTHER}

TYPES: dict[str, frozenset[ValueKind]] = {
    "string": frozenset({ValueKind.STRING}),
    "number": frozenset({ValueKind.NUMBER}),
    "boolean": frozenset({ValueKind.BOOLEAN}),
    "date": frozenset({ValueKind.DATE}),
    "time": frozenset({ValueKind.TIME, ValueKind.ZONED_TIME}),
    "datetime": frozenset({ValueKind.DATETIME, ValueKind.ZONED_DATETIME}),
    "days-duration": frozenset({ValueKind.DAYS}),
    "months-duration": frozenset({ValueKind.MONTHS}),
    "any": frozenset(ValueKind),
}

_KINDS: dict[type, ValueKind] = {
    NoneType: ValueKind.NULL,
    bool: ValueKind.BOOLEAN,
    int: ValueKind.NUMBER,
    Decimal: ValueKind.NUMBER,
    float: ValueKind.NUMBER,
    str: ValueKind.STRING,
    date: ValueKind.DATE,
    timedelta: ValueKind.DAYS,
    Months: ValueKind.MONTHS,
    tuple: ValueKind.LIST,
    list: ValueKind.LIST,
}

_CANONICAL = frozenset({str, int, bool, NoneType, date, time, timedelta, Months})


class _Incomparable:
    """Stands for a value that equals nothing, such as a number that is not one."""

    def __repr__(self) -> str:
        return "not a number"


INCOMPARABLE = _Incomparable()


def kind_of(value: object) -> ValueKind:
    """Tell the kind of a value; a zone makes times and moments a kind of their own."""
    return _KINDS.get(type(value)) or _kind_by_family(value)


def _kind_by_family(value: object) -> ValueKind:
    match value:
        case datetime():
            return ValueKind.DATETIME if value.utcoffset() is None else ValueKind.ZONED_DATETIME
        case time():
            return ValueKind.TIME if value.utcoffset() is None else ValueKind.ZONED_TIME
        case date():
            return ValueKind.DATE
        case timedelta():
            return ValueKind.DAYS
        case _:
            return ValueKind.OTHER


def same(some: object, other: object) -> bool:
    """Say whether two canonical values are equal; values of different kinds never are."""
    return kind_of(some) is kind_of(other) and some == other


def canonical(value: object) -> object:
    """Give the form in which equal values compare equal: floats as decimals, lists as tuples, plain types."""
    return value if type(value) in _CANONICAL else _converted(value)


def _converted(value: object) -> object:
    match value:
        case float():
            return _exact(value)
        case Decimal():
            return INCOMPARABLE if value.is_nan() else value
        case list() | tuple() | set() | frozenset():
            return tuple([canonical(item) for item in value])
        case str():
            return str.__str__(value)  # an enum's word
        case int():
            return int(value)
        case _:
            return at_fixed_offset(value) if isinstance(value, datetime) else value


def at_fixed_offset(moment: datetime) -> datetime:
    """Give a moment of a named zone its offset: Python compares two of one zone by their clocks alone (PEP 495)."""
    if not isinstance(moment.tzinfo, ZoneInfo):
        return moment
    return moment.replace(tzinfo=timezone(moment.utcoffset() or timedelta()))


def _exact(number: float) -> object:
    if math.isnan(number):
        return INCOMPARABLE
    # 0.1 is what the event said, so it must equal the cell's 0.1 and not the nearest binary fraction.
    return Decimal(repr(number))


Key = TypeVar("Key")

Key_contra = TypeVar("Key_contra", contravariant=True)


class Holder(Protocol[Key_contra]):
    """Holds values, by name or by place."""

    def __getitem__(self, key: Key_contra, /) -> object:
        """Give one of them."""


def all_of(names: Sequence[Key]) -> Callable[[Holder[Key]], tuple[object, ...]]:
    """Make the function that takes the values of all names at once; it raises `KeyError` where one is missing."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda inputs: tuple([inputs[name] for name in names])


def value_at(inputs: Mapping[str, object], path: str) -> object:
    """Take the value of a name, or follow a path into nested mappings; None where there is none.

    A name may itself have dots. A list on the way gives the list of what its elements have (DMN 1.5 §10.3.2.5).
    """
    if path in inputs:
        return inputs[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in inputs:
            return _inside(inputs[head], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _inside(value: object, path: str) -> object:
    match value:
        case Mapping():
            return value_at(value, path)
        case list() | tuple():
            return [_inside(item, path) for item in value]
        case _:
            return None
