"""Find the rows of a large table that match without trying them one by one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from router.tables.feel.values import canonical
from router.tables.index.bitsets import masks_of, places_from_end
from router.tables.index.coarse_index import blurred_index
from router.tables.index.coarse_sets import is_worth_blurring
from router.tables.index.columns import compile_column
from router.tables.index.lookups import narrowed
from router.tables.index.word_index import FEWEST_FILED, filed_index

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TypeAlias

    from router.tables.feel.conditions import Inputs
    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import ColumnMasks, Rows
    from router.tables.index.coarse_index import BlurredIndex
    from router.tables.index.lookups import Steps
    from router.tables.index.word_index import FiledIndex
    from router.tables.table import Row

    AnyIndex: TypeAlias = "Index | BlurredIndex | FiledIndex"


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Which rows take which value, column by column.

    `doubtful` rows look at other inputs; they are asked once more whether they match.
    """

    rows: Sequence[Row]
    all: Rows
    doubtful: Rows
    steps: Steps

    @property
    def exact(self) -> Index:
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


def compile_index(rows: Sequence[Row], width: int) -> AnyIndex:
    """Compile the rows of a table with so many inputs."""
    columns = {place: [row.cells[place] for row in rows] for place in range(width)}
    masks = {place: masks_of(cells) for place, cells in columns.items() if not all(cell.is_any for cell in cells)}
    # The column that leaves the fewest rows comes first: a value that nothing takes ends the search there.
    order = sorted(masks, key=lambda place: masks[place].usual_share(len(rows)))
    exact = _exact_index(rows, columns, masks, order)
    if is_worth_blurring(list(masks.values()), len(rows)):
        return blurred_index(exact, masks)
    return (filed_index(exact) if len(rows) >= FEWEST_FILED else None) or exact


def _exact_index(
    rows: Sequence[Row], columns: Mapping[int, Sequence[Cell]], masks: Mapping[int, ColumnMasks], order: Sequence[int]
) -> Index:
    exact = {place: compile_column(columns[place], masks[place]) for place in order}
    return Index(
        rows=rows,
        all=(1 << len(rows)) - 1,
        doubtful=reduce(or_, (of.doubtful for of in masks.values()), 0),
        steps=tuple((place, exact[place].by_type, exact[place].rare) for place in order),
    )
