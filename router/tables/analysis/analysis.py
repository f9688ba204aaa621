"""Analyse a whole table before it decides anything: overlaps, unreachable rows and gaps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.analysis.findings import Analysis
from router.tables.analysis.gaps import find_gaps
from router.tables.analysis.overlaps import find_overlaps, find_unreachable
from router.tables.analysis.search import StepBudget
from router.tables.analysis.space import build_space, ids_of_rows
from router.tables.analysis.wording import (
    BY_PLACE,
    gap_notes,
    gap_warnings,
    list_warnings,
    overlap_errors,
    overlap_warnings,
    unchecked_sentence,
    unreachable_errors,
)

if TYPE_CHECKING:
    from router.tables.analysis.wording import OrderWording
    from router.tables.table import DecisionTable

MAX_STEPS = 120_000  # 0.25 s for each of the two searches, in a table of a thousand rows
MAX_GAPS = 20
MAX_OVERLAPS = 200


def analyse(
    table: DecisionTable,
    max_steps: int = MAX_STEPS,
    *,
    max_gaps: int = MAX_GAPS,
    max_overlaps: int = MAX_OVERLAPS,
    order: OrderWording = BY_PLACE,
) -> Analysis:
    """Find overlaps, unreachable rows and gaps.

    Every finding holds for single values. A list matches if one of its elements does, so a list may match rows that
    share no value, and rows that no single value reaches. A row with a cell that refers to another input is never
    reported as overlapping, as covering another row or as leaving a gap.

    Args:
        table: any loaded table.
        max_steps: the limit of steps for each of the two searches, for gaps and for rows that several rows cover
            together.
        max_gaps: how many gaps are returned, the largest first.
        max_overlaps: how many overlaps are returned, the most important first.
        order: how the sentences name the order of rows.
    """
    space = build_space(table)
    is_first_policy = table.policy == "first"
    unreachable, unknown = find_unreachable(space, StepBudget(max_steps), is_first_policy=is_first_policy)
    overlaps = find_overlaps(space, max_overlaps, unreachable)
    gap_budget = StepBudget(max_steps)
    gaps = find_gaps(space, gap_budget, max_gaps)
    return Analysis(
        overlaps=overlaps.pairs,
        overlap_count=overlaps.count,
        unreachable=tuple(unreachable),
        gaps=gaps,
        unchecked=unchecked_sentence(
            ids_of_rows(space, space.unindexed_rows), unknown, max_steps if gap_budget.is_spent else 0
        ),
        errors=(*unreachable_errors(unreachable, order), *overlap_errors(table, overlaps)),
        warnings=(
            *list_warnings(unreachable, order),
            *overlap_warnings(table, overlaps, order),
            *gap_warnings(table, gaps),
        ),
        notes=gap_notes(table, gaps),
    )
