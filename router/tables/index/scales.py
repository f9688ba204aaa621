"""Order the values that occur in the cells of a column, and compute which classes of values a cell covers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from router.tables.feel.conditions import Comparison, Interval, Literal, Operator
from router.tables.feel.values import ORDERED, ValueKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from router.tables.feel.conditions import Condition, Operand
    from router.tables.feel.unary_test import Cell

ClassRange = tuple[int, int]  # the first class, and the one after the last
KindConditions = list[tuple[ValueKind, "Condition"]]  # the conditions of a cell, each with the kind of its values


@dataclass(frozen=True, slots=True)
class Scale:
    """The values of one kind that occur in the cells of a column, in ascending order.

    They divide all values of the kind into classes within which every cell gives the same result. Class 2i + 1 is the
    i-th point, class 2i the values between it and the point before, the last class the values above all points.
    """

    points: tuple[Any, ...]
    class_of: Mapping[object, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_of", {point: 2 * place + 1 for place, point in enumerate(self.points)})

    @property
    def size(self) -> int:
        """The number of classes."""
        return 2 * len(self.points) + 1


Scales = dict[ValueKind, Scale]


def conditions_by_kind(cell: Cell) -> KindConditions | None:
    """Return the conditions of a cell with the kind of each.

    None: the cell cannot be put on scales, because it refers to another input or to moments that have no reliable
    order.
    """
    conditions: KindConditions = []
    for condition in cell.conditions:
        kind = _kind_of_condition(condition)
        if kind is None:
            return None
        conditions.append((kind, condition))
    return conditions


def _kind_of_condition(condition: Condition) -> ValueKind | None:
    if isinstance(condition, Interval):
        low, high = _kind_of_operand(condition.low), _kind_of_operand(condition.high)
        return low if low is high and low in ORDERED else None
    kind = _kind_of_operand(condition.operand)
    return kind if kind in ORDERED or condition.operator in (Operator.EQUAL, Operator.NOT_EQUAL) else None


def _kind_of_operand(operand: Operand) -> ValueKind | None:
    if isinstance(operand, Literal) and not has_variable_offset(operand.value):
        return kind_of(operand.value)
    return None


def has_variable_offset(value: object) -> bool:
    """Return whether a moment is in a zone whose offset changes. Python does not order such moments reliably."""
    # Two moments of one zone are compared by their clocks, two of different zones by the instant, and one that
    # an offset change makes ambiguous equals no moment of another zone (PEP 495).
    zone = getattr(value, "tzinfo", None)
    return zone is not None and zone.utcoffset(None) is None


def build_scales(cells: Iterable[KindConditions]) -> Scales:
    """Collect the values that occur in cells, by kind."""
    points_by_kind: dict[ValueKind, set[Any]] = {}
    for conditions in cells:
        for kind, condition in conditions:
            points_by_kind.setdefault(kind, set()).update(_points(condition))
    if ValueKind.BOOLEAN in points_by_kind:
        points_by_kind[ValueKind.BOOLEAN] = {False, True}  # there are no other values of this kind
    return {kind: Scale(tuple(sorted(points))) for kind, points in points_by_kind.items()}


def _points(condition: Condition) -> tuple[object, ...]:
    match condition:
        case Interval(Literal(low), _, Literal(high)):
            return low, high
        case Comparison(_, Literal(value)):
            return (value,)
        case _:
            return ()


def accepts_all_but_null(conditions: KindConditions) -> bool:
    """Return whether `!= null` is among the conditions: it accepts every value of every kind but null."""
    return any(
        kind is ValueKind.NULL and getattr(condition, "operator", None) is Operator.NOT_EQUAL
        for kind, condition in conditions
    )


def class_ranges(conditions: KindConditions, kind: ValueKind, scale: Scale) -> list[ClassRange]:
    """Return the ranges of classes of a scale that the conditions cover, without overlaps."""
    ranges: list[ClassRange] = []
    for of_kind, condition in conditions:
        if of_kind is kind:
            ranges += _condition_ranges(condition, scale)
    return ranges if len(ranges) < 2 else _merge(ranges)  # noqa: PLR2004 - one cannot overlap


def _condition_ranges(condition: Condition, scale: Scale) -> tuple[ClassRange, ...]:
    if isinstance(condition, Interval):
        low, high = (scale.class_of[point] for point in _points(condition))
        return ((low + (not condition.includes_low), high + condition.includes_high),)
    (point,) = _points(condition)
    return _COVERED_RANGES[condition.operator](scale.class_of[point], scale.size)


_COVERED_RANGES: dict[Operator, Callable[[int, int], tuple[ClassRange, ...]]] = {
    Operator.EQUAL: lambda at, _: ((at, at + 1),),
    Operator.NOT_EQUAL: lambda at, end: ((0, at), (at + 1, end)),
    Operator.LESS: lambda at, _: ((0, at),),
    Operator.LESS_OR_EQUAL: lambda at, _: ((0, at + 1),),
    Operator.GREATER: lambda at, end: ((at + 1, end),),
    Operator.GREATER_OR_EQUAL: lambda at, end: ((at, end),),
}


def _merge(parts: list[ClassRange]) -> list[ClassRange]:
    """Merge ranges that touch or overlap."""
    joined: list[ClassRange] = []
    for first, end in sorted(parts):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return joined
