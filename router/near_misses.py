"""Find the rows that came close to matching."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from router.index_blur import apart
from router.index_blurred import BlurredIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from router.index import Index
    from router.index_masks import Rows
    from router.tables import DecisionTable, Row

    Values = tuple[object, ...]


def missed_once(table: DecisionTable, values: Values, before: Row, most: int) -> list[tuple[Row, int]]:
    """Give the first rows above another that failed in exactly one column, with the place of that column."""
    inputs = table.inputs_for(values)
    above = (
        _likely(table.index, values, before) if table.index else takewhile(lambda row: row is not before, table.rows)
    )
    found = []
    for row in above:
        if len(missed := row.misses(values, inputs)) == 1:
            found.append((row, missed[0]))
            if len(found) == most:
                break
    return found


def _likely(index: Index | BlurredIndex, values: Sequence[object], before: Row) -> Iterator[Row]:
    """Give the rows above another that failed in one column, and those of which the index cannot say it."""
    matching, missed, sure = index.all, 0, index.all ^ index.doubtful
    for may, does in _takes(index, values):
        missed = missed & may | matching & ~may
        matching &= may
        sure &= does
    # Like everywhere in the index, the highest bit is the first row.
    end = next((bit for bit in _bits(matching) if index.rows[-bit] is before), 0)
    return (index.rows[-bit] for bit in _bits(((missed | matching) & ~sure) >> end << end))


def _takes(index: Index | BlurredIndex, values: Sequence[object]) -> list[tuple[Rows, Rows]]:
    """Give for each column the rows whose cell may take its value, and those whose cell surely does."""
    found = [of.get(type(values[place]), rare)(values[place]) for place, of, rare in index.steps]
    if isinstance(index, BlurredIndex):
        return [apart(pair, len(index.rows)) for pair in found]
    return [(rows, rows) for rows in found]


def _bits(rows: Rows) -> Iterator[int]:
    while rows:
        first = rows.bit_length()
        yield first
        rows ^= 1 << (first - 1)


def closest(table: DecisionTable, values: Values, aside: Iterable[Row] = ()) -> list[Row]:
    """Give the rows that failed in the fewest columns; being `aside`, switched off, counts as one more."""
    inputs = table.by_name(values)  # a row that is aside may look at others where no row of the table does
    counted = [(len(row.misses(values, inputs)), row) for row in table.rows]
    counted += [(1 + len(row.misses(values, inputs)), row) for row in aside]
    fewest = min((count for count, _ in counted), default=0)
    return [row for count, row in counted if count == fewest]
