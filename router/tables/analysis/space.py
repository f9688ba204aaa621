"""The value space of a table: which rows overlap a box of values, and which cover all of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import and_, or_
from typing import TYPE_CHECKING

from router.tables.analysis.axes import build_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from router.tables.analysis.axes import Axis, ClassSet
    from router.tables.index.bitsets import RowSet
    from router.tables.table import DecisionTable

Box = tuple["ClassSet", ...]  # the classes of each axis


class SegmentTree:
    """A segment tree over the row sets of classes: it combines the sets of any range of classes in few steps."""

    def __init__(self, leaves: list[RowSet], combine: Callable[[RowSet, RowSet], RowSet], neutral: RowSet) -> None:
        self._combine = combine
        self._neutral = neutral
        self._size = len(leaves)
        self._nodes = [neutral] * self._size + leaves
        for place in range(self._size - 1, 0, -1):
            self._nodes[place] = combine(self._nodes[2 * place], self._nodes[2 * place + 1])

    def join(self, first: int, end: int) -> RowSet:
        """Combine the sets from `first` to just before `end`."""
        result = self._neutral
        low, high = first + self._size, end + self._size
        while low < high:
            if low & 1:
                result = self._combine(result, self._nodes[low])
                low += 1
            if high & 1:
                high -= 1
                result = self._combine(result, self._nodes[high])
            low, high = low >> 1, high >> 1
        return result


def contiguous_ranges(classes: ClassSet) -> Iterator[tuple[int, int]]:
    """Yield the ranges of adjacent classes in a set, the lowest first."""
    while classes:
        first = (classes & -classes).bit_length() - 1
        above = ~(classes >> first)
        end = first + (above & -above).bit_length() - 1
        yield first, end
        classes = classes >> end << end


class AxisRows:
    """The rows that accept classes on one axis. Results are remembered by set of classes."""

    def __init__(self, axis: Axis, rows: RowSet) -> None:
        size = max(axis.classes, default=0) + 1
        self._all = rows
        self._any_tree = SegmentTree(
            [axis.classes[bit].rows if bit in axis.classes else 0 for bit in range(size)], or_, 0
        )
        self._all_tree = SegmentTree(
            [axis.classes[bit].rows if bit in axis.classes else rows for bit in range(size)], and_, rows
        )
        self._overlapping: dict[ClassSet, RowSet] = {}
        self._covering: dict[ClassSet, RowSet] = {}

    def rows_overlapping(self, classes: ClassSet) -> RowSet:
        """Return the rows that accept some of these classes."""
        if classes not in self._overlapping:
            self._overlapping[classes] = reduce(
                or_, (self._any_tree.join(*run) for run in contiguous_ranges(classes)), 0
            )
        return self._overlapping[classes]

    def rows_covering(self, classes: ClassSet) -> RowSet:
        """Return the rows whose cell on this axis accepts every value of all these classes."""
        if classes not in self._covering:
            self._covering[classes] = reduce(
                and_, (self._all_tree.join(*run) for run in contiguous_ranges(classes)), self._all
            )
        return self._covering[classes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSpace:
    """All single values of a table's inputs. A list is treated as its elements, one by one.

    A row with a cell that refers to other inputs counts as accepting any value there, and is in `unindexed_rows`.
    """

    table: DecisionTable
    axes: tuple[Axis, ...]
    rows: RowSet
    unindexed_rows: RowSet
    _rows_on_axes: tuple[AxisRows, ...]

    @property
    def expected(self) -> Box:
        """The box of values that the columns are meant for."""
        return tuple(axis.expected for axis in self.axes)

    @property
    def all_values(self) -> Box:
        """The box of all values."""
        return tuple(axis.all_classes for axis in self.axes)

    def box_of_row(self, place: int) -> Box:
        """Return the box that a row accepts."""
        return tuple(axis.classes_by_row[place] for axis in self.axes)

    def row_bit(self, place: int) -> RowSet:
        """Return the set that contains one row."""
        return 1 << (len(self.table.rows) - 1 - place)

    def rows_above(self, place: int) -> RowSet:
        """Return the set of the rows above a row."""
        return self.rows ^ ((1 << (len(self.table.rows) - place)) - 1)

    def rows_overlapping(self, box: Box) -> RowSet:
        """Return the rows that accept part of a box."""
        return reduce(
            and_, (on.rows_overlapping(classes) for on, classes in zip(self._rows_on_axes, box, strict=True)), self.rows
        )

    def rows_covering(self, box: Box) -> RowSet:
        """Return the rows that accept the whole box."""
        return reduce(
            and_, (on.rows_covering(classes) for on, classes in zip(self._rows_on_axes, box, strict=True)), self.rows
        )

    def rows_covering_from(self, box: Box, order: Sequence[int]) -> list[RowSet]:
        """Return for each step of an axis order the rows that accept the box on this axis and all later ones.

        Last, all rows.
        """
        covering = [self._rows_on_axes[axis].rows_covering(box[axis]) for axis in reversed(order)]
        return list(accumulate(covering, and_, initial=self.rows))[::-1]

    def positions(self, rows: RowSet) -> Iterator[int]:
        """Yield the positions of the rows of a set, from the top."""
        while rows:
            yield len(self.table.rows) - rows.bit_length()
            rows ^= 1 << (rows.bit_length() - 1)


def build_space(table: DecisionTable) -> ValueSpace:
    """Build the value space of a table."""
    axes = tuple(
        build_axis(column, [row.cells[place] for row in table.rows]) for place, column in enumerate(table.inputs)
    )
    rows = (1 << len(table.rows)) - 1
    return ValueSpace(
        table=table,
        axes=axes,
        rows=rows,
        unindexed_rows=reduce(or_, (axis.unindexed_rows for axis in axes), 0),
        _rows_on_axes=tuple(AxisRows(axis, rows) for axis in axes),
    )


def ids_of_rows(space: ValueSpace, rows: RowSet) -> tuple[str, ...]:
    """Return the ids of the rows of a set, from the top."""
    return tuple(space.table.rows[place].id for place in space.positions(rows))
