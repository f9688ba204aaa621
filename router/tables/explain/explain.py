"""Explain why a row decided, or why none did."""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING

from router.tables.decision import Undecided
from router.tables.explain.explanation import CellComparison, Explanation, MatchedRow, NearMiss
from router.tables.explain.wording import cell_in_words, describe_value, shorten
from router.tables.index.bitsets import positions_from_end
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from router.tables.decision import Decision
    from router.tables.feel.unary_test import Cell
    from router.tables.index.index import RowIndex
    from router.tables.model import Row
    from router.tables.table import DecisionTable

    InputValues = tuple[object, ...]


def find_near_misses(table: DecisionTable, values: InputValues, until: Row, max_rows: int) -> list[tuple[Row, int]]:
    """Return the first rows above `until` that mismatch in exactly one column, with the position of that column."""
    inputs = table.inputs_for_cells(values)
    above = (
        _candidate_rows(table.index, values, until)
        if table.index
        else takewhile(lambda row: row is not until, table.rows)
    )
    near_misses = []
    for row in above:
        if len(places := row.mismatches(values, inputs)) == 1:
            near_misses.append((row, places[0]))
            if len(near_misses) == max_rows:
                break
    return near_misses


def _candidate_rows(index: RowIndex, values: Sequence[object], until: Row) -> Iterator[Row]:
    """Yield the rows above `until` that may mismatch in one column only, according to the index.

    Rows that the index cannot evaluate are among them.
    """
    exact = index.exact
    matching, near = exact.all_rows, 0
    for place, by_type, rare in exact.lookups:
        accepting = by_type.get(type(values[place]), rare)(values[place])
        near = near & accepting | matching & ~accepting
        matching &= accepting
    end = next((place for place in positions_from_end(matching) if exact.rows[-place] is until), 0)
    candidates = near | matching & exact.unindexed_rows
    return (exact.rows[-place] for place in positions_from_end(candidates >> end << end))


def closest_rows(table: DecisionTable, values: InputValues, inactive_rows: Iterable[Row] = ()) -> list[Row]:
    """Return the rows with the fewest mismatches. Being switched off, as `inactive_rows` are, counts as one more."""
    inputs = table.values_by_name(values)  # an inactive row may refer to other inputs even if no row of the table does
    counts = [(len(row.mismatches(values, inputs)), row) for row in table.rows]
    counts += [(1 + len(row.mismatches(values, inputs)), row) for row in inactive_rows]
    fewest = min((count for count, _ in counts), default=0)
    return [row for count, row in counts if count == fewest]


# An explanation is stored with every request, so its length is limited.
MAX_ROWS = 5

MAX_CELLS = 20

_MAX_CELL_LENGTH = 160


def explain(decision: Decision | Undecided) -> Explanation:
    """Return the explanation of a decision, or of why nothing was decided."""
    return explain_undecided(decision) if isinstance(decision, Undecided) else explain_decision(decision)


def explanation_lines(decision: Decision | Undecided) -> list[str]:
    """Return the explanation of a decision, or of why nothing was decided, as sentences."""
    return explain(decision).sentences


def problem_of(undecided: Undecided) -> Problem:
    """Return the problem that a dead letter carries when nothing was decided."""
    detail = "\n".join(explanation_lines(undecided))
    return Problem(code=undecided.reason.value, sentence=undecided.sentence, detail=detail)


def explain_decision(decision: Decision) -> Explanation:
    """Explain which cells of the row matched which values, and which earlier rows mismatched in exactly one column."""
    table, values = decision.table, decision.values
    misses = find_near_misses(table, values, decision.row, MAX_ROWS) if len(decision.rows) == 1 else []
    return Explanation(
        reference=decision.reference,
        rows=tuple([describe_match(table, row, values) for row in decision.rows[:MAX_ROWS]]),
        used_up=tuple([row.id for row in decision.skipped[:MAX_ROWS]]),
        near_misses=tuple(
            [NearMiss(row=row.id, mismatches=(describe_cell(table, row, values, place),)) for row, place in misses]
        ),
    )


def explain_undecided(undecided: Undecided) -> Explanation:
    """Explain why nothing was decided: the rows that match nevertheless, or else the closest ones."""
    table, values = undecided.table, undecided.values
    reference = f"{table.id}@{table.version}"
    if undecided.rows:
        rows = [describe_match(table, row, values) for row in undecided.rows[:MAX_ROWS]]
        return Explanation(reference=reference, rows=tuple(rows))
    closest = closest_rows(table, values, undecided.inactive_rows)
    near = [_near_miss(table, row, values, undecided.inactive_rows) for row in closest[:MAX_ROWS]]
    return Explanation(reference=reference, near_misses=tuple(near), unnamed_near_misses=len(closest) - len(near))


def describe_match(table: DecisionTable, row: Row, values: Sequence[object]) -> MatchedRow:
    """Describe which cells of a matching row matched which values."""
    conditional = [place for place, cell in enumerate(row.cells) if not cell.is_any]
    return MatchedRow(
        row=row.id,
        cells=tuple([describe_cell(table, row, values, place) for place in conditional[:MAX_CELLS]]),
        more_cells=max(0, len(conditional) - MAX_CELLS),
        is_default=not row.cells,
    )


def _near_miss(table: DecisionTable, row: Row, values: tuple[object, ...], inactive_rows: Iterable[Row]) -> NearMiss:
    places = row.mismatches(values, table.values_by_name(values))[:MAX_CELLS]
    mismatches = tuple([describe_cell(table, row, values, place) for place in places])
    return NearMiss(row=row.id, mismatches=mismatches, inactive=any(row is other for other in inactive_rows))


def describe_cell(table: DecisionTable, row: Row, values: Sequence[object], place: int) -> CellComparison:
    """Describe the value of an input and the cell that it was compared with."""
    return CellComparison(table.inputs[place].name, describe_value(values[place]), _expected_in_words(row.cells[place]))


@lru_cache(maxsize=4096)  # the near misses are nearly always the same rows, and writing their cells takes longest
def _expected_in_words(cell: Cell) -> str:
    return shorten(cell_in_words(cell), _MAX_CELL_LENGTH)
