"""Find the class of a value among the points of its kind, and return what is stored for that class."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from decimal import Decimal
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from router.tables.feel.values import canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    ColumnLookups = tuple[
        tuple[int, Mapping[type, "ValueLookup[int]"], "ValueLookup[int]"], ...
    ]  # sets of rows are ints

ResultT = TypeVar("ResultT")
Result_co = TypeVar("Result_co", covariant=True)


class ValueLookup(Protocol[Result_co]):
    """Returns what is stored for a value, such as a set of rows."""

    def __call__(self, value: Any, /) -> Result_co:  # noqa: ANN401 - of the kind or type that it is for
        """Return the result for a value."""


def intersect_columns(rows: int, steps: ColumnLookups, values: Sequence[object]) -> int:
    """Return the rows of a set that accept the value of every column.

    Each step is the position of a column, its look-ups by type, and the look-up for other types.
    """
    for place, by_type, rare in steps:
        value = values[place]
        rows &= by_type.get(type(value), rare)(value)
        if not rows:
            break
    return rows


class _RowSets(dict[object, ResultT]):
    """Results by value, with a default. `dict.__getitem__` is faster to call than a function written in Python."""

    def __init__(self, rows: Mapping[object, ResultT], other: ResultT) -> None:
        super().__init__(rows)
        self._other = other

    def __missing__(self, _value: object) -> ResultT:
        return self._other


def equality_lookup(rows: Mapping[object, ResultT], other: ResultT) -> ValueLookup[ResultT]:
    """Return a look-up for a column with equality conditions only. `other` is the result for all other values."""
    return _RowSets(rows, other).__getitem__


def with_nan_check(look_up: ValueLookup[ResultT], nan_result: ResultT) -> ValueLookup[ResultT]:
    """Return a look-up that first checks for NaN: NaN cannot be searched, and a signalling NaN cannot be hashed."""
    return lambda value: nan_result if value.is_nan() else look_up(value)


def ordered_lookup(points: tuple[Any, ...], results: Sequence[ResultT]) -> ValueLookup[ResultT]:
    """Return a look-up that finds a value among points, or in the interval between two of them."""
    count = len(points)

    def look_up(value: Any) -> ResultT:  # noqa: ANN401 - of the kind of the points
        at = bisect_left(points, value)
        is_point = at < count and points[at] == value
        return results[2 * at + is_point]

    return look_up


def number_lookups(
    points: tuple[int | Decimal, ...], results: Sequence[ResultT], nan_result: ResultT
) -> dict[type, ValueLookup[ResultT]]:
    """Return exact look-ups for each type of number. `nan_result` is the result for NaN.

    Comparing floats takes a quarter of the time of comparing decimals, so the floats nearest to the points are
    searched. The points themselves are compared only where their nearest float equals that of the value.
    """
    floats = (*map(nearest_float, points), inf)  # infinity ends every search

    def look_up_any(value: float | Decimal) -> ResultT:
        try:
            near = float(value)
        except OverflowError:
            near = nearest_float(value)
        at = bisect_left(floats, near)
        if floats[at] == near:
            return results[class_of(canonical(value), at, near)]
        return results[2 * at] if near == near else nan_result  # noqa: PLR0124 - NaN does not equal itself

    def class_of(value: Any, at: int, near: float) -> int:  # noqa: ANN401 - any canonical number
        end = bisect_right(floats, near, at, len(points))
        at = bisect_left(points, value, at, end)
        return 2 * at + (at < end and points[at] == value)

    plain = _plain_number_lookups(floats[:-1], results, nan_result) if all(map(_is_exact_float, points)) else {}
    return {int: look_up_any, Decimal: look_up_any, float: look_up_any, **plain}


def _plain_number_lookups(
    floats: Sequence[float], results: Sequence[ResultT], nan_result: ResultT
) -> dict[type, ValueLookup[ResultT]]:
    """Return look-ups for ints and floats among points that are exact floats, by the number of edges below a value."""
    edges = tuple([edge for point in floats for edge in (point, nextafter(point, inf))])

    def look_up_int(value: int) -> ResultT:
        try:
            return results[bisect_right(edges, float(value))]
        except OverflowError:  # an int of more than 308 digits
            return results[-1 if value > 0 else 0]

    def look_up_float(value: float) -> ResultT:
        return results[bisect_right(edges, value)] if value == value else nan_result  # noqa: PLR0124 - see above

    return {int: look_up_int, float: look_up_float}


def _is_exact_float(point: int | Decimal) -> bool:
    """Return whether a number equals the decimal text of its nearest float, and is small enough for exact ints."""
    return -_MAX_EXACT_INT < point < _MAX_EXACT_INT and canonical(float(point)) == point


_MAX_EXACT_INT = 2**53  # up to here every int is exactly a float


def nearest_float(number: float | Decimal) -> float:
    """Return the float nearest to a number; infinity if it is beyond all floats."""
    try:
        return float(number)
    except OverflowError:  # an int of more than 308 digits
        return inf if number > 0 else -inf
