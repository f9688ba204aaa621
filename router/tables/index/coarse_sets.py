"""Keep the index of a large table within the caches of the processor, at the price of a second look at times."""

from __future__ import annotations

from functools import reduce
from itertools import chain
from math import prod
from operator import and_, or_
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.index.bitsets import ColumnBitsets, Rows

# With 1,000 rows, six columns of ranges have 2.5 MB of row sets, with 10,000 rows 150 MB, and every look-up waits for
# the memory. Neighbouring classes of a range column differ in few rows, so some of them share two sets: the rows that
# may take a value, and those that surely do. Where the first row of the one set is not in the other, the exact sets are
# asked. A column that asks for equality alone stays as it is: its rows would never be sure.
Pair = int  # both sets, the sure rows in the lower half: a column costs one look-up and one `&`

FEWEST_CLASSES, MOST_CLASSES = 64, 256  # that are left of a column
ROOM = 512_000  # bits (64 kB) that the sets of a column may take while more classes than the fewest are left
FITS = 16_000_000  # bits of row sets (2 MB) that mostly stay in the caches
FEW = 1.0  # rows that are left open for one that matches


def is_worth_blurring(columns: Sequence[ColumnBitsets], count: int) -> bool:
    """Say whether a table is too large for the caches, and few rows would be left open before one that matches."""
    classes = sum(len(rows) for of in columns for rows in of.of_class.values() if not only_points(rows))
    if classes * count <= FITS:
        return False
    shares = [of.usual_share(count) for of in columns]
    others = (prod(shares[:place] + shares[place + 1 :]) for place in range(len(shares)))
    unsure = sum(_unsure(of, count) * share for of, share in zip(columns, others, strict=True))
    return unsure <= FEW * max(1, count * prod(shares))


def only_points(masks: Sequence[Rows]) -> bool:
    """Say whether what lies between the points of a scale is all the same to the cells."""
    return all(rows is masks[0] for rows in masks[::2])


def _unsure(of: ColumnBitsets, count: int) -> int:
    """Count the rows that a look-up leaves open; some classes in the middle of the longest scale stand for all."""
    longest = max((rows for rows in of.of_class.values() if not only_points(rows)), key=len, default=())
    middle = longest[len(longest) // 2 :][: _span(len(longest), count)]
    return (reduce(or_, middle, 0) ^ reduce(and_, middle or [0])).bit_count()


def _span(classes: int, count: int) -> int:
    """Give the number of neighbouring classes that share their sets; it is even, so that all begin below a point."""
    left = min(MOST_CLASSES, max(FEWEST_CLASSES, ROOM // count))
    return max(2, -(-classes // left) // 2 * 2)


def pair_of(may: Rows, does: Rows, count: int) -> Pair:
    """Put two sets of so many rows into one int."""
    return may << count | does


def apart(pair: Pair, count: int) -> tuple[Rows, Rows]:
    """Take the two sets of so many rows out of it."""
    may = pair >> count
    return may, pair ^ may << count


def blurred_scale(points: tuple[Any, ...], masks: Sequence[Rows], count: int) -> tuple[tuple[Any, ...], list[Pair]]:
    """Keep each so many-th point, with the sets of all classes up to it."""
    half = _span(len(masks), count) // 2
    # What is below a kept point and the point itself share their sets; above the last one is what is left.
    groups = (masks[first : first + 2 * half] for first in range(0, len(masks), 2 * half))
    shared = (pair_of(reduce(or_, group), reduce(and_, group), count) for group in groups)
    pairs = list(chain.from_iterable((pair, pair) for pair in shared))
    kept = points[half - 1 :: half]
    return kept, pairs[: 2 * len(kept) + 1]
