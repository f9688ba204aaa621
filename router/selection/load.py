"""Load the text of a table as what it is meant to be, and say what that is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from router.selection.outbound_policy import OutboundPolicy, load_policy
from router.selection.selector_file import load_selector
from router.selection.spoke_selector import Selector, decide_selector
from router.tables.formats.loader import load_table
from router.tables.table import DecisionTable
from schemas.published_tables import TableKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.selection.facts import Facts
    from router.tables.decision import Decision, Undecided

Loaded = OutboundPolicy | Selector | DecisionTable


def load_as(kind: TableKind, text: str, source_name: str, spokes: Collection[str] | None = None) -> Loaded:
    """Load a table of this kind; `spokes` are the systems that have a profile, None where that is not known.

    Raises:
        TableErrors: everything that is wrong, each with file, line, row and column.
    """
    match kind:
        case TableKind.POLICY:
            return load_policy(text, source_name)
        case TableKind.SELECTOR:
            return load_selector(text, source_name, spokes)
        case TableKind.TABLE:
            return load_table(text, source_name)


def kind_of(loaded: Loaded) -> TableKind:
    """Say what was loaded."""
    match loaded:
        case OutboundPolicy():
            return TableKind.POLICY
        case Selector():
            return TableKind.SELECTOR
        case DecisionTable():
            return TableKind.TABLE


def table_of(loaded: Loaded) -> DecisionTable:
    """Give the rows and columns of whatever was loaded."""
    return loaded if isinstance(loaded, DecisionTable) else loaded.table


def decide_by(loaded: Loaded) -> Callable[[Facts], Decision | Undecided]:
    """Give the function that decides by it, with no definition used up."""
    return partial(decide_selector, loaded) if isinstance(loaded, Selector) else table_of(loaded).decide
