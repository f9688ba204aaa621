"""Search the parts of a box that no row takes, within a number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.analysis.space import runs

if TYPE_CHECKING:
    from router.tables.analysis.axes import Axis, Classes
    from router.tables.analysis.space import Box, ValueSpace
    from router.tables.index.bitsets import Rows


class StepBudget:
    """Counts steps, so that a table whose search would take years ends it in time."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @property
    def is_spent(self) -> bool:
        """Whether no steps are left: what was found so far is true, but not all."""
        return self.left <= 0


class UncoveredSearch:
    """Goes through a box axis by axis, and on each axis once for all classes that the same rows take.

    What it learned of some rows from some axis on holds for the whole box, so it is remembered.
    """

    def __init__(self, space: ValueSpace, box: Box, budget: StepBudget) -> None:
        self._axes = space.axes
        self._box = box
        self._budget = budget
        # The fewest classes first: what is common to many parts is then found out only once.
        self._order = sorted(range(len(box)), key=lambda axis: box[axis].bit_count())
        self._covering = space.taking_from(box, self._order)
        self._covered: set[tuple[int, Rows]] = set()
        self._missed: dict[tuple[int, Rows], tuple[Box, ...]] = {}

    def one_missed(self, rows: Rows, depth: int = 0) -> Box | None:
        """Find a part of the box that none of these rows takes; None: there is none, or the steps were spent."""
        if not rows:
            return self._box
        if rows & self._covering[depth] or (depth, rows) in self._covered or self._budget.is_spent:
            return None
        axis = self._order[depth]
        parts = self._parts(axis, rows)
        for left in sorted(parts, key=int.bit_count):
            found = self.one_missed(left, depth + 1)
            if found is not None:
                return (*found[:axis], parts[left], *found[axis + 1 :])
        if not self._budget.is_spent:
            self._covered.add((depth, rows))
        return None

    def all_missed(self, rows: Rows) -> list[Box]:
        """Find all parts of the box that none of these rows takes, or some if the steps were spent."""
        back = sorted(range(len(self._order)), key=self._order.__getitem__)
        return [tuple(found[place] for place in back) for found in self._missed_from(rows, 0)]

    def _missed_from(self, rows: Rows, depth: int) -> tuple[Box, ...]:
        """Find the parts from some axis on; what is missed alike on an axis is one part."""
        if not rows:
            return (tuple(self._box[axis] for axis in self._order[depth:]),)
        if rows & self._covering[depth] or self._budget.is_spent:
            return ()
        if (depth, rows) in self._missed:
            return self._missed[depth, rows]
        found: dict[Box, Classes] = {}
        for left, classes in self._parts(self._order[depth], rows).items():
            for rest in self._missed_from(left, depth + 1):
                found[rest] = found.get(rest, 0) | classes
        missed = tuple((classes, *rest) for rest, classes in found.items())
        self._budget.left -= len(missed)
        if not self._budget.is_spent:
            self._missed[depth, rows] = missed
        return missed

    def _parts(self, axis: int, rows: Rows) -> dict[Rows, Classes]:
        """Part the classes of an axis by which of these rows take them."""
        classes = self._box[axis]
        few = rows.bit_count() ** 2 < classes.bit_count()
        parts = _by_row(self._axes[axis], rows, classes) if few else _by_class(self._axes[axis], rows, classes)
        self._budget.left -= rows.bit_count() * len(parts) if few else classes.bit_count()
        return parts


def _by_row(axis: Axis, rows: Rows, classes: Classes) -> dict[Rows, Classes]:
    """Part the classes by one row after the other: quick where rows are few."""
    parts: dict[Rows, Classes] = {0: classes}
    count = len(axis.of_row)
    while rows:
        length = rows.bit_length()
        bit, taken = 1 << (length - 1), axis.of_row[count - length]
        inside = {left | bit: some & taken for left, some in parts.items() if some & taken}
        outside = {left: some & ~taken for left, some in parts.items() if some & ~taken}
        parts = inside | outside
        rows ^= bit
    return parts


def _by_class(axis: Axis, rows: Rows, classes: Classes) -> dict[Rows, Classes]:
    """Part the classes by looking at each of them."""
    parts: dict[Rows, Classes] = {}
    for first, end in runs(classes):
        for place in range(first, end):
            left = rows & axis.classes[place].rows
            parts[left] = parts.get(left, 0) | 1 << place
    return parts
