"""Ask which rows of a table touch a box of values, and which take all of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from itertools import accumulate
from operator import and_, or_
from typing import TYPE_CHECKING

from router.tables.analysis.axes import axis_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from router.tables.analysis.axes import Axis, Classes
    from router.tables.index.bitsets import Rows
    from router.tables.table import DecisionTable

Box = tuple["Classes", ...]  # the classes of each axis


class RangeUnionTree:
    """Joins the row sets of any stretch of classes in a few steps: each node holds the join of its two halves."""

    def __init__(self, leaves: list[Rows], join: Callable[[Rows, Rows], Rows], neutral: Rows) -> None:
        self._join = join
        self._neutral = neutral
        self._size = len(leaves)
        self._nodes = [neutral] * self._size + leaves
        for place in range(self._size - 1, 0, -1):
            self._nodes[place] = join(self._nodes[2 * place], self._nodes[2 * place + 1])

    def joined(self, first: int, end: int) -> Rows:
        """Join the sets from `first` to just before `end`."""
        found = self._neutral
        low, high = first + self._size, end + self._size
        while low < high:
            if low & 1:
                found = self._join(found, self._nodes[low])
                low += 1
            if high & 1:
                high -= 1
                found = self._join(found, self._nodes[high])
            low, high = low >> 1, high >> 1
        return found


def runs(classes: Classes) -> Iterator[tuple[int, int]]:
    """Give the stretches of neighbours in a set, from the lowest."""
    while classes:
        first = (classes & -classes).bit_length() - 1
        above = ~(classes >> first)
        end = first + (above & -above).bit_length() - 1
        yield first, end
        classes = classes >> end << end


class AxisRows:
    """What the rows of a table do on one axis; asked for the same classes again, it answers from memory."""

    def __init__(self, axis: Axis, rows: Rows) -> None:
        size = max(axis.classes, default=0) + 1
        self._all = rows
        self._any = RangeUnionTree(
            [axis.classes[bit].rows if bit in axis.classes else 0 for bit in range(size)], or_, 0
        )
        self._every = RangeUnionTree(
            [axis.classes[bit].rows if bit in axis.classes else rows for bit in range(size)], and_, rows
        )
        self._touching: dict[Classes, Rows] = {}
        self._taking: dict[Classes, Rows] = {}

    def touching(self, classes: Classes) -> Rows:
        """Give the rows that take some of these classes."""
        if classes not in self._touching:
            self._touching[classes] = reduce(or_, (self._any.joined(*run) for run in runs(classes)), 0)
        return self._touching[classes]

    def taking(self, classes: Classes) -> Rows:
        """Give the rows that take all of these classes."""
        if classes not in self._taking:
            self._taking[classes] = reduce(and_, (self._every.joined(*run) for run in runs(classes)), self._all)
        return self._taking[classes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueSpace:
    """All values of a table's inputs, single values only: a list is taken for its elements one by one.

    A row whose cell looks at other inputs counts as taking any value there, and is `doubtful`.
    """

    table: DecisionTable
    axes: tuple[Axis, ...]
    rows: Rows
    doubtful: Rows
    _on: tuple[AxisRows, ...]

    @property
    def expected(self) -> Box:
        """The values that the columns are made for."""
        return tuple(axis.expected for axis in self.axes)

    @property
    def everything(self) -> Box:
        """All values."""
        return tuple(axis.all for axis in self.axes)

    def box_of(self, place: int) -> Box:
        """Give what a row takes."""
        return tuple(axis.of_row[place] for axis in self.axes)

    def bit(self, place: int) -> Rows:
        """Give the set of one row."""
        return 1 << (len(self.table.rows) - 1 - place)

    def above(self, place: int) -> Rows:
        """Give the set of the rows above a row."""
        return self.rows ^ ((1 << (len(self.table.rows) - place)) - 1)

    def touching(self, box: Box) -> Rows:
        """Give the rows that take something of a box."""
        return reduce(and_, (on.touching(classes) for on, classes in zip(self._on, box, strict=True)), self.rows)

    def taking(self, box: Box) -> Rows:
        """Give the rows that take the whole box."""
        return reduce(and_, (on.taking(classes) for on, classes in zip(self._on, box, strict=True)), self.rows)

    def taking_from(self, box: Box, order: Sequence[int]) -> list[Rows]:
        """Give for each step of an order of axes the rows that take the box there and further on; last, all rows."""
        on_each = [self._on[axis].taking(box[axis]) for axis in reversed(order)]
        return list(accumulate(on_each, and_, initial=self.rows))[::-1]

    def places(self, rows: Rows) -> Iterator[int]:
        """Give the places of the rows of a set, from the top."""
        while rows:
            yield len(self.table.rows) - rows.bit_length()
            rows ^= 1 << (rows.bit_length() - 1)


def space_of(table: DecisionTable) -> ValueSpace:
    """Put the rows of a table on the axes of its inputs."""
    axes = tuple(axis_of(column, [row.cells[place] for row in table.rows]) for place, column in enumerate(table.inputs))
    rows = (1 << len(table.rows)) - 1
    return ValueSpace(
        table=table,
        axes=axes,
        rows=rows,
        doubtful=reduce(or_, (axis.doubtful for axis in axes), 0),
        _on=tuple(AxisRows(axis, rows) for axis in axes),
    )


def named_rows(space: ValueSpace, rows: Rows) -> tuple[str, ...]:
    """Give the ids of the rows of a set, from the top."""
    return tuple(space.table.rows[place].id for place in space.places(rows))
