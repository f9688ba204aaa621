"""Search a box of values for parts that no row accepts, within a number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.analysis.space import contiguous_ranges

if TYPE_CHECKING:
    from router.tables.analysis.axes import Axis, ClassSet
    from router.tables.analysis.space import Box, ValueSpace
    from router.tables.index.bitsets import RowSet


class StepBudget:
    """Counts steps down, so that a search that would take too long ends early."""

    def __init__(self, steps: int) -> None:
        self.remaining = steps

    @property
    def is_spent(self) -> bool:
        """Whether no steps are left. What was found so far is correct but may be incomplete."""
        return self.remaining <= 0


class UncoveredSearch:
    """Searches a box axis by axis. On each axis, classes that the same rows accept are handled as one.

    Results for a set of rows from a certain axis on do not depend on the axes before, so they are remembered.
    """

    def __init__(self, space: ValueSpace, box: Box, budget: StepBudget) -> None:
        self._axes = space.axes
        self._box = box
        self._budget = budget
        # The axes with the fewest classes come first, so that more parts share their remembered results.
        self._order = sorted(range(len(box)), key=lambda axis: box[axis].bit_count())
        self._covering = space.rows_covering_from(box, self._order)
        self._covered: set[tuple[int, RowSet]] = set()
        self._uncovered: dict[tuple[int, RowSet], tuple[Box, ...]] = {}

    def find_uncovered(self, rows: RowSet, depth: int = 0) -> Box | None:
        """Return a part of the box that none of these rows accepts; None if there is none or the budget is spent."""
        if not rows:
            return self._box
        if rows & self._covering[depth] or (depth, rows) in self._covered or self._budget.is_spent:
            return None
        axis = self._order[depth]
        parts = self._partition(axis, rows)
        for left in sorted(parts, key=int.bit_count):
            part = self.find_uncovered(left, depth + 1)
            if part is not None:
                return (*part[:axis], parts[left], *part[axis + 1 :])
        if not self._budget.is_spent:
            self._covered.add((depth, rows))
        return None

    def find_all_uncovered(self, rows: RowSet) -> list[Box]:
        """Return all parts of the box that none of these rows accepts, or some of them if the budget is spent."""
        original_order = sorted(range(len(self._order)), key=self._order.__getitem__)
        return [tuple(part[place] for place in original_order) for part in self._find_uncovered_from(rows, 0)]

    def _find_uncovered_from(self, rows: RowSet, depth: int) -> tuple[Box, ...]:
        """Return the uncovered parts from the axis at `depth` on, with equal parts merged."""
        if not rows:
            return (tuple(self._box[axis] for axis in self._order[depth:]),)
        if rows & self._covering[depth] or self._budget.is_spent:
            return ()
        if (depth, rows) in self._uncovered:
            return self._uncovered[depth, rows]
        classes_by_later_axes: dict[Box, ClassSet] = {}
        for remaining_rows, classes in self._partition(self._order[depth], rows).items():
            for later_axes in self._find_uncovered_from(remaining_rows, depth + 1):
                classes_by_later_axes[later_axes] = classes_by_later_axes.get(later_axes, 0) | classes
        uncovered = tuple((classes, *later_axes) for later_axes, classes in classes_by_later_axes.items())
        self._budget.remaining -= len(uncovered)
        if not self._budget.is_spent:
            self._uncovered[depth, rows] = uncovered
        return uncovered

    def _partition(self, axis: int, rows: RowSet) -> dict[RowSet, ClassSet]:
        """Group the classes of an axis by which of these rows accept them."""
        classes = self._box[axis]
        has_few_rows = rows.bit_count() ** 2 < classes.bit_count()
        parts = (
            _partition_by_row(self._axes[axis], rows, classes)
            if has_few_rows
            else _partition_by_class(self._axes[axis], rows, classes)
        )
        self._budget.remaining -= rows.bit_count() * len(parts) if has_few_rows else classes.bit_count()
        return parts


def _partition_by_row(axis: Axis, rows: RowSet, classes: ClassSet) -> dict[RowSet, ClassSet]:
    """Group the classes row by row. It is faster for few rows."""
    parts: dict[RowSet, ClassSet] = {0: classes}
    count = len(axis.classes_by_row)
    while rows:
        length = rows.bit_length()
        bit, accepted = 1 << (length - 1), axis.classes_by_row[count - length]
        inside = {accepting | bit: some & accepted for accepting, some in parts.items() if some & accepted}
        outside = {accepting: some & ~accepted for accepting, some in parts.items() if some & ~accepted}
        parts = inside | outside
        rows ^= bit
    return parts


def _partition_by_class(axis: Axis, rows: RowSet, classes: ClassSet) -> dict[RowSet, ClassSet]:
    """Group the classes class by class."""
    parts: dict[RowSet, ClassSet] = {}
    for first, end in contiguous_ranges(classes):
        for place in range(first, end):
            accepting = rows & axis.classes[place].rows
            parts[accepting] = parts.get(accepting, 0) | 1 << place
    return parts
