"""Analyse a selector: a definition below one with a threshold has its turn when that one is used up."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.analysis_sentences import unreachable_in_words
from router.selection.load import table_of
from router.selection.spoke_selector import Selector
from router.tables.analysis.analysis import analyse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from router.selection.load import Loaded
    from router.tables.analysis.findings import Analysis, Unreachable


def analyse_loaded(loaded: Loaded) -> Analysis:
    """Analyse whatever was loaded."""
    analysis = analyse(table_of(loaded))
    if not isinstance(loaded, Selector) or not loaded.thresholds:
        return analysis
    found = {one.row: one for one in _never_chosen(loaded, {one.row for one in analysis.unreachable})}
    never = tuple(found[one.row] for one in analysis.unreachable if one.row in found)
    return replace(analysis, unreachable=never, errors=unreachable_in_words(never))


def _never_chosen(selector: Selector, suspects: AbstractSet[str]) -> Iterator[Unreachable]:
    """Ask again of each suspect, with every other definition out of the way that can be used up."""
    for row in suspects & selector.thresholds.keys():
        yield from _without(selector, selector.thresholds.keys() - {row}, {row})
    if always := suspects - selector.thresholds.keys():
        yield from _without(selector, selector.thresholds.keys(), always)


def _without(selector: Selector, used_up: AbstractSet[str], suspects: AbstractSet[str]) -> Iterator[Unreachable]:
    table = selector.table
    left = replace(table, rows=tuple(row for row in table.rows if row.id not in used_up))
    return (found for found in analyse(left).unreachable if found.row in suspects)
