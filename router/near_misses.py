"""Find the rows that came close to matching."""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING

from router.tables.index.bitsets import places_from_end

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from router.tables.index.index import AnyIndex
    from router.tables.table import DecisionTable, Row

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


def _likely(index: AnyIndex, values: Sequence[object], before: Row) -> Iterator[Row]:
    """Give the rows above another that failed in one column, and those of which the index cannot say it."""
    exact = index.exact
    matching, missed = exact.all, 0
    for place, by_type, rare in exact.steps:
        takes = by_type.get(type(values[place]), rare)(values[place])
        missed = missed & takes | matching & ~takes
        matching &= takes
    end = next((place for place in places_from_end(matching) if exact.rows[-place] is before), 0)
    likely = missed | matching & exact.doubtful
    return (exact.rows[-place] for place in places_from_end(likely >> end << end))


def closest(table: DecisionTable, values: Values, aside: Iterable[Row] = ()) -> list[Row]:
    """Give the rows that failed in the fewest columns; being `aside`, switched off, counts as one more."""
    inputs = table.by_name(values)  # a row that is aside may look at others where no row of the table does
    counted = [(len(row.misses(values, inputs)), row) for row in table.rows]
    counted += [(1 + len(row.misses(values, inputs)), row) for row in aside]
    fewest = min((count for count, _ in counted), default=0)
    return [row for count, row in counted if count == fewest]
