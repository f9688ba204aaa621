"""The kinds of values that a table can compare, and the canonical form of each value."""

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
    """A years-months duration in months: one year and two months is `Months(14)`."""

    count: int


class ValueKind(Enum):
    """The kind of a value. Only values of one kind are ever equal, smaller or greater."""

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

    __hash__ = object.__hash__  # members are singletons, and the default hash of an enum is a slow call into Python


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
    """A value that equals nothing, such as NaN."""

    def __repr__(self) -> str:
        return "not a number"


INCOMPARABLE = _Incomparable()


def kind_of(value: object) -> ValueKind:
    """Return the kind of a value. Times with and without a zone are different kinds."""
    return _KINDS.get(type(value)) or _kind_by_instance(value)


def _kind_by_instance(value: object) -> ValueKind:
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


def are_equal(value: object, other: object) -> bool:
    """Return whether two canonical values are equal. Values of different kinds never are."""
    return kind_of(value) is kind_of(other) and value == other


def canonical(value: object) -> object:
    """Return the form in which equal values compare equal: floats as decimals, lists as tuples, plain types."""
    return value if type(value) in _CANONICAL else _convert(value)


def _convert(value: object) -> object:
    match value:
        case float():
            return _exact_decimal(value)
        case Decimal():
            return INCOMPARABLE if value.is_nan() else value
        case list() | tuple() | set() | frozenset():
            return tuple([canonical(item) for item in value])
        case str():
            return str.__str__(value)  # the text of a string enum
        case int():
            return int(value)
        case _:
            return with_fixed_offset(value) if isinstance(value, datetime) else value


def with_fixed_offset(moment: datetime) -> datetime:
    """Return a moment of a named zone at its current offset.

    Python compares two moments of the same zone by their clocks alone (PEP 495), so after a change of the offset their
    order would be wrong.
    """
    if not isinstance(moment.tzinfo, ZoneInfo):
        return moment
    return moment.replace(tzinfo=timezone(moment.utcoffset() or timedelta()))


def _exact_decimal(number: float) -> object:
    if math.isnan(number):
        return INCOMPARABLE
    # An event's 0.1 must equal the cell's 0.1 and not the nearest binary fraction, so its decimal text is converted.
    return Decimal(repr(number))


Key = TypeVar("Key")

Key_contra = TypeVar("Key_contra", contravariant=True)


class SupportsGetItem(Protocol[Key_contra]):
    """A mapping or a sequence of values."""

    def __getitem__(self, key: Key_contra, /) -> object:
        """Return the value at a key."""


def values_getter(names: Sequence[Key]) -> Callable[[SupportsGetItem[Key]], tuple[object, ...]]:
    """Return a function that gets the values of all names at once. It raises `KeyError` if one is missing."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda inputs: tuple([inputs[name] for name in names])


def value_at(inputs: Mapping[str, object], path: str) -> object:
    """Return the value of a name, or at a path into nested mappings; None if it is missing.

    A name may contain dots. A path through a list returns the list of its elements' values (DMN 1.5 §10.3.2.5).
    """
    if path in inputs:
        return inputs[path]
    head, dot, rest = path.partition(".")
    while dot:
        if head in inputs:
            return _value_inside(inputs[head], rest)
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def _value_inside(value: object, path: str) -> object:
    match value:
        case Mapping():
            return value_at(value, path)
        case list() | tuple():
            return [_value_inside(item, path) for item in value]
        case _:
            return None
