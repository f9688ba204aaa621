"""Find the rows of a very large table that match, with an index that leaves a few rows open."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import or_
from types import NoneType
from typing import TYPE_CHECKING

from router.index_blur import blurred_scale, only_points
from router.index_columns import TYPES_OF, compile_column
from router.index_searches import by_equality, by_number, by_order, numbers_only
from router.values import Kind, canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.cells import Cell
    from router.conditions import Inputs
    from router.index_blur import Pair
    from router.index_columns import ColumnIndex
    from router.index_masks import ColumnMasks, Rows
    from router.index_searches import LookUp
    from router.tables import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class BlurredIndex:
    """Which rows may take which value, and which surely do, column by column; `doubtful` rows never do surely."""

    rows: Sequence[Row]
    all: Rows
    doubtful: Rows
    steps: tuple[tuple[int, Mapping[type, LookUp[Pair]], LookUp[Pair]], ...]

    def candidates(self, values: Sequence[object]) -> Pair:
        """Give the rows whose every cell may take its value, and those whose every cell surely does."""
        found, sure = self.all, self.all ^ self.doubtful
        for place, by_type, rare in self.steps:
            value = values[place]
            may, does = by_type.get(type(value), rare)(value)
            found &= may
            sure &= does
            if not found:
                break
        return found, sure

    def first(self, values: tuple[object, ...], inputs: Inputs) -> Row | None:
        """Give the first row that matches; mostly it is one that surely does."""
        found, sure = self.candidates(values)
        if found.bit_length() == sure.bit_length():
            return self.rows[-found.bit_length()] if found else None
        return next(self._tried(found, sure, values, inputs), None)

    def hits(self, values: tuple[object, ...], inputs: Inputs) -> Iterator[Row]:
        """Give the rows that match, in order."""
        return self._tried(*self.candidates(values), values, inputs)

    def _tried(self, found: Rows, sure: Rows, values: tuple[object, ...], inputs: Inputs) -> Iterator[Row]:
        values = tuple(map(canonical, values))
        while found:
            from_end = found.bit_length()
            row = self.rows[-from_end]
            if sure >> (from_end - 1) & 1 or row.matches(values, inputs):
                yield row
            found ^= 1 << (from_end - 1)


def blurred_index(
    rows: Sequence[Row], columns: Mapping[int, Sequence[Cell]], masks: Mapping[int, ColumnMasks], order: Sequence[int]
) -> BlurredIndex:
    """Compile columns whose sets are there already."""
    exact = {place: compile_column(columns[place], masks[place]) for place in order}
    return BlurredIndex(
        rows=rows,
        all=(1 << len(rows)) - 1,
        doubtful=reduce(or_, (of.doubtful for of in masks.values()), 0),
        steps=tuple((place, _by_type(masks[place]), _exactly(exact[place])) for place in order),
    )


def _exactly(column: ColumnIndex) -> LookUp[Pair]:
    """Look rare values up in the index that leaves nothing open."""

    def look_up(value: object, /) -> Pair:
        rows = column.rows_for(value)
        return rows, rows

    return look_up


def _by_type(masks: ColumnMasks) -> dict[type, LookUp[Pair]]:
    of_null, elsewhere = (masks.of_null, masks.of_null), (masks.elsewhere, masks.elsewhere)
    found: dict[type, LookUp[Pair]] = {NoneType: lambda _: of_null}
    for kind, scale in masks.scales.items():
        of_class = masks.of_class[kind]
        if only_points(of_class):
            pairs = {point: (rows, rows) for point, rows in zip(scale.points, of_class[1::2], strict=True)}
            found |= dict.fromkeys(TYPES_OF.get(kind, ()), by_equality(pairs, (of_class[0], of_class[0])))
        else:
            points, of_scale = blurred_scale(scale.points, of_class)
            found |= dict.fromkeys(TYPES_OF.get(kind, ()), by_order(points, of_scale))
            found |= by_number(points, of_scale, elsewhere) if kind is Kind.NUMBER else {}
    if Decimal in found:
        found[Decimal] = numbers_only(found[Decimal], elsewhere)
    return found
