"""Find what no row of a table takes, in few and large boxes."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from router.tables.analysis.findings import Gap
from router.tables.analysis.search import UncoveredSearch
from router.tables.analysis.wording import box_in_words, example_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.tables.analysis.search import StepBudget
    from router.tables.analysis.space import Box, ValueSpace

_MOST_WIDENED = 200


def find_gaps(space: ValueSpace, budget: StepBudget, most: int) -> tuple[Gap, ...]:
    """Find the largest gaps among the values that the columns are made for.

    A value may always be missing, and an operator who left that case out on purpose wants to hear of the others
    first: so gaps that need a missing value, or one of an unexpected kind, are only looked for where there is no other.
    """
    missed = UncoveredSearch(space, space.expected, budget).all_missed(space.rows)
    within = space.expected
    if not missed and not budget.is_spent and space.everything != space.expected:
        within = space.everything
        missed = UncoveredSearch(space, within, budget).all_missed(space.rows)
    boxes = _widest(space, missed, within, most)
    return tuple(_gap(space, box, within) for box in boxes)


def _widest(space: ValueSpace, missed: list[Box], within: Box, most: int) -> list[Box]:
    """Widen each box as far as no row comes in, and leave out those that are inside of another."""
    largest = sorted(missed, key=lambda box: -_share(box, within))[:_MOST_WIDENED]
    widened = sorted({_widened(space, box, within) for box in largest}, key=lambda box: (-_share(box, within), box))
    kept: list[Box] = []
    for box in widened:
        if len(kept) < most and not any(_inside(box, other) for other in kept):
            kept.append(box)
    return kept


def _widened(space: ValueSpace, box: Box, within: Box) -> Box:
    for axis, classes in enumerate(within):
        wider = (*box[:axis], classes, *box[axis + 1 :])
        if not space.touching(wider):
            box = wider
    return box


def _inside(box: Box, other: Box) -> bool:
    return all(some & ~classes == 0 for some, classes in zip(box, other, strict=True))


def _share(box: Box, within: Box) -> float:
    return prod(_shares(box, within))


def _shares(box: Box, within: Box) -> Iterable[float]:
    return (some.bit_count() / classes.bit_count() for some, classes in zip(box, within, strict=True))


def _gap(space: ValueSpace, box: Box, within: Box) -> Gap:
    return Gap(where=box_in_words(space, box), example=example_of(space, box), share=_share(box, within))
