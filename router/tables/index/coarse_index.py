"""Find the rows of a large table that match, with an index that leaves a few rows open."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from types import NoneType
from typing import TYPE_CHECKING

from router.tables.feel.values import ValueKind
from router.tables.index.bitsets import places_from_end
from router.tables.index.coarse_sets import apart, blurred_scale, only_points, pair_of
from router.tables.index.columns import TYPES_OF
from router.tables.index.lookups import by_equality, by_number, by_order, narrowed, numbers_only

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.tables.feel.conditions import Inputs
    from router.tables.index.bitsets import ColumnBitsets, Rows
    from router.tables.index.coarse_sets import Pair
    from router.tables.index.exact_index import ExactIndex
    from router.tables.index.lookups import Steps, ValueLookup
    from router.tables.model import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class CoarseIndex:
    """Which rows may take which value, and which surely do, column by column; doubtful rows never do surely.

    `begin` is the pair before any column is looked at. What is open in the end, the `exact` index decides.
    """

    exact: ExactIndex
    steps: Steps
    begin: Pair

    def first(self, values: tuple[object, ...], inputs: Inputs) -> Row | None:
        """Give the first row that matches; mostly it is one that surely does."""
        pair = narrowed(self.begin, self.steps, values)
        if not pair:
            return None
        rows = self.exact.rows
        from_end = pair.bit_length() - len(rows)
        if pair >> (from_end - 1) & 1:
            return rows[-from_end]
        return self.exact.first(values, inputs)

    def hits(self, values: tuple[object, ...], inputs: Inputs) -> Iterator[Row]:
        """Give the rows that match, in order."""
        rows = self.exact.rows
        found, sure = apart(narrowed(self.begin, self.steps, values), len(rows))
        if found != sure:
            return self.exact.hits(values, inputs)
        return (rows[-place] for place in places_from_end(found))


def blurred_index(exact: ExactIndex, masks: Mapping[int, ColumnBitsets]) -> CoarseIndex:
    """Blur an index, whose sets are there already."""
    count = len(exact.rows)
    return CoarseIndex(
        exact=exact,
        steps=tuple(
            (place, _by_type(masks[place], count), _exactly(by_type, rare, count))
            for place, by_type, rare in exact.steps
        ),
        begin=pair_of(exact.all, exact.all ^ exact.doubtful, count),
    )


def _exactly(by_type: Mapping[type, ValueLookup[Rows]], rare: ValueLookup[Rows], count: int) -> ValueLookup[Pair]:
    """Look rare values up in the index that leaves nothing open."""

    def look_up(value: object, /) -> Pair:
        rows = by_type.get(type(value), rare)(value)
        return pair_of(rows, rows, count)

    return look_up


def _by_type(masks: ColumnBitsets, count: int) -> dict[type, ValueLookup[Pair]]:
    of_null, elsewhere = (pair_of(rows, rows, count) for rows in (masks.of_null, masks.elsewhere))
    found: dict[type, ValueLookup[Pair]] = {NoneType: lambda _: of_null}
    for kind, scale in masks.scales.items():
        of_class = masks.of_class[kind]
        if only_points(of_class):
            between, *pairs = (pair_of(rows, rows, count) for rows in (of_class[0], *of_class[1::2]))
            by_value = by_equality(dict(zip(scale.points, pairs, strict=True)), between)
            found |= dict.fromkeys(TYPES_OF.get(kind, ()), by_value)
        else:
            points, of_scale = blurred_scale(scale.points, of_class, count)
            found |= dict.fromkeys(TYPES_OF.get(kind, ()), by_order(points, of_scale))
            found |= by_number(points, of_scale, elsewhere) if kind is ValueKind.NUMBER else {}
    if Decimal in found:
        found[Decimal] = numbers_only(found[Decimal], elsewhere)
    return found
