"""Check a loaded table before it is published: errors that prevent it, and warnings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from router.selection.load import table_of
from router.selection.spoke_selector import SpokeSelector
from router.tables.analysis.analysis import analyse
from router.tables.analysis.wording import BY_NUMBER, BY_PLACE, unreachable_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

    from router.selection.load import LoadedTable
    from router.tables.analysis.findings import Analysis, UnreachableRow


def analyse_loaded(loaded: LoadedTable) -> Analysis:
    """Analyse a loaded table of any kind."""
    analysis = analyse(table_of(loaded), order=BY_NUMBER if isinstance(loaded, SpokeSelector) else BY_PLACE)
    if not isinstance(loaded, SpokeSelector) or not loaded.thresholds:
        return analysis
    row_ids = [unreachable.row for unreachable in analysis.unreachable]
    confirmed = {unreachable.row: unreachable for unreachable in _never_chosen(loaded, set(row_ids))}
    unreachable_rows = tuple(confirmed[row_id] for row_id in row_ids if row_id in confirmed)
    return replace(analysis, unreachable=unreachable_rows, errors=unreachable_errors(unreachable_rows, BY_NUMBER))


def _never_chosen(selector: SpokeSelector, row_ids: AbstractSet[str]) -> Iterator[UnreachableRow]:
    """Analyse the selector for each of these rows again, without every other definition that can be used up."""
    for row in row_ids & selector.thresholds.keys():
        yield from _unreachable_without(selector, selector.thresholds.keys() - {row}, {row})
    if without_threshold := row_ids - selector.thresholds.keys():
        yield from _unreachable_without(selector, selector.thresholds.keys(), without_threshold)


def _unreachable_without(
    selector: SpokeSelector, used_up: AbstractSet[str], row_ids: AbstractSet[str]
) -> Iterator[UnreachableRow]:
    table = selector.table
    remaining = replace(table, rows=tuple(row for row in table.rows if row.id not in used_up))
    return (unreachable for unreachable in analyse(remaining).unreachable if unreachable.row in row_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFindings:
    """Sentences about a table. One error prevents publishing; warnings are for the publisher."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __add__(self, other: PublishFindings) -> PublishFindings:
        """Return the findings of both."""
        return PublishFindings(errors=self.errors + other.errors, warnings=self.warnings + other.warnings)


def check_before_publishing(loaded: LoadedTable, *, spokes_known: bool) -> PublishFindings:
    """Check a table whose cells are right and whose saved tests pass.

    `spokes_known`: whether it was loaded with the profiles; a selector is not published without.
    """
    return _check_tests(loaded) + _check_spokes(loaded, spokes_known=spokes_known) + _check_analysis(loaded)


def _check_tests(loaded: LoadedTable) -> PublishFindings:
    table = table_of(loaded)
    if table.tests:
        return PublishFindings()
    return PublishFindings(warnings=(f"{table.id} has no saved tests, so nothing shows that it decides what you mean",))


def _check_analysis(loaded: LoadedTable) -> PublishFindings:
    analysis = analyse_loaded(loaded)
    unchecked = () if analysis.is_complete else (analysis.unchecked,)
    return PublishFindings(errors=analysis.errors, warnings=(*analysis.warnings, *unchecked))


def _check_spokes(loaded: LoadedTable, *, spokes_known: bool) -> PublishFindings:
    if spokes_known or not isinstance(loaded, SpokeSelector):
        return PublishFindings()
    sentence = f"{loaded.table.id} names spokes, and the profiles that would prove them have mistakes: correct those"
    return PublishFindings(errors=(sentence,))
