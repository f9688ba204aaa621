"""Judge a table that was loaded: what keeps it from being published, and what somebody should look at first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.selection.load import table_of
from router.selection.spoke_selector import Selector
from router.tables.analysis.analysis import analyse
from router.tables.analysis.wording import unreachable_in_words

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Sentences about a table. One error is enough to keep it back; warnings are for whoever publishes."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        """Put the findings of two looks together."""
        return Findings(errors=self.errors + other.errors, warnings=self.warnings + other.warnings)


def judge(loaded: Loaded, *, spokes_known: bool) -> Findings:
    """Look at a table whose cells are right and whose saved tests pass.

    `spokes_known`: whether it was loaded against the profiles; a selector is not published without.
    """
    return _tested(loaded) + _addressed(loaded, spokes_known=spokes_known) + _analysed(loaded)


def _tested(loaded: Loaded) -> Findings:
    table = table_of(loaded)
    if table.tests:
        return Findings()
    return Findings(warnings=(f"{table.id} has no saved tests, so nothing shows that it decides what you mean",))


def _analysed(loaded: Loaded) -> Findings:
    analysis = analyse_loaded(loaded)
    unchecked = () if analysis.complete else (analysis.unchecked,)
    return Findings(errors=analysis.errors, warnings=(*analysis.warnings, *unchecked))


def _addressed(loaded: Loaded, *, spokes_known: bool) -> Findings:
    if spokes_known or not isinstance(loaded, Selector):
        return Findings()
    sentence = f"{loaded.table.id} names spokes, and the profiles that would prove them have mistakes: correct those"
    return Findings(errors=(sentence,))
