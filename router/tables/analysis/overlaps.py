"""Find rows that never decide, and rows that overlap."""

from __future__ import annotations

from itertools import accumulate, islice
from typing import TYPE_CHECKING

from router.tables.analysis.findings import Overlap, Overlaps, UnreachableRow
from router.tables.analysis.search import StepBudget, UncoveredSearch
from router.tables.analysis.space import ids_of_rows
from router.tables.analysis.wording import describe_box, example_of
from router.tables.feel.values import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.analysis.space import Box, ValueSpace
    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import RowSet
    from router.tables.model import Input, Row


def list_inputs_reaching(inputs: Sequence[Input], row: Row, covering: Sequence[Row]) -> tuple[str, ...]:
    """Return the inputs whose lists may still reach a row, although `covering` rows accept all of its single values."""
    columns = zip(inputs, row.cells, zip(*[cells.cells for cells in covering], strict=True), strict=True)
    return tuple(column.name for column, cell, cells in columns if column.may_be_list and not _cover_lists(cell, cells))


def _cover_lists(cell: Cell, covering_cells: Sequence[Cell]) -> bool:
    """Return whether cells that accept every single value of a cell certainly accept its lists too.

    An element that matches the cell also matches one of those above. But a list may have further elements, which
    `not(…)` rejects, and an empty list has none.
    """
    if all(other.is_any for other in covering_cells):
        return True
    if cell.negated:
        return len(covering_cells) == 1 and covering_cells[0].negated
    return not cell.is_any and not cell.referenced_inputs and not any(other.negated for other in covering_cells)


def find_unreachable(
    space: ValueSpace, budget: StepBudget, *, is_first_policy: bool
) -> tuple[list[UnreachableRow], list[str]]:
    """Find the rows that never decide. Return them, and the ids of rows for which the budget did not suffice."""
    unreachable: list[UnreachableRow] = []
    unknown: list[str] = []
    for place, row in enumerate(space.table.rows):
        box = space.box_of_row(place)
        if not all(box):
            unreachable.append(UnreachableRow(row=row.id, covered_by=()))
        elif is_first_policy:
            covering = _find_cover(space, box, space.rows_above(place) & ~space.unindexed_rows, budget)
            if covering is None:
                unknown.append(row.id)
            elif covering:
                covering_rows = [space.table.rows[covering_rows] for covering_rows in space.positions(covering)]
                lists = list_inputs_reaching(space.table.inputs, row, covering_rows)
                unreachable.append(
                    UnreachableRow(row=row.id, covered_by=ids_of_rows(space, covering), list_inputs=lists)
                )
    return unreachable, unknown


def _find_cover(space: ValueSpace, box: Box, rows_above: RowSet, budget: StepBudget) -> RowSet | None:
    """Return rows that together accept the whole box; 0 if they do not cover it, None if the budget was spent."""
    overlapping = space.rows_overlapping(box) & rows_above
    if not overlapping:
        return 0
    if covering := space.rows_covering(box) & overlapping:
        return 1 << (covering.bit_length() - 1)
    # One row may not spend the steps of all others.
    row_budget = StepBudget(min(budget.remaining, max(1_000, budget.remaining // 20)))
    granted_steps = row_budget.remaining
    uncovered = UncoveredSearch(space, box, row_budget).find_uncovered(overlapping)
    budget.remaining -= granted_steps - row_budget.remaining
    if uncovered is not None:
        return 0
    return None if row_budget.is_spent else _minimal_cover(space, box, overlapping, row_budget)


def _minimal_cover(space: ValueSpace, box: Box, rows: RowSet, budget: StepBudget) -> RowSet:
    """Leave out every row without which the box is still covered, until the budget is spent."""
    for place in reversed(list(space.positions(rows))):
        without = rows & ~space.row_bit(place)
        if UncoveredSearch(space, box, budget).find_uncovered(without) is None and not budget.is_spent:
            rows = without
    return rows


def find_overlaps(space: ValueSpace, max_pairs: int, unreachable: Sequence[UnreachableRow] = ()) -> Overlaps:
    """Find pairs of rows that both match some values; up to `max_pairs`, the most important first."""
    ids = {each.row for each in unreachable}
    table = _OverlappingPairs(
        space, sum(space.row_bit(place) for place, row in enumerate(space.table.rows) if row.id in ids)
    )
    ranks = table.pairs_by_rank()
    pairs = (
        table.describe_pair(place, other) for rank in ranks for place, below in rank for other in space.positions(below)
    )
    partly, differing, count = accumulate(sum(below.bit_count() for _, below in rank) for rank in ranks)
    return Overlaps(pairs=tuple(islice(pairs, max_pairs)), partial_count=partly, differing_count=differing, count=count)


class _OverlappingPairs:
    """For each row, the rows below it that overlap with it, have the same outputs, or are nested with it."""

    def __init__(self, space: ValueSpace, unreachable: RowSet) -> None:
        self._space = space
        self._unreachable = unreachable  # rows that never decide; they are reported separately
        indexed = space.rows & ~space.unindexed_rows
        boxes = [space.box_of_row(place) for place in range(len(space.table.rows))]
        self._boxes = boxes
        self._overlapping_below = [
            space.rows_overlapping(box) & indexed & (space.row_bit(place) - 1)
            if indexed & space.row_bit(place) and all(box)
            else 0
            for place, box in enumerate(boxes)
        ]
        self._same_outputs = _rows_by_outputs(space)

    def pairs_by_rank(self) -> list[list[tuple[int, RowSet]]]:
        """Return the pairs by importance.

        Partial overlaps with different outputs, exceptions to a rule, same outputs.
        """
        ranks: list[list[tuple[int, RowSet]]] = [[], [], []]
        for place, below in enumerate(self._overlapping_below):
            differing = below & ~self._same_outputs[place]
            nested = differing & (self._space.rows_covering(self._boxes[place]) | self._unreachable_with(place))
            for rank, rows in zip(ranks, (differing & ~nested, nested, below & ~differing), strict=True):
                rank.append((place, rows))
        return ranks

    def _unreachable_with(self, place: int) -> RowSet:
        return self._space.rows if self._unreachable & self._space.row_bit(place) else self._unreachable

    def describe_pair(self, place: int, other: int) -> Overlap:
        """Return the overlap of two rows, with its values in words and an example."""
        rows = self._space.table.rows
        box, other_box = self._boxes[place], self._boxes[other]
        shared = tuple(some & classes for some, classes in zip(box, other_box, strict=True))
        return Overlap(
            rows=(rows[place].id, rows[other].id),
            same_outputs=bool(self._same_outputs[place] & self._space.row_bit(other)),
            nested=shared in (box, other_box),
            where=describe_box(self._space, shared),
            example=example_of(self._space, shared),
        )


def _rows_by_outputs(space: ValueSpace) -> list[RowSet]:
    """Return for each row the set of rows with the same outputs."""
    keys = [_outputs_key(space, place) for place in range(len(space.table.rows))]
    rows_by_key: dict[object, RowSet] = {}
    for place, key in enumerate(keys):
        rows_by_key[key] = rows_by_key.get(key, 0) | space.row_bit(place)
    return [rows_by_key[key] for key in keys]


def _outputs_key(space: ValueSpace, place: int) -> object:
    outputs = space.table.rows[place].outputs
    return tuple((name, kind_of(value), value) for name, value in sorted(outputs.items()))
