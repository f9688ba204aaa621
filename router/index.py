"""Find the rows of a large table that match without trying them one by one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from router.index_columns import compile_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from router.conditions import Inputs
    from router.index_columns import ColumnIndex
    from router.index_masks import Rows
    from router.tables import Row

    LookUp = Callable[[object], Rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Which rows take which value, column by column.

    `doubtful` rows look at other inputs; they are asked once more whether they match.
    """

    rows: Sequence[Row]
    all: Rows
    doubtful: Rows
    steps: tuple[tuple[int, Mapping[type, LookUp], LookUp], ...]

    def candidates(self, values: Sequence[object]) -> Rows:
        """Give the rows whose every cell takes its value, doubtful ones among them."""
        found = self.all
        for place, by_type, rare in self.steps:
            value = values[place]
            # `ColumnIndex.rows_for` without the call, which would take as long as the look-up.
            found &= by_type.get(type(value), rare)(value)
            if not found:
                break
        return found

    def hits(self, values: tuple[object, ...], inputs: Inputs) -> Iterator[Row]:
        """Give the rows that match, in order."""
        found = self.candidates(values)
        while found:
            from_end = found.bit_length()
            row = self.rows[-from_end]
            if not self.doubtful or not self.doubtful >> (from_end - 1) & 1 or row.matches(values, inputs):
                yield row
            found ^= 1 << (from_end - 1)


def compile_index(rows: Sequence[Row], width: int) -> Index:
    """Compile the rows of a table with so many inputs."""
    columns = {place: [row.cells[place] for row in rows] for place in range(width)}
    asking = {
        place: compile_column(cells) for place, cells in columns.items() if not all(cell.is_any for cell in cells)
    }
    # The column that leaves the fewest rows comes first: a value that nothing takes ends the search there.
    order = sorted(asking, key=lambda place: _rows_left(asking[place]))
    return Index(
        rows=rows,
        all=(1 << len(rows)) - 1,
        doubtful=reduce(or_, (column.masks.doubtful for column in asking.values()), 0),
        steps=tuple((place, asking[place].by_type, asking[place].rare) for place in order),
    )


def _rows_left(column: ColumnIndex) -> float:
    """Give the number of rows that a value leaves on average, each class of values taken as likely as another."""
    counts = [rows.bit_count() for of_kind in column.masks.of_class.values() for rows in of_kind]
    return sum(counts) / max(1, len(counts))
