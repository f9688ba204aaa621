"""Put into words why a row decided, or why none did."""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

from router.tables.decision import Undecided
from router.tables.explain.explanation import CellComparison, Explanation, MatchedRow, NearMiss
from router.tables.explain.wording import cell_in_words, shortened, value_in_words
from router.tables.index.bitsets import places_from_end
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from router.tables.decision import Decision
    from router.tables.feel.unary_test import Cell
    from router.tables.index.index import AnyIndex
    from router.tables.model import Row
    from router.tables.table import DecisionTable

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


# More than these nobody reads, and they are stored with every request.
MOST_ROWS = 5

MOST_CELLS = 20

_LONGEST_CELL = 160


def explain(decision: Decision | Undecided) -> Explanation:
    """Explain a decision, or why nothing was decided."""
    return explain_undecided(decision) if isinstance(decision, Undecided) else explain_decision(decision)


def explanation_lines(decision: Decision | Undecided) -> list[str]:
    """Explain a decision, or why nothing was decided, one sentence per line."""
    return explain(decision).sentences


def problem_of(undecided: Undecided) -> Problem:
    """Return the problem that a dead letter carries when nothing was decided."""
    detail = "\n".join(explanation_lines(undecided))
    return Problem(code=undecided.reason.value, sentence=undecided.sentence, detail=detail)


def explain_decision(decision: Decision) -> Explanation:
    """Say which cells of the row took which values, and which earlier rows failed in exactly one column."""
    table, values = decision.table, decision.values
    missed = missed_once(table, values, decision.row, MOST_ROWS) if len(decision.rows) == 1 else []
    return Explanation(
        reference=decision.reference,
        rows=tuple([matched(table, row, values) for row in decision.rows[:MOST_ROWS]]),
        used_up=tuple([row.id for row in decision.skipped[:MOST_ROWS]]),
        close=tuple([NearMiss(row=row.id, misses=(seen(table, row, values, at),)) for row, at in missed]),
    )


def explain_undecided(undecided: Undecided) -> Explanation:
    """Say which rows match all the same, or else which came closest."""
    table, values = undecided.table, undecided.values
    reference = f"{table.id}@{table.version}"
    if undecided.rows:
        rows = [matched(table, row, values) for row in undecided.rows[:MOST_ROWS]]
        return Explanation(reference=reference, rows=tuple(rows))
    found = closest(table, values, undecided.aside)
    close = [_close(table, row, values, undecided.aside) for row in found[:MOST_ROWS]]
    return Explanation(reference=reference, close=tuple(close), as_close=len(found) - len(close))


def matched(table: DecisionTable, row: Row, values: Sequence[object]) -> MatchedRow:
    """Say which cells of a row that matches took which values."""
    asking = [place for place, cell in enumerate(row.cells) if not cell.is_any]
    return MatchedRow(
        row=row.id,
        cells=tuple([seen(table, row, values, place) for place in asking[:MOST_CELLS]]),
        more=max(0, len(asking) - MOST_CELLS),
        is_default=not row.cells,
    )


def _close(table: DecisionTable, row: Row, values: tuple[object, ...], aside: Iterable[Row]) -> NearMiss:
    places = row.misses(values, table.by_name(values))[:MOST_CELLS]
    missed = tuple([seen(table, row, values, place) for place in places])
    return NearMiss(row=row.id, misses=missed, switched_off=any(row is other for other in aside))


def seen(table: DecisionTable, row: Row, values: Sequence[object], place: int) -> CellComparison:
    """Put a value and the cell that it met into words."""
    return CellComparison(table.inputs[place].name, value_in_words(values[place]), _wanted(row.cells[place]))


@lru_cache(maxsize=4096)  # the rows above are nearly always the same, and their words take longest
def _wanted(cell: Cell) -> str:
    return shortened(cell_in_words(cell), _LONGEST_CELL)
