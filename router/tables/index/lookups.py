"""Search the class of a value among the points of its kind, and give what belongs to that class."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from decimal import Decimal
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from router.tables.feel.values import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Steps = tuple[tuple[int, Mapping[type, "ValueLookup[int]"], "ValueLookup[int]"], ...]  # sets of rows are ints

Found = TypeVar("Found")
Found_co = TypeVar("Found_co", covariant=True)


class ValueLookup(Protocol[Found_co]):
    """Finds what belongs to a value."""

    def __call__(self, value: Any, /) -> Found_co:  # noqa: ANN401 - of the kind or type that it is for
        """Look it up."""


def narrowed(found: int, steps: Steps, values: Sequence[object]) -> int:
    """Keep of a set what takes the value of every column; each step is a column's place, its look-ups and the rest."""
    for place, by_type, rare in steps:
        value = values[place]
        found &= by_type.get(type(value), rare)(value)
        if not found:
            break
    return found


class _RowSets(dict[object, Found]):
    """Sets of rows by value; `__getitem__` of a dict is quicker to call than any function that we could write."""

    def __init__(self, rows: Mapping[object, Found], other: Found) -> None:
        super().__init__(rows)
        self._other = other

    def __missing__(self, _value: object) -> Found:
        return self._other


def by_equality(rows: Mapping[object, Found], other: Found) -> ValueLookup[Found]:
    """Search a value that only points take."""
    return _RowSets(rows, other).__getitem__


def numbers_only(look_up: ValueLookup[Found], of_nothing: Found) -> ValueLookup[Found]:
    """Guard a search against decimals that are no numbers: they cannot be searched, and some not even be hashed."""
    return lambda value: of_nothing if value.is_nan() else look_up(value)


def by_order(points: tuple[Any, ...], masks: Sequence[Found]) -> ValueLookup[Found]:
    """Search a value among points and what lies between them."""
    count = len(points)

    def look_up(value: Any) -> Found:  # noqa: ANN401 - of the kind of the points
        at = bisect_left(points, value)
        is_point = at < count and points[at] == value
        return masks[2 * at + is_point]

    return look_up


def by_number(
    points: tuple[int | Decimal, ...], masks: Sequence[Found], of_nothing: Found
) -> dict[type, ValueLookup[Found]]:
    """Search numbers of every type, exactly; `of_nothing` is for a float that is no number.

    Floats are compared in a quarter of the time of decimals, so the nearest floats of the points are searched. The
    points themselves are looked at only where a float is the same.
    """
    floats = (*map(nearest, points), inf)  # the last one ends every search

    def of_any(value: float | Decimal) -> Found:
        try:
            near = float(value)
        except OverflowError:
            near = nearest(value)
        at = bisect_left(floats, near)
        if floats[at] == near:
            return masks[exactly(canonical(value), at, near)]
        return masks[2 * at] if near == near else of_nothing  # noqa: PLR0124 - what is no number equals nothing

    def exactly(value: Any, at: int, near: float) -> int:  # noqa: ANN401 - what a float means is a decimal
        end = bisect_right(floats, near, at, len(points))
        at = bisect_left(points, value, at, end)
        return 2 * at + (at < end and points[at] == value)

    plain = _by_plain_number(floats[:-1], masks, of_nothing) if all(map(_is_plain, points)) else {}
    return {int: of_any, Decimal: of_any, float: of_any, **plain}


def _by_plain_number(
    floats: Sequence[float], masks: Sequence[Found], of_nothing: Found
) -> dict[type, ValueLookup[Found]]:
    """Search whole numbers and floats among points that are floats themselves: how many edges are not above it?"""
    edges = tuple([edge for point in floats for edge in (point, nextafter(point, inf))])

    def of_int(value: int) -> Found:
        try:
            return masks[bisect_right(edges, float(value))]
        except OverflowError:  # a whole number of more than 308 digits
            return masks[-1 if value > 0 else 0]

    def of_float(value: float) -> Found:
        return masks[bisect_right(edges, value)] if value == value else of_nothing  # noqa: PLR0124 - see above

    return {int: of_int, float: of_float}


def _is_plain(point: int | Decimal) -> bool:
    """Say whether a number is what its nearest float is written as, and not too large for floats beside it."""
    return -_WHOLE < point < _WHOLE and canonical(float(point)) == point


_WHOLE = 2**53  # up to here every whole number is a float


def nearest(number: float | Decimal) -> float:
    """Give the float next to a number; beyond all floats, infinity."""
    try:
        return float(number)
    except OverflowError:  # a whole number of more than 308 digits
        return inf if number > 0 else -inf
