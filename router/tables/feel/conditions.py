"""The conditions of a cell, and how a value is checked against them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from router.tables.feel.values import ORDERED, ValueKind, are_equal, canonical, kind_of, value_at

InputContext = Mapping[str, object]
CellCheck = Callable[[object, InputContext], bool]

_NUMBERS = frozenset({int, Decimal})  # the types of canonical numbers; `type()` keeps bool out

NO_INPUTS: InputContext = MappingProxyType({})


class Operator(StrEnum):
    """A comparison operator, as FEEL spells it."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


_ORDER_COMPARISONS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.LESS: operator.lt,
    Operator.LESS_OR_EQUAL: operator.le,
    Operator.GREATER: operator.gt,
    Operator.GREATER_OR_EQUAL: operator.ge,
}


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the cell."""

    value: object
    text: str


@dataclass(frozen=True, slots=True)
class InputReference:
    """A reference to the value of another input."""

    text: str


Operand = Literal | InputReference


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison with one operand: `= 5`, `< 5`, or just `5`."""

    operator: Operator
    operand: Operand


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval such as `[1..5)`, with each end included or excluded."""

    low: Operand
    includes_low: bool
    high: Operand
    includes_high: bool

    @property
    def endpoint_comparisons(self) -> tuple[Comparison, Comparison]:
        """The two comparisons that the interval consists of."""
        low = Comparison(Operator.GREATER_OR_EQUAL if self.includes_low else Operator.GREATER, self.low)
        return low, Comparison(Operator.LESS_OR_EQUAL if self.includes_high else Operator.LESS, self.high)


Condition = Comparison | Interval


def condition_text(condition: Condition, operand_text: Callable[[Operand], str]) -> str:
    """Return the text of a condition in a cell; `operand_text` writes its values and names."""
    if isinstance(condition, Interval):
        opening, closing = "[" if condition.includes_low else "(", "]" if condition.includes_high else ")"
        return f"{opening}{operand_text(condition.low)}..{operand_text(condition.high)}{closing}"
    operand = operand_text(condition.operand)
    return operand if condition.operator is Operator.EQUAL else f"{condition.operator.value} {operand}"


def compare(comparison: Operator, value: object, other: object) -> bool:
    """Compare two canonical values. Values of different kinds never compare, and null equals only null."""
    if comparison is Operator.EQUAL:
        return are_equal(value, other)
    if comparison is Operator.NOT_EQUAL:
        return value is not None and _comparable(value, other) and not are_equal(value, other)
    kind = kind_of(value)
    return kind in ORDERED and kind is kind_of(other) and _ORDER_COMPARISONS[comparison](value, other)


def _comparable(value: object, other: object) -> bool:
    return other is None or kind_of(value) is kind_of(other)


def compile_check(conditions: tuple[Condition, ...], *, negated: bool) -> CellCheck:
    """Compile a function that checks a canonical value. A list matches if one of its elements does."""
    if not conditions:
        return _matches_any
    strings = frozenset(required_string(condition) for condition in conditions)
    if None not in strings:
        return _string_set_check(strings, negated=negated)
    return _with_list_elements(
        _any_predicate([_condition_predicate(condition) for condition in conditions]), negated=negated
    )


def _matches_any(_value: object, _inputs: InputContext) -> bool:
    return True


def _string_set_check(strings: frozenset[str | None], *, negated: bool) -> CellCheck:
    """Look strings up in a set: nearly every cell of a real table is a list of strings."""

    def check(value: object, _inputs: InputContext) -> bool:
        if type(value) is str:
            return (value in strings) is not negated
        if type(value) is tuple:
            return any(type(item) is str and item in strings for item in value) is not negated
        return negated

    return check


def _with_list_elements(positive: CellCheck, *, negated: bool) -> CellCheck:
    def check(value: object, inputs: InputContext) -> bool:
        if type(value) is tuple:
            return any(positive(item, inputs) for item in value) is not negated
        return positive(value, inputs) is not negated

    return check


def required_string(condition: Condition) -> str | None:
    """Return the string that a condition compares for equality; None for any other condition."""
    match condition:
        case Comparison(Operator.EQUAL, Literal(str() as text)):
            return text
        case _:
            return None


def _any_predicate(checks: list[CellCheck]) -> CellCheck:
    if len(checks) == 1:
        return checks[0]
    return lambda value, inputs: any(check(value, inputs) for check in checks)


def _condition_predicate(condition: Condition) -> CellCheck:
    if isinstance(condition, Interval):
        low, high = (_condition_predicate(end) for end in condition.endpoint_comparisons)
        return lambda value, inputs: low(value, inputs) and high(value, inputs)
    if isinstance(condition.operand, InputReference):
        return _reference_check(condition.operator, condition.operand.text)
    return _literal_predicate(condition.operator, condition.operand.value)


def _literal_predicate(comparison: Operator, literal: object) -> CellCheck:
    kind = kind_of(literal)
    if comparison is Operator.NOT_EQUAL:
        return lambda value, _inputs: compare(comparison, value, literal)
    compared: Callable[[Any, Any], bool] = _ORDER_COMPARISONS.get(comparison, operator.eq)
    if kind is ValueKind.BOOLEAN or kind is ValueKind.NULL:
        return lambda value, _inputs: value is literal
    if kind is ValueKind.NUMBER:
        return lambda value, _inputs: type(value) in _NUMBERS and compared(value, literal)
    return lambda value, _inputs: kind_of(value) is kind and compared(value, literal)


def _reference_check(comparison: Operator, name: str) -> CellCheck:
    def check(value: object, inputs: InputContext) -> bool:
        other = canonical(value_at(inputs, name))
        if type(other) is tuple and comparison is Operator.EQUAL:
            return any(are_equal(value, item) for item in other)
        return compare(comparison, value, other)

    return check


def is_ordered(literal: object) -> bool:
    """Return whether a literal may stand beside `<` or in an interval."""
    return kind_of(literal) in ORDERED


def is_empty_interval(low: Literal, high: Literal, *, includes_both: bool) -> bool:
    """Return whether no value lies between two ends of the same kind."""
    first: Any = low.value
    last: Any = high.value
    return bool(first > last) or (first == last and not includes_both)
