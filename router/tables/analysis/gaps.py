"""Find the values that no row of a table accepts, as few and large boxes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from router.tables.analysis.findings import Gap
from router.tables.analysis.search import UncoveredSearch
from router.tables.analysis.wording import describe_box, example_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.tables.analysis.search import StepBudget
    from router.tables.analysis.space import Box, ValueSpace

_MAX_WIDENED = 200


def find_gaps(space: ValueSpace, budget: StepBudget, max_gaps: int) -> tuple[Gap, ...]:
    """Find the largest gaps among the values that the columns are meant for.

    Any value may be missing, and a table often leaves that case out on purpose. So gaps that need a missing value, or
    one of an unexpected kind, are only searched if there are no others.
    """
    uncovered = UncoveredSearch(space, space.expected, budget).find_all_uncovered(space.rows)
    within = space.expected
    if not uncovered and not budget.is_spent and space.all_values != space.expected:
        within = space.all_values
        uncovered = UncoveredSearch(space, within, budget).find_all_uncovered(space.rows)
    boxes = _largest_boxes(space, uncovered, within, max_gaps)
    return tuple(_gap(space, box, within) for box in boxes)


def _largest_boxes(space: ValueSpace, uncovered: list[Box], within: Box, max_boxes: int) -> list[Box]:
    """Widen each box as far as no row accepts a part of it, and leave out boxes inside others."""
    largest = sorted(uncovered, key=lambda box: -_share(box, within))[:_MAX_WIDENED]
    widened = sorted({_widen(space, box, within) for box in largest}, key=lambda box: (-_share(box, within), box))
    kept: list[Box] = []
    for box in widened:
        if len(kept) < max_boxes and not any(_is_inside(box, other) for other in kept):
            kept.append(box)
    return kept


def _widen(space: ValueSpace, box: Box, within: Box) -> Box:
    for axis, classes in enumerate(within):
        wider = (*box[:axis], classes, *box[axis + 1 :])
        if not space.rows_overlapping(wider):
            box = wider
    return box


def _is_inside(box: Box, other: Box) -> bool:
    return all(some & ~classes == 0 for some, classes in zip(box, other, strict=True))


def _share(box: Box, within: Box) -> float:
    return prod(_shares(box, within))


def _shares(box: Box, within: Box) -> Iterable[float]:
    return (some.bit_count() / classes.bit_count() for some, classes in zip(box, within, strict=True))


def _gap(space: ValueSpace, box: Box, within: Box) -> Gap:
    return Gap(where=describe_box(space, box), example=example_of(space, box), share=_share(box, within))
