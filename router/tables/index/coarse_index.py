"""Find the matching rows of a large table with a smaller index that leaves a few rows undecided."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING

from router.tables.feel.values import ValueKind
from router.tables.index.bitsets import positions_from_end
from router.tables.index.coarse_sets import coarse_scale, has_equality_only, pack_pair, unpack_pair
from router.tables.index.columns import TYPES_BY_KIND
from router.tables.index.lookups import (
    equality_lookup,
    intersect_columns,
    number_lookups,
    ordered_lookup,
    with_nan_check,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.tables.feel.conditions import InputContext
    from router.tables.index.bitsets import ColumnBitsets, RowSet
    from router.tables.index.coarse_sets import RowSetPair
    from router.tables.index.exact_index import ExactIndex
    from router.tables.index.lookups import ColumnLookups, ValueLookup
    from router.tables.model import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarseIndex:
    """For each column, two sets of rows per value: those that possibly accept it, and those that certainly do.

    Intersected over all columns, they enclose the set of matching rows. If they differ, the `exact` index decides.
    `initial_pair` is the pair of row sets before any column is looked up; an unindexed row is possible, never certain.
    """

    exact: ExactIndex
    lookups: ColumnLookups
    initial_pair: RowSetPair

    def first_match(self, values: tuple[object, ...], inputs: InputContext) -> Row | None:
        """Return the first row that matches. Usually it is certain without the exact index."""
        pair = intersect_columns(self.initial_pair, self.lookups, values)
        if not pair:
            return None
        rows = self.exact.rows
        from_end = pair.bit_length() - len(rows)
        if pair >> (from_end - 1) & 1:
            return rows[-from_end]
        return self.exact.first_match(values, inputs)

    def matching_rows(self, values: tuple[object, ...], inputs: InputContext) -> Iterator[Row]:
        """Yield the rows that match, in table order."""
        rows = self.exact.rows
        possible, certain = unpack_pair(intersect_columns(self.initial_pair, self.lookups, values), len(rows))
        if possible != certain:
            return self.exact.matching_rows(values, inputs)
        return (rows[-place] for place in positions_from_end(certain))


def build_coarse_index(exact: ExactIndex, bitsets: Mapping[int, ColumnBitsets]) -> CoarseIndex:
    """Build the coarse index from an exact one and its row sets."""
    count = len(exact.rows)
    return CoarseIndex(
        exact=exact,
        lookups=tuple(
            (place, _lookups_by_type(bitsets[place], count), _exact_lookup(by_type, rare, count))
            for place, by_type, rare in exact.lookups
        ),
        initial_pair=pack_pair(exact.all_rows, exact.all_rows ^ exact.unindexed_rows, count),
    )


def _exact_lookup(
    by_type: Mapping[type, ValueLookup[RowSet]], rare: ValueLookup[RowSet], count: int
) -> ValueLookup[RowSetPair]:
    """Return a look-up in the exact index, for types that occur rarely."""

    def look_up(value: object, /) -> RowSetPair:
        rows = by_type.get(type(value), rare)(value)
        return pack_pair(rows, rows, count)

    return look_up


def _lookups_by_type(bitsets: ColumnBitsets, count: int) -> dict[type, ValueLookup[RowSetPair]]:
    null_pair, other_pair = (pack_pair(rows, rows, count) for rows in (bitsets.null_rows, bitsets.other_kind_rows))
    lookups: dict[type, ValueLookup[RowSetPair]] = {NoneType: lambda _: null_pair}
    for kind, scale in bitsets.scales.items():
        rows_by_class = bitsets.rows_by_class[kind]
        if has_equality_only(rows_by_class):
            between, *pairs = (pack_pair(rows, rows, count) for rows in (rows_by_class[0], *rows_by_class[1::2]))
            by_value = equality_lookup(dict(zip(scale.points, pairs, strict=True)), between)
            lookups |= dict.fromkeys(TYPES_BY_KIND.get(kind, ()), by_value)
        else:
            points, scale_pairs = coarse_scale(scale.points, rows_by_class, count)
            lookups |= dict.fromkeys(TYPES_BY_KIND.get(kind, ()), ordered_lookup(points, scale_pairs))
            lookups |= number_lookups(points, scale_pairs, other_pair) if kind is ValueKind.NUMBER else {}
    if Decimal in lookups:
        lookups[Decimal] = with_nan_check(lookups[Decimal], other_pair)
    return lookups
