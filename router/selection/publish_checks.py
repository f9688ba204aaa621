"""Check a loaded table before it is published: errors that prevent it, and warnings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.selection.load import table_of
from router.selection.spoke_selector import Selector
from router.tables.analysis.analysis import analyse
from router.tables.analysis.wording import unreachable_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from router.selection.load import Loaded
    from router.tables.analysis.findings import Analysis, Unreachable


def analyse_loaded(loaded: Loaded) -> Analysis:
    """Analyse a loaded table of any kind."""
    analysis = analyse(table_of(loaded))
    if not isinstance(loaded, Selector) or not loaded.thresholds:
        return analysis
    found = {one.row: one for one in _never_chosen(loaded, {one.row for one in analysis.unreachable})}
    never = tuple(found[one.row] for one in analysis.unreachable if one.row in found)
    return replace(analysis, unreachable=never, errors=unreachable_errors(never))


def _never_chosen(selector: Selector, suspects: AbstractSet[str]) -> Iterator[Unreachable]:
    """Analyse each suspect again without every other definition that can be used up."""
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
    """Sentences about a table. One error prevents publishing; warnings are for the publisher."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: Findings) -> Findings:
        """Return the findings of both."""
        return Findings(errors=self.errors + other.errors, warnings=self.warnings + other.warnings)


def check_before_publishing(loaded: Loaded, *, spokes_known: bool) -> Findings:
    """Check a table whose cells are right and whose saved tests pass.

    `spokes_known`: whether it was loaded with the profiles; a selector is not published without.
    """
    return _check_tests(loaded) + _check_spokes(loaded, spokes_known=spokes_known) + _check_analysis(loaded)


def _check_tests(loaded: Loaded) -> Findings:
    table = table_of(loaded)
    if table.tests:
        return Findings()
    return Findings(warnings=(f"{table.id} has no saved tests, so nothing shows that it decides what you mean",))


def _check_analysis(loaded: Loaded) -> Findings:
    analysis = analyse_loaded(loaded)
    unchecked = () if analysis.complete else (analysis.unchecked,)
    return Findings(errors=analysis.errors, warnings=(*analysis.warnings, *unchecked))


def _check_spokes(loaded: Loaded, *, spokes_known: bool) -> Findings:
    if spokes_known or not isinstance(loaded, Selector):
        return Findings()
    sentence = f"{loaded.table.id} names spokes, and the profiles that would prove them have mistakes: correct those"
    return Findings(errors=(sentence,))
