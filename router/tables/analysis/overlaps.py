"""Find rows that never decide, and rows that overlap."""

from __future__ import annotations

from itertools import accumulate, islice
from typing import TYPE_CHECKING

from router.tables.analysis.findings import Overlap, Overlaps, Unreachable
from router.tables.analysis.search import StepBudget, UncoveredSearch
from router.tables.analysis.space import ids_of_rows
from router.tables.analysis.wording import box_in_words, example_of
from router.tables.feel.values import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.analysis.space import Box, ValueSpace
    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import Rows
    from router.tables.model import Input, Row


def list_inputs_reaching(inputs: Sequence[Input], row: Row, covering: Sequence[Row]) -> tuple[str, ...]:
    """Return the inputs whose lists may still reach a row, although `covering` rows accept all of its single values."""
    columns = zip(inputs, row.cells, zip(*[above.cells for above in covering], strict=True), strict=True)
    return tuple(column.name for column, cell, above in columns if column.may_be_list and not _cover_lists(cell, above))


def _cover_lists(cell: Cell, above: Sequence[Cell]) -> bool:
    """Return whether cells that accept every single value of a cell certainly accept its lists too.

    An element that matches the cell also matches one of those above. But a list may have further elements, which
    `not(…)` rejects, and an empty list has none.
    """
    if all(other.is_any for other in above):
        return True
    if cell.negated:
        return len(above) == 1 and above[0].negated
    return not cell.is_any and not cell.names and not any(other.negated for other in above)


def find_unreachable(
    space: ValueSpace, budget: StepBudget, *, is_first_policy: bool
) -> tuple[list[Unreachable], list[str]]:
    """Find the rows that never decide. Return them, and the ids of rows for which the budget did not suffice."""
    unreachable: list[Unreachable] = []
    unknown: list[str] = []
    for place, row in enumerate(space.table.rows):
        box = space.box_of_row(place)
        if not all(box):
            unreachable.append(Unreachable(row=row.id, covered_by=()))
        elif is_first_policy:
            covering = _covering(space, box, space.rows_above(place) & ~space.unindexed_rows, budget)
            if covering is None:
                unknown.append(row.id)
            elif covering:
                above = [space.table.rows[above] for above in space.positions(covering)]
                lists = list_inputs_reaching(space.table.inputs, row, above)
                unreachable.append(Unreachable(row=row.id, covered_by=ids_of_rows(space, covering), list_inputs=lists))
    return unreachable, unknown


def _covering(space: ValueSpace, box: Box, above: Rows, budget: StepBudget) -> Rows | None:
    """Return rows that together accept the whole box; 0 if they do not cover it, None if the budget was spent."""
    overlapping = space.rows_overlapping(box) & above
    if not overlapping:
        return 0
    if alone := space.rows_covering(box) & overlapping:
        return 1 << (alone.bit_length() - 1)
    # One row may not spend the steps of all others.
    own = StepBudget(min(budget.remaining, max(1_000, budget.remaining // 20)))
    granted = own.remaining
    uncovered = UncoveredSearch(space, box, own).find_uncovered(overlapping)
    budget.remaining -= granted - own.remaining
    if uncovered is not None:
        return 0
    return None if own.is_spent else _minimal_cover(space, box, overlapping, own)


def _minimal_cover(space: ValueSpace, box: Box, rows: Rows, budget: StepBudget) -> Rows:
    """Leave out every row without which the box is still covered, until the budget is spent."""
    for place in reversed(list(space.positions(rows))):
        without = rows & ~space.row_bit(place)
        if UncoveredSearch(space, box, budget).find_uncovered(without) is None and not budget.is_spent:
            rows = without
    return rows


def find_overlaps(space: ValueSpace, max_pairs: int, unreachable: Sequence[Unreachable] = ()) -> Overlaps:
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

    def __init__(self, space: ValueSpace, unreachable: Rows) -> None:
        self._space = space
        self._unreachable = unreachable  # rows that never decide; they are reported separately
        sure = space.rows & ~space.unindexed_rows
        boxes = [space.box_of_row(place) for place in range(len(space.table.rows))]
        self._boxes = boxes
        self._below = [
            space.rows_overlapping(box) & sure & (space.row_bit(place) - 1)
            if sure & space.row_bit(place) and all(box)
            else 0
            for place, box in enumerate(boxes)
        ]
        self._same_outputs = _rows_by_outputs(space)

    def pairs_by_rank(self) -> list[list[tuple[int, Rows]]]:
        """Return the pairs by importance.

        Partial overlaps with different outputs, exceptions to a rule, same outputs.
        """
        ranks: list[list[tuple[int, Rows]]] = [[], [], []]
        for place, below in enumerate(self._below):
            differing = below & ~self._same_outputs[place]
            nested = differing & (self._space.rows_covering(self._boxes[place]) | self._unreachable_with(place))
            for rank, rows in zip(ranks, (differing & ~nested, nested, below & ~differing), strict=True):
                rank.append((place, rows))
        return ranks

    def _unreachable_with(self, place: int) -> Rows:
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
            where=box_in_words(self._space, shared),
            example=example_of(self._space, shared),
        )


def _rows_by_outputs(space: ValueSpace) -> list[Rows]:
    """Return for each row the set of rows with the same outputs."""
    keys = [_outputs_key(space, place) for place in range(len(space.table.rows))]
    rows_by_key: dict[object, Rows] = {}
    for place, key in enumerate(keys):
        rows_by_key[key] = rows_by_key.get(key, 0) | space.row_bit(place)
    return [rows_by_key[key] for key in keys]


def _outputs_key(space: ValueSpace, place: int) -> object:
    outputs = space.table.rows[place].outputs
    return tuple((name, kind_of(value), value) for name, value in sorted(outputs.items()))
