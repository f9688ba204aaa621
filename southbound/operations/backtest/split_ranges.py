"""Split the offset ranges of a topic among readers."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.runtime.kafka.offset_range import OffsetRange


def split_ranges(ranges: Sequence[OffsetRange], readers: int) -> list[list[OffsetRange]]:
    """Split the ranges into at most `readers` shares of equal length; a range may be split between two shares."""
    total = sum(offset_range.length for offset_range in ranges)
    boundaries = [total * number // readers for number in range(readers + 1)]
    shares = [_slice_ranges(ranges, low, high) for low, high in pairwise(boundaries)]
    return [share for share in shares if share]


def _slice_ranges(ranges: Sequence[OffsetRange], low: int, high: int) -> list[OffsetRange]:
    """Return the part between two positions of the ranges laid end to end."""
    share: list[OffsetRange] = []
    position = 0
    for offset_range in ranges:
        start = offset_range.start + max(0, low - position)
        end = min(offset_range.end, offset_range.start + high - position)
        if start < end:
            share.append(replace(offset_range, start=start, end=end))
        position += offset_range.length
    return share
