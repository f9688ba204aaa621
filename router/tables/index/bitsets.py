"""For each column, the sets of rows that accept each class of values."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import xor
from typing import TYPE_CHECKING

from router.tables.feel.values import ValueKind
from router.tables.index.scales import accepts_all_but_null, build_scales, class_ranges, conditions_by_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.index.scales import KindConditions, Scale, Scales

# A set of rows is an int: Python intersects two sets of a thousand rows in 40 ns. The last row is bit 0, so that the
# bit length of the int finds the first row of a set without creating another int.
RowSet = int


def positions_from_end(rows: RowSet) -> Iterator[int]:
    """Yield the positions of the rows in a set, the first row first. They count from the end: the last row is 1."""
    while rows:
        first = rows.bit_length()
        yield first
        rows ^= 1 << (first - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBitsets:
    """The rows that accept each class of values of one column. A list is looked up by its elements.

    Attributes:
        scales: the values that occur in cells, by kind.
        rows_by_class: for each kind with a scale, the rows that accept each class of that scale.
        null_rows: the rows that accept a missing value, where no cell contains null.
        other_kind_rows: the rows that accept a value of a kind without a scale.
        unconditional_rows: the rows in all of the sets above: those without a condition here, and `unindexed_rows`.
        negated_rows: the rows whose cell is `not(…)`. In the sets above they already count as rows that accept a class
            if the content of `not` does not match it.
        unindexed_rows: the rows whose cell refers to another input. Whether they match must be tested row by row.
    """

    scales: Scales
    rows_by_class: Mapping[ValueKind, Sequence[RowSet]]
    null_rows: RowSet
    other_kind_rows: RowSet
    unconditional_rows: RowSet
    negated_rows: RowSet
    unindexed_rows: RowSet

    def average_share(self, count: int) -> float:
        """Return the average share of `count` rows that accept a value, if every class is equally likely."""
        counts = [rows.bit_count() for sets in self.rows_by_class.values() for rows in sets]
        return sum(counts) / max(1, len(counts) * count)


def column_bitsets(cells: Sequence[Cell], more_cells: Iterable[Cell] = ()) -> ColumnBitsets:
    """Build the sets of rows of a column from its cells, one per row.

    The values in `more_cells` separate classes too, although these cells are in no set.
    """
    bits = [(1 << place, cell, conditions_by_kind(cell)) for place, cell in enumerate(reversed(cells))]
    fixed = [(bit, conditions) for bit, _, conditions in bits if conditions]
    scales = build_scales(
        [*(conditions for _, conditions in fixed), *filter(None, map(conditions_by_kind, more_cells))]
    )
    negated = sum(bit for bit, cell, conditions in bits if conditions and cell.negated)
    unconditional = ((1 << len(cells)) - 1) ^ sum(bit for bit, _ in fixed)
    everything = sum(bit for bit, conditions in fixed if accepts_all_but_null(conditions))
    # `not` inverts every class alike, so it is applied once, to the initial set of each kind.
    initial = {kind: unconditional ^ negated ^ (0 if kind is ValueKind.NULL else everything) for kind in ValueKind}
    return ColumnBitsets(
        scales=scales,
        rows_by_class={
            kind: _rows_by_class(kind, scale, fixed, initial[kind], everything) for kind, scale in scales.items()
        },
        null_rows=initial[ValueKind.NULL],
        other_kind_rows=initial[ValueKind.OTHER],
        unconditional_rows=unconditional,
        negated_rows=negated,
        unindexed_rows=sum(bit for bit, _, conditions in bits if conditions is None),
    )


def _rows_by_class(
    kind: ValueKind, scale: Scale, cells: Iterable[tuple[RowSet, KindConditions]], initial: RowSet, everything: RowSet
) -> list[RowSet]:
    """Return the rows of each class.

    A row enters where a class range of its cell begins, and leaves where the range ends.
    """
    toggled = [initial, *[0] * scale.size]
    in_already = 0 if kind is ValueKind.NULL else everything
    for bit, conditions in cells:
        for first, end in () if bit & in_already else class_ranges(conditions, kind, scale):
            toggled[first] ^= bit
            toggled[end] ^= bit
    same: dict[RowSet, RowSet] = {}  # many classes have the same rows, and a set of 10,000 rows takes a kilobyte
    return [same.setdefault(rows, rows) for rows in accumulate(toggled[:-1], xor)]
