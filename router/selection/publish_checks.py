"""Judge a table that was loaded: what keeps it from being published, and what somebody should look at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.analysis_of_selectors import analyse_loaded
from router.selection.load import table_of
from router.selection.spoke_selector import Selector

if TYPE_CHECKING:
    from router.selection.load import Loaded


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
