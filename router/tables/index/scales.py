"""Put the values that a column's cells name in order, and say which stretch of that order a cell covers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from router.tables.feel.conditions import Comparison, Interval, Literal, Operator
from router.tables.feel.values import ORDERED, ValueKind, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from router.tables.feel.conditions import Condition, Operand
    from router.tables.feel.unary_test import Cell

OffsetRange = tuple[int, int]  # the first class, and the one after the last
Asked = list[tuple[ValueKind, "Condition"]]  # what a cell asks for, and of which kind of value


@dataclass(frozen=True, slots=True)
class Scale:
    """The values of one kind that the cells of a column name, in order.

    They part all values of the kind into classes that no cell tells apart: class 2i + 1 is the i-th point itself,
    class 2i what lies between it and the point before, the last class what lies above all.
    """

    points: tuple[Any, ...]
    class_of: Mapping[object, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_of", {point: 2 * place + 1 for place, point in enumerate(self.points)})

    @property
    def size(self) -> int:
        """How many classes there are."""
        return 2 * len(self.points) + 1


Scales = dict[ValueKind, Scale]


def asked(cell: Cell) -> Asked | None:
    """Give the conditions of a cell with the kind of each.

    None: the cell cannot be put on scales, because what it takes depends on other inputs, or on moments without order.
    """
    found: Asked = []
    for condition in cell.conditions:
        kind = _kind(condition)
        if kind is None:
            return None
        found.append((kind, condition))
    return found


def _kind(condition: Condition) -> ValueKind | None:
    if isinstance(condition, Interval):
        low, high = _kind_of_operand(condition.low), _kind_of_operand(condition.high)
        return low if low is high and low in ORDERED else None
    kind = _kind_of_operand(condition.operand)
    return kind if kind in ORDERED or condition.operator in (Operator.EQUAL, Operator.DIFFERENT) else None


def _kind_of_operand(operand: Operand) -> ValueKind | None:
    if isinstance(operand, Literal) and not wanders(operand.value):
        return kind_of(operand.value)
    return None


def wanders(value: object) -> bool:
    """Say whether a moment is in a zone that changes its offset: Python gives such moments no order to rely on."""
    # Two of one zone are compared by their clocks, two of different zones by the instant, and one that an
    # offset change makes ambiguous equals none of another zone (PEP 495).
    zone = getattr(value, "tzinfo", None)
    return zone is not None and zone.utcoffset(None) is None


def scales_of(cells: Iterable[Asked]) -> Scales:
    """Collect the values that cells name, by kind."""
    found: dict[ValueKind, set[Any]] = {}
    for conditions in cells:
        for kind, condition in conditions:
            found.setdefault(kind, set()).update(_points(condition))
    if ValueKind.BOOLEAN in found:
        found[ValueKind.BOOLEAN] = {False, True}  # there is nothing else between and beside them
    return {kind: Scale(tuple(sorted(points))) for kind, points in found.items()}


def _points(condition: Condition) -> tuple[object, ...]:
    match condition:
        case Interval(Literal(low), _, Literal(high)):
            return low, high
        case Comparison(_, Literal(value)):
            return (value,)
        case _:
            return ()


def takes_everything(conditions: Asked) -> bool:
    """Say whether `!= null` is among the conditions: it takes every value of every kind but null."""
    return any(
        kind is ValueKind.NULL and getattr(one, "operator", None) is Operator.DIFFERENT for kind, one in conditions
    )


def stretches(conditions: Asked, kind: ValueKind, scale: Scale) -> list[OffsetRange]:
    """Say which classes of a scale the conditions cover; no two stretches share one."""
    found: list[OffsetRange] = []
    for of_kind, condition in conditions:
        if of_kind is kind:
            found += _stretches(condition, scale)
    return found if len(found) < 2 else _merged(found)  # noqa: PLR2004 - one cannot overlap


def _stretches(condition: Condition, scale: Scale) -> tuple[OffsetRange, ...]:
    if isinstance(condition, Interval):
        low, high = (scale.class_of[point] for point in _points(condition))
        return ((low + (not condition.low_in), high + condition.high_in),)
    (point,) = _points(condition)
    return _COVERED[condition.operator](scale.class_of[point], scale.size)


_COVERED: dict[Operator, Callable[[int, int], tuple[OffsetRange, ...]]] = {
    Operator.EQUAL: lambda at, _: ((at, at + 1),),
    Operator.DIFFERENT: lambda at, end: ((0, at), (at + 1, end)),
    Operator.LESS: lambda at, _: ((0, at),),
    Operator.AT_MOST: lambda at, _: ((0, at + 1),),
    Operator.MORE: lambda at, end: ((at + 1, end),),
    Operator.AT_LEAST: lambda at, end: ((at, end),),
}


def _merged(parts: list[OffsetRange]) -> list[OffsetRange]:
    """Join stretches that touch or overlap."""
    joined: list[OffsetRange] = []
    for first, end in sorted(parts):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((first, end))
    return joined
