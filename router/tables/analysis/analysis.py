"""Check a whole table before it decides anything: what overlaps, what is never reached, what is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.analysis.findings import Analysis
from router.tables.analysis.gaps import find_gaps
from router.tables.analysis.overlaps import find_overlaps, find_unreachable
from router.tables.analysis.search import StepBudget
from router.tables.analysis.space import named_rows, space_of
from router.tables.analysis.wording import (
    gap_notes,
    gap_warnings,
    list_warnings,
    overlap_errors,
    overlap_warnings,
    unchecked_in_words,
    unreachable_in_words,
)

if TYPE_CHECKING:
    from router.tables.table import DecisionTable

STEPS = 120_000  # a quarter of a second for each of the two searches, in a table of a thousand rows
MOST_GAPS = 20
MOST_OVERLAPS = 200


def analyse(
    table: DecisionTable, steps: int = STEPS, *, most_gaps: int = MOST_GAPS, most_overlaps: int = MOST_OVERLAPS
) -> Analysis:
    """Look for overlaps, rows that are never reached, and gaps.

    Every finding is true for single values; a list fits where one of its elements does, so it may hit rows that share
    no value, and rows that no single value reaches. A row whose cell looks at another input is never said to overlap,
    to cover another or to leave a gap.

    Args:
        table: any table that was loaded.
        steps: after so many steps each of the two searches, for gaps and for rows that several cover together, ends.
        most_gaps: how many gaps are kept, from the largest on.
        most_overlaps: how many overlaps are kept, from those that matter most on.
    """
    space = space_of(table)
    first_decides = table.policy == "first"
    unreachable, unknown = find_unreachable(space, StepBudget(steps), first_decides=first_decides)
    overlaps = find_overlaps(space, most_overlaps, unreachable)
    for_gaps = StepBudget(steps)
    gaps = find_gaps(space, for_gaps, most_gaps)
    return Analysis(
        overlaps=overlaps.pairs,
        overlap_count=overlaps.count,
        unreachable=tuple(unreachable),
        gaps=gaps,
        unchecked=unchecked_in_words(named_rows(space, space.doubtful), unknown, steps if for_gaps.is_spent else 0),
        errors=(*unreachable_in_words(unreachable), *overlap_errors(table, overlaps)),
        warnings=(*list_warnings(unreachable), *overlap_warnings(table, overlaps), *gap_warnings(table, gaps)),
        notes=gap_notes(table, gaps),
    )
