"""Look up which rows of one column accept a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.values import Months, ValueKind, canonical, kind_of
from router.tables.index.coarse_sets import has_equality_only
from router.tables.index.lookups import equality_lookup, number_lookups, ordered_lookup, with_nan_check
from router.tables.index.scales import has_variable_offset

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import ColumnBitsets, RowSet
    from router.tables.index.lookups import ValueLookup

# All values of these types have the same kind.
TYPES_BY_KIND: dict[ValueKind, tuple[type, ...]] = {
    ValueKind.NULL: (NoneType,),
    ValueKind.BOOLEAN: (bool,),
    ValueKind.NUMBER: (int, Decimal),
    ValueKind.STRING: (str,),
    ValueKind.DATE: (date,),
    ValueKind.DAYS: (timedelta,),
    ValueKind.MONTHS: (Months,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnIndex:
    """Finds the rows that accept a value, canonical or not.

    `by_type` has the look-ups for common types; values of any other type go to `rows_for_other_type`.
    """

    bitsets: ColumnBitsets
    by_type: Mapping[type, ValueLookup[RowSet]]
    by_kind: Mapping[ValueKind, ValueLookup[RowSet]]
    cells: Sequence[Cell]

    def rows_for_other_type(self, value: object) -> RowSet:
        """Return the rows for a list, or for a value whose kind does not follow from its type."""
        value = canonical(value)
        return self._rows_for_list(value) if type(value) is tuple else self._rows_for_element(value)

    def _rows_for_list(self, items: tuple[object, ...]) -> RowSet:
        """Return the rows that accept a list: a row accepts it if it accepts an element.

        A row with `not(…)` accepts a list if the content of `not` accepts none of its elements.
        """
        negated = self.bitsets.negated_rows
        rows = self.bitsets.unconditional_rows
        for item in items:
            rows |= self._rows_for_element(item) ^ negated
        return rows ^ negated

    def _rows_for_element(self, item: object) -> RowSet:
        if type(item) is tuple:
            return self.bitsets.other_kind_rows  # a nested list equals no value of a cell
        return self.by_type.get(type(item), self._rows_for_single_value)(item)

    def _rows_for_single_value(self, value: object) -> RowSet:
        if has_variable_offset(value):
            matches = (cell.matches_canonical(value, NO_INPUTS) for cell in reversed(self.cells))
            return sum(1 << place for place, matching in enumerate(matches) if matching) | self.bitsets.unindexed_rows
        look_up = self.by_kind.get(kind_of(value))
        return look_up(value) if look_up else self.bitsets.other_kind_rows


def compile_column(cells: Sequence[Cell], bitsets: ColumnBitsets) -> ColumnIndex:
    """Compile the look-ups of a column from its cells, one per row, and their row sets."""
    by_kind: dict[ValueKind, ValueLookup[RowSet]] = {}
    by_type: dict[type, ValueLookup[RowSet]] = {NoneType: lambda _: bitsets.null_rows}
    for kind, scale in bitsets.scales.items():
        points, rows_by_class = scale.points, bitsets.rows_by_class[kind]
        if has_equality_only(rows_by_class):
            by_kind[kind] = equality_lookup(dict(zip(points, rows_by_class[1::2], strict=True)), rows_by_class[0])
        else:
            by_kind[kind] = ordered_lookup(points, rows_by_class)
        by_type |= dict.fromkeys(TYPES_BY_KIND.get(kind, ()), by_kind[kind])
        if kind is ValueKind.NUMBER and not has_equality_only(rows_by_class):
            by_type |= number_lookups(points, rows_by_class, bitsets.other_kind_rows)
    if Decimal in by_type:
        by_type[Decimal] = with_nan_check(by_type[Decimal], bitsets.other_kind_rows)
    return ColumnIndex(bitsets=bitsets, by_kind=by_kind, by_type=by_type, cells=cells)
