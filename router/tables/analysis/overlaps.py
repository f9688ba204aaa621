"""Find rows that never decide, and rows that overlap."""

from __future__ import annotations

from itertools import accumulate, islice
from typing import TYPE_CHECKING

from router.tables.analysis.findings import Overlap, Overlaps, Unreachable
from router.tables.analysis.search import StepBudget, UncoveredSearch
from router.tables.analysis.space import named_rows
from router.tables.analysis.wording import box_in_words, example_of
from router.tables.feel.values import kind_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.analysis.space import Box, ValueSpace
    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import Rows
    from router.tables.model import Input, Row


def except_lists(inputs: Sequence[Input], row: Row, covering: Sequence[Row]) -> tuple[str, ...]:
    """Name the inputs by whose lists a row may still be reached, although others take every single value of it."""
    columns = zip(inputs, row.cells, zip(*[above.cells for above in covering], strict=True), strict=True)
    return tuple(
        column.name for column, cell, above in columns if column.may_be_list and not _take_lists_of(cell, above)
    )


def _take_lists_of(cell: Cell, above: Sequence[Cell]) -> bool:
    """Say whether cells that take every single value of a cell surely take its lists as well.

    What a list has that fits the cell fits one of those above; but a list may have more, which a `not(…)` does not
    let pass, and an empty list has nothing.
    """
    if all(one.is_any for one in above):
        return True
    if cell.negated:
        return len(above) == 1 and above[0].negated
    return not cell.is_any and not cell.names and not any(one.negated for one in above)


_MOST_NAMED = 8  # of the rows that cover another together


def find_unreachable(
    space: ValueSpace, budget: StepBudget, *, first_decides: bool
) -> tuple[list[Unreachable], list[str]]:
    """Find the rows that never decide; second, the rows for which the steps did not suffice to tell."""
    found: list[Unreachable] = []
    unknown: list[str] = []
    for place, row in enumerate(space.table.rows):
        box = space.box_of(place)
        if not all(box):
            found.append(Unreachable(row=row.id, covered_by=()))
        elif first_decides:
            covering = _covering(space, box, space.above(place) & ~space.doubtful, budget)
            if covering is None:
                unknown.append(row.id)
            elif covering:
                above = [space.table.rows[above] for above in space.places(covering)]
                lists = except_lists(space.table.inputs, row, above)
                found.append(Unreachable(row=row.id, covered_by=named_rows(space, covering), except_lists=lists))
    return found, unknown


def _covering(space: ValueSpace, box: Box, above: Rows, budget: StepBudget) -> Rows | None:
    """Give rows that together take the whole box; 0 if something is missed, None if that is not known."""
    touching = space.touching(box) & above
    if not touching:
        return 0
    if one := space.taking(box) & touching:
        return 1 << (one.bit_length() - 1)
    # One row may not use up the steps of all others.
    own = StepBudget(min(budget.left, max(1_000, budget.left // 20)))
    given = own.left
    missed = UncoveredSearch(space, box, own).one_missed(touching)
    budget.left -= given - own.left
    if missed is not None:
        return 0
    return None if own.is_spent else _fewest(space, box, touching, own)


def _fewest(space: ValueSpace, box: Box, rows: Rows, budget: StepBudget) -> Rows:
    """Leave out every row without which the box is covered all the same, as long as they are few enough to try."""
    for place in reversed(list(space.places(rows))):
        without = rows & ~space.bit(place)
        if UncoveredSearch(space, box, budget).one_missed(without) is None and not budget.is_spent:
            rows = without
    return rows


def find_overlaps(space: ValueSpace, most: int, unreachable: Sequence[Unreachable] = ()) -> Overlaps:
    """Find pairs of rows that both match somewhere; not more than `most`, those that matter most first."""
    ids = {found.row for found in unreachable}
    table = _OverlappingPairs(
        space, sum(space.bit(place) for place, row in enumerate(space.table.rows) if row.id in ids)
    )
    ranks = table.ranks()
    pairs = (table.overlap(place, other) for rank in ranks for place, below in rank for other in space.places(below))
    partly, differing, count = accumulate(sum(below.bit_count() for _, below in rank) for rank in ranks)
    return Overlaps(pairs=tuple(islice(pairs, most)), partly=partly, differing=differing, count=count)


class _OverlappingPairs:
    """For each row, which rows below it overlap, have the same outputs, or are nested with it."""

    def __init__(self, space: ValueSpace, aside: Rows) -> None:
        self._space = space
        self._aside = aside  # rows that never decide; that is told already
        sure = space.rows & ~space.doubtful
        boxes = [space.box_of(place) for place in range(len(space.table.rows))]
        self._boxes = boxes
        self._below = [
            space.touching(box) & sure & (space.bit(place) - 1) if sure & space.bit(place) and all(box) else 0
            for place, box in enumerate(boxes)
        ]
        self._alike = _rows_by_outputs(space)

    def ranks(self) -> list[list[tuple[int, Rows]]]:
        """Give the pairs by how much they matter: rows that differ in a part, exceptions from a rule, same outputs."""
        ranks: list[list[tuple[int, Rows]]] = [[], [], []]
        for place, below in enumerate(self._below):
            differing = below & ~self._alike[place]
            nested = differing & (self._space.taking(self._boxes[place]) | self._aside_of(place))
            for rank, rows in zip(ranks, (differing & ~nested, nested, below & ~differing), strict=True):
                rank.append((place, rows))
        return ranks

    def _aside_of(self, place: int) -> Rows:
        return self._space.rows if self._aside & self._space.bit(place) else self._aside

    def overlap(self, place: int, other: int) -> Overlap:
        """Describe one pair."""
        rows = self._space.table.rows
        one, two = self._boxes[place], self._boxes[other]
        shared = tuple(some & classes for some, classes in zip(one, two, strict=True))
        return Overlap(
            rows=(rows[place].id, rows[other].id),
            same_outputs=bool(self._alike[place] & self._space.bit(other)),
            nested=shared in (one, two),
            where=box_in_words(self._space, shared),
            example=example_of(self._space, shared),
        )


def _rows_by_outputs(space: ValueSpace) -> list[Rows]:
    """Give for each row the rows that have the same outputs."""
    keys = [_outputs_key(space, place) for place in range(len(space.table.rows))]
    alike: dict[object, Rows] = {}
    for place, key in enumerate(keys):
        alike[key] = alike.get(key, 0) | space.bit(place)
    return [alike[key] for key in keys]


def _outputs_key(space: ValueSpace, place: int) -> object:
    outputs = space.table.rows[place].outputs
    return tuple((name, kind_of(value), value) for name, value in sorted(outputs.items()))
