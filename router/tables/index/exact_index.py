"""Find the matching rows from the exact set of rows that accept a value in each column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from router.tables.feel.values import canonical
from router.tables.index.bitsets import positions_from_end
from router.tables.index.columns import compile_column
from router.tables.index.lookups import intersect_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.feel.conditions import InputContext
    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import ColumnBitsets, RowSet
    from router.tables.index.lookups import ColumnLookups
    from router.tables.model import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactIndex:
    """Which rows accept which value, column by column. `unindexed_rows` are tested once more after the look-up."""

    rows: Sequence[Row]
    all_rows: RowSet
    unindexed_rows: RowSet
    lookups: ColumnLookups

    @property
    def exact(self) -> ExactIndex:
        """The index itself. The other indexes have the same attribute, for what they cannot decide."""
        return self

    def first_match(self, values: tuple[object, ...], inputs: InputContext) -> Row | None:
        """Return the first row that matches; without an iterator, which would cost time, if all rows are indexed."""
        if self.unindexed_rows:
            return next(self.matching_rows(values, inputs), None)
        rows = intersect_columns(self.all_rows, self.lookups, values)
        return self.rows[-rows.bit_length()] if rows else None

    def matching_rows(self, values: tuple[object, ...], inputs: InputContext) -> Iterator[Row]:
        """Yield the rows that match, in table order."""
        rows = intersect_columns(self.all_rows, self.lookups, values)
        if rows and self.unindexed_rows:
            values = tuple(map(canonical, values))
        for place in positions_from_end(rows):
            row = self.rows[-place]
            if not self.unindexed_rows >> (place - 1) & 1 or row.matches(values, inputs):
                yield row


def build_exact_index(
    rows: Sequence[Row],
    columns: Mapping[int, Sequence[Cell]],
    bitsets: Mapping[int, ColumnBitsets],
    order: Sequence[int],
) -> ExactIndex:
    """Compile the row sets of every column. `order` is the order in which the columns are looked up."""
    indexes = {place: compile_column(columns[place], bitsets[place]) for place in order}
    return ExactIndex(
        rows=rows,
        all_rows=(1 << len(rows)) - 1,
        unindexed_rows=reduce(or_, (column.unindexed_rows for column in bitsets.values()), 0),
        lookups=tuple((place, indexes[place].by_type, indexes[place].rows_for_other_type) for place in order),
    )
