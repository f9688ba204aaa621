"""Look up in one column of a table which rows take a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING

from router.tables.feel.conditions import NO_INPUTS
from router.tables.feel.values import Months, ValueKind, canonical, kind_of
from router.tables.index.coarse_sets import only_points
from router.tables.index.lookups import by_equality, by_number, by_order, numbers_only
from router.tables.index.scales import wanders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from router.tables.feel.unary_test import Cell
    from router.tables.index.bitsets import ColumnBitsets, Rows
    from router.tables.index.lookups import ValueLookup

# Values of these types are of one kind, whatever they are.
TYPES_OF: dict[ValueKind, tuple[type, ...]] = {
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
    """Finds the rows that take a value, canonical or not; `by_type` answers for usual types, `rare` for all others."""

    masks: ColumnBitsets
    by_type: Mapping[type, ValueLookup[Rows]]
    by_kind: Mapping[ValueKind, ValueLookup[Rows]]
    cells: Sequence[Cell]

    def rare(self, value: object) -> Rows:
        """Look up the rows for a list, or for a value whose type does not tell its kind."""
        value = canonical(value)
        return self._for_list(value) if type(value) is tuple else self._for_element(value)

    def _for_list(self, items: tuple[object, ...]) -> Rows:
        """Join what the elements find; a cell with `not` takes a list if its content takes none of them."""
        negated = self.masks.negated
        found = self.masks.always
        for item in items:
            found |= self._for_element(item) ^ negated
        return found ^ negated

    def _for_element(self, item: object) -> Rows:
        if type(item) is tuple:
            return self.masks.elsewhere  # a list in a list is only itself
        return self.by_type.get(type(item), self._for_one)(item)

    def _for_one(self, value: object) -> Rows:
        if wanders(value):
            takes = (cell.holds(value, NO_INPUTS) for cell in reversed(self.cells))
            return sum(1 << place for place, fits in enumerate(takes) if fits) | self.masks.doubtful
        look_up = self.by_kind.get(kind_of(value))
        return look_up(value) if look_up else self.masks.elsewhere


def compile_column(cells: Sequence[Cell], masks: ColumnBitsets) -> ColumnIndex:
    """Compile the cells of a column, one per row."""
    by_kind: dict[ValueKind, ValueLookup[Rows]] = {}
    by_type: dict[type, ValueLookup[Rows]] = {NoneType: lambda _: masks.of_null}
    for kind, scale in masks.scales.items():
        points, of_class = scale.points, masks.of_class[kind]
        if only_points(of_class):
            by_kind[kind] = by_equality(dict(zip(points, of_class[1::2], strict=True)), of_class[0])
        else:
            by_kind[kind] = by_order(points, of_class)
        by_type |= dict.fromkeys(TYPES_OF.get(kind, ()), by_kind[kind])
        if kind is ValueKind.NUMBER and not only_points(of_class):
            by_type |= by_number(points, of_class, masks.elsewhere)
    if Decimal in by_type:
        by_type[Decimal] = numbers_only(by_type[Decimal], masks.elsewhere)
    return ColumnIndex(masks=masks, by_kind=by_kind, by_type=by_type, cells=cells)
