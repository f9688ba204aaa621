"""Find the rows that match from the exact set of rows that each column takes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from router.tables.feel.values import canonical
from router.tables.index.bitsets import places_from_end
from router.tables.index.columns import compile_column
from router.tables.index.lookups import narrowed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.feel.conditions import Inputs
    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import ColumnBitsets, Rows
    from router.tables.index.lookups import Steps
    from router.tables.model import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactIndex:
    """Which rows take which value, column by column.

    `doubtful` rows look at other inputs; they are asked once more whether they match.
    """

    rows: Sequence[Row]
    all: Rows
    doubtful: Rows
    steps: Steps

    @property
    def exact(self) -> ExactIndex:
        """What an index that takes short cuts has, too: the sets of all rows, which leave nothing open."""
        return self

    def first(self, values: tuple[object, ...], inputs: Inputs) -> Row | None:
        """Give the first row that matches, without the cost of an iterator where no row is doubtful."""
        if self.doubtful:
            return next(self.hits(values, inputs), None)
        found = narrowed(self.all, self.steps, values)
        return self.rows[-found.bit_length()] if found else None

    def hits(self, values: tuple[object, ...], inputs: Inputs) -> Iterator[Row]:
        """Give the rows that match, in order."""
        found = narrowed(self.all, self.steps, values)
        if found and self.doubtful:
            values = tuple(map(canonical, values))
        for place in places_from_end(found):
            row = self.rows[-place]
            if not self.doubtful >> (place - 1) & 1 or row.matches(values, inputs):
                yield row


def exact_index(
    rows: Sequence[Row], columns: Mapping[int, Sequence[Cell]], masks: Mapping[int, ColumnBitsets], order: Sequence[int]
) -> ExactIndex:
    """Compile the sets of rows of every column; columns are looked up in `order`."""
    exact = {place: compile_column(columns[place], masks[place]) for place in order}
    return ExactIndex(
        rows=rows,
        all=(1 << len(rows)) - 1,
        doubtful=reduce(or_, (of.doubtful for of in masks.values()), 0),
        steps=tuple((place, exact[place].by_type, exact[place].rare) for place in order),
    )
