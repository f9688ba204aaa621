"""Compare a value with what a cell asks for: the parts of a cell, and how each is checked."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from router.tables.feel.values import ORDERED, ValueKind, canonical, kind_of, same, value_at

Inputs = Mapping[str, object]
Holds = Callable[[object, Inputs], bool]

_NUMBERS = frozenset({int, Decimal})  # the types of canonical numbers; bool is neither

NO_INPUTS: Inputs = MappingProxyType({})


class Operator(StrEnum):
    """How two values are compared."""

    EQUAL = "="
    DIFFERENT = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


_ORDER: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the cell."""

    value: object
    text: str


@dataclass(frozen=True, slots=True)
class InputReference:
    """The value of another input."""

    text: str


Operand = Literal | InputReference


@dataclass(frozen=True, slots=True)
class Comparison:
    """`= 5`, `< 5`, or just `5`."""

    operator: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class Interval:
    """`[1..5)`; each end is in or out."""

    low: Operand
    low_in: bool
    high: Operand
    high_in: bool

    @property
    def ends(self) -> tuple[Comparison, Comparison]:
        """The two comparisons that the interval stands for."""
        low = Comparison(Operator.AT_LEAST if self.low_in else Operator.MORE, self.low)
        return low, Comparison(Operator.AT_MOST if self.high_in else Operator.LESS, self.high)


Condition = Comparison | Interval


def in_text(condition: Condition, write: Callable[[Operand], str]) -> str:
    """Write a condition as it stands in a cell; `write` says how its values and names are written."""
    if isinstance(condition, Interval):
        opening, closing = "[" if condition.low_in else "(", "]" if condition.high_in else ")"
        return f"{opening}{write(condition.low)}..{write(condition.high)}{closing}"
    operand = write(condition.operand)
    return operand if condition.operator is Operator.EQUAL else f"{condition.operator.value} {operand}"


def compare(how: Operator, value: object, other: object) -> bool:
    """Compare two canonical values; different kinds never compare, and null only equals null."""
    if how is Operator.EQUAL:
        return same(value, other)
    if how is Operator.DIFFERENT:
        return value is not None and _comparable(value, other) and not same(value, other)
    kind = kind_of(value)
    return kind in ORDERED and kind is kind_of(other) and _ORDER[how](value, other)


def _comparable(value: object, other: object) -> bool:
    return other is None or kind_of(value) is kind_of(other)


def check_for(conditions: tuple[Condition, ...], *, negated: bool) -> Holds:
    """Make the function that says whether a canonical value fits; a list fits if an element does."""
    if not conditions:
        return _anything
    words = frozenset(word_of(condition) for condition in conditions)
    if None not in words:
        return _words_check(words, negated=negated)
    return _for_lists_too(_any_of([_check(condition) for condition in conditions]), negated=negated)


def _anything(_value: object, _inputs: Inputs) -> bool:
    return True


def _words_check(words: frozenset[str | None], *, negated: bool) -> Holds:
    """Look strings up in a set: the cell that nearly every table is made of."""

    def holds(value: object, _inputs: Inputs) -> bool:
        if type(value) is str:
            return (value in words) is not negated
        if type(value) is tuple:
            return any(type(item) is str and item in words for item in value) is not negated
        return negated

    return holds


def _for_lists_too(positive: Holds, *, negated: bool) -> Holds:
    def holds(value: object, inputs: Inputs) -> bool:
        if type(value) is tuple:
            return any(positive(item, inputs) for item in value) is not negated
        return positive(value, inputs) is not negated

    return holds


def word_of(condition: Condition) -> str | None:
    """Give the word that a condition asks for, if that is all it does."""
    match condition:
        case Comparison(Operator.EQUAL, Literal(str() as word)):
            return word
        case _:
            return None


def _any_of(checks: list[Holds]) -> Holds:
    if len(checks) == 1:
        return checks[0]
    return lambda value, inputs: any(check(value, inputs) for check in checks)


def _check(condition: Condition) -> Holds:
    if isinstance(condition, Interval):
        low, high = (_check(end) for end in condition.ends)
        return lambda value, inputs: low(value, inputs) and high(value, inputs)
    if isinstance(condition.operand, InputReference):
        return _name_check(condition.operator, condition.operand.text)
    return _literal_check(condition.operator, condition.operand.value)


def _literal_check(how: Operator, literal: object) -> Holds:
    kind = kind_of(literal)
    if how is Operator.DIFFERENT:
        return lambda value, _inputs: compare(how, value, literal)
    compared: Callable[[Any, Any], bool] = _ORDER.get(how, operator.eq)
    if kind is ValueKind.BOOLEAN or kind is ValueKind.NULL:
        return lambda value, _inputs: value is literal
    if kind is ValueKind.NUMBER:
        return lambda value, _inputs: type(value) in _NUMBERS and compared(value, literal)
    return lambda value, _inputs: kind_of(value) is kind and compared(value, literal)


def _name_check(how: Operator, name: str) -> Holds:
    def check(value: object, inputs: Inputs) -> bool:
        other = canonical(value_at(inputs, name))
        if type(other) is tuple and how is Operator.EQUAL:
            return any(same(value, item) for item in other)
        return compare(how, value, other)

    return check


def check_is_ordered(literal: object) -> bool:
    """Say whether a literal can stand beside `<` or in an interval."""
    return kind_of(literal) in ORDERED


def is_empty(low: Literal, high: Literal, *, both_in: bool) -> bool:
    """Say whether nothing lies between two ends of one kind."""
    first: Any = low.value
    last: Any = high.value
    return bool(first > last) or (first == last and not both_in)
