"""Say for each class of values of a column which rows take it, as sets of rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from operator import xor
from typing import TYPE_CHECKING

from router.tables.feel.values import ValueKind
from router.tables.index.scales import asked, scales_of, stretches, takes_everything

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.index.scales import Asked, Scale, Scales

# A set of rows is an int, because Python joins two of a thousand rows in 40 ns. The last row is bit 0, so that
# the length of the int finds the first row of a set without making another one.
Rows = int


def places_from_end(rows: Rows) -> Iterator[int]:
    """Give where the rows of a set stand, the first row first, counted from the last one, which is 1."""
    while rows:
        first = rows.bit_length()
        yield first
        rows ^= 1 << (first - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBitsets:
    """The rows that take each class of values. Lists are not in it: they follow from their elements.

    Attributes:
        scales: the values that cells name, by kind.
        of_class: for each kind with a scale, the rows of each of its classes.
        of_null: the rows that take a missing value, where no cell names null.
        elsewhere: the rows that take a value of a kind without a scale.
        always: the rows that are in every set, unless `negated` turns them round: those without a condition here.
        negated: the rows whose cell is `not(…)`; they are in the other sets where their content is not.
        doubtful: the rows whose cell looks at another input; `always` has them, too.
    """

    scales: Scales
    of_class: Mapping[ValueKind, Sequence[Rows]]
    of_null: Rows
    elsewhere: Rows
    always: Rows
    negated: Rows
    doubtful: Rows

    def usual_share(self, count: int) -> float:
        """Give the share of so many rows that a value leaves on average, each class taken as likely as another."""
        counts = [rows.bit_count() for of_kind in self.of_class.values() for rows in of_kind]
        return sum(counts) / max(1, len(counts) * count)


def masks_of(cells: Sequence[Cell], also: Iterable[Cell] = ()) -> ColumnBitsets:
    """Sort the cells of a column, one per row, into sets of rows; the classes tell what `also` names apart, too."""
    bits = [(1 << place, cell, asked(cell)) for place, cell in enumerate(reversed(cells))]
    fixed = [(bit, conditions) for bit, _, conditions in bits if conditions]
    scales = scales_of([*(conditions for _, conditions in fixed), *filter(None, map(asked, also))])
    negated = sum(bit for bit, cell, conditions in bits if conditions and cell.negated)
    always = ((1 << len(cells)) - 1) ^ sum(bit for bit, _ in fixed)
    everything = sum(bit for bit, conditions in fixed if takes_everything(conditions))
    # `not` turns every class round alike, so it is done once, in what the classes begin with.
    begin = {kind: always ^ negated ^ (0 if kind is ValueKind.NULL else everything) for kind in ValueKind}
    return ColumnBitsets(
        scales=scales,
        of_class={kind: _of_class(kind, scale, fixed, begin[kind], everything) for kind, scale in scales.items()},
        of_null=begin[ValueKind.NULL],
        elsewhere=begin[ValueKind.OTHER],
        always=always,
        negated=negated,
        doubtful=sum(bit for bit, _, conditions in bits if conditions is None),
    )


def _of_class(
    kind: ValueKind, scale: Scale, cells: Iterable[tuple[Rows, Asked]], begin: Rows, everything: Rows
) -> list[Rows]:
    """Walk up the classes: a row comes in where a stretch of its cell begins, and goes where it ends."""
    toggled = [begin, *[0] * scale.size]
    in_already = 0 if kind is ValueKind.NULL else everything
    for bit, conditions in cells:
        for first, end in () if bit & in_already else stretches(conditions, kind, scale):
            toggled[first] ^= bit
            toggled[end] ^= bit
    same: dict[Rows, Rows] = {}  # many classes have the same rows, and a set of 10,000 takes a kilobyte
    return [same.setdefault(rows, rows) for rows in accumulate(toggled[:-1], xor)]
