"""Keep the index of a very large table within the caches of the processor, at the price of a second look at times."""

from __future__ import annotations

from functools import reduce
from itertools import chain
from math import prod
from operator import and_, or_
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.index_masks import ColumnMasks, Rows

# With 10,000 rows, six columns of ranges have 150 MB of row sets, and every look-up waits for the memory. Neighbouring
# classes of a range column differ in few rows, so some of them share two sets: the rows that may take a value, and
# those that surely do. A row that is found among the first and not among the second is tried itself. A column that
# asks for equality alone stays as it is: its rows would never be sure.
Pair = tuple["Rows", "Rows"]

MOST_CLASSES = 64  # that are left of a column: 80 kB of either set for 10,000 rows
FITS = 32_000_000  # bits of row sets that mostly stay in the caches
FEW = 1.0  # rows that are tried for one that matches


def is_worth_blurring(columns: Sequence[ColumnMasks], count: int) -> bool:
    """Say whether a table is too large for the caches, and few rows would have to be tried before one that matches."""
    classes = sum(len(rows) for of in columns for rows in of.of_class.values() if not only_points(rows))
    if classes * count <= FITS:
        return False
    shares = [of.usual_share(count) for of in columns]
    others = (prod(shares[:place] + shares[place + 1 :]) for place in range(len(shares)))
    unsure = sum(_unsure(of) * share for of, share in zip(columns, others, strict=True))
    return unsure <= FEW * max(1, count * prod(shares))


def only_points(masks: Sequence[Rows]) -> bool:
    """Say whether what lies between the points of a scale is all the same to the cells."""
    return all(rows is masks[0] for rows in masks[::2])


def _unsure(of: ColumnMasks) -> int:
    """Count the rows that a look-up leaves open; some classes in the middle of the longest scale stand for all."""
    longest = max((rows for rows in of.of_class.values() if not only_points(rows)), key=len, default=())
    middle = longest[len(longest) // 2 :][: _span(len(longest))]
    return (reduce(or_, middle, 0) ^ reduce(and_, middle or [0])).bit_count()


def _span(classes: int) -> int:
    """Give the number of neighbouring classes that share their sets; it is even, so that all begin below a point."""
    return max(2, -(-classes // MOST_CLASSES) // 2 * 2)


def blurred_scale(points: tuple[Any, ...], masks: Sequence[Rows]) -> tuple[tuple[Any, ...], list[Pair]]:
    """Keep each so many-th point, with the sets of all classes up to it."""
    half = _span(len(masks)) // 2
    # What is below a kept point and the point itself share their sets; above the last one is what is left.
    groups = (masks[first : first + 2 * half] for first in range(0, len(masks), 2 * half))
    shared = ((reduce(or_, group), reduce(and_, group)) for group in groups)
    pairs = list(chain.from_iterable((pair, pair) for pair in shared))
    kept = points[half - 1 :: half]
    return kept, pairs[: 2 * len(kept) + 1]
