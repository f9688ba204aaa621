"""Merge neighbouring classes of a large table, so that its index fits into the caches of the processor."""

from __future__ import annotations

from functools import reduce
from itertools import chain
from math import prod
from operator import and_, or_
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.tables.index.bitsets import ColumnBitsets, RowSet

# With 1,000 rows, six columns of ranges have 2.5 MB of row sets; with 10,000 rows 150 MB, and every look-up waits for
# memory. Neighbouring classes of a range column differ in few rows, so a group of them shares two sets: the rows that
# may accept a value, and those that certainly do. If the first row of the first set is not in the second, the exact
# sets are used. A column with equality conditions only is not merged: its rows would never be certain.
RowSetPair = int  # both sets, the certain rows in the lower half: a column costs one look-up and one `&`

MIN_CLASSES, MAX_CLASSES = 64, 256  # of a column, after merging
MAX_COLUMN_BITS = 512_000  # 64 kB for the sets of a column, as far as MIN_CLASSES allows
MAX_CACHED_BITS = 16_000_000  # 2 MB of row sets, which mostly stay in the caches
MAX_OPEN_ROWS = 1.0  # average number of undecided rows for one that matches


def is_coarse_index_worthwhile(columns: Sequence[ColumnBitsets], count: int) -> bool:
    """Return whether the row sets exceed the caches and merging would leave few rows undecided."""
    classes = sum(
        len(rows) for column in columns for rows in column.rows_by_class.values() if not has_equality_only(rows)
    )
    if classes * count <= MAX_CACHED_BITS:
        return False
    shares = [column.average_share(count) for column in columns]
    others = (prod(shares[:place] + shares[place + 1 :]) for place in range(len(shares)))
    open_rows = sum(_open_row_count(column, count) * share for column, share in zip(columns, others, strict=True))
    return open_rows <= MAX_OPEN_ROWS * max(1, count * prod(shares))


def has_equality_only(rows_by_class: Sequence[RowSet]) -> bool:
    """Return whether the cells only compare for equality, so that all values between the points are one class."""
    return all(rows is rows_by_class[0] for rows in rows_by_class[::2])


def _open_row_count(bitsets: ColumnBitsets, count: int) -> int:
    """Return an estimate of how many rows a look-up in coarse sets leaves undecided.

    It is measured in one group of classes, in the middle of the column's longest list of classes.
    """
    longest = max((rows for rows in bitsets.rows_by_class.values() if not has_equality_only(rows)), key=len, default=())
    middle = longest[len(longest) // 2 :][: _group_size(len(longest), count)]
    return (reduce(or_, middle, 0) ^ reduce(and_, middle or [0])).bit_count()


def _group_size(classes: int, count: int) -> int:
    """Return how many neighbouring classes share their sets.

    The number is even, so that each group ends with a point.
    """
    classes_left = min(MAX_CLASSES, max(MIN_CLASSES, MAX_COLUMN_BITS // count))
    return max(2, -(-classes // classes_left) // 2 * 2)


def pack_pair(possible: RowSet, does: RowSet, count: int) -> RowSetPair:
    """Pack two sets of `count` rows into one int."""
    return possible << count | does


def unpack_pair(pair: RowSetPair, count: int) -> tuple[RowSet, RowSet]:
    """Return the two sets of `count` rows of a packed pair."""
    may = pair >> count
    return may, pair ^ may << count


def coarse_scale(
    points: tuple[Any, ...], rows_by_class: Sequence[RowSet], count: int
) -> tuple[tuple[Any, ...], list[RowSetPair]]:
    """Return every n-th point of a scale, and the packed sets of all classes up to each."""
    half = _group_size(len(rows_by_class), count) // 2
    # A kept point and the values below it share their sets. The rest is above the last kept point.
    groups = (rows_by_class[first : first + 2 * half] for first in range(0, len(rows_by_class), 2 * half))
    shared = (pack_pair(reduce(or_, group), reduce(and_, group), count) for group in groups)
    pairs = list(chain.from_iterable((pair, pair) for pair in shared))
    kept = points[half - 1 :: half]
    return kept, pairs[: 2 * len(kept) + 1]
