"""Load the text of a table as the kind of table that it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from router.selection.fact_model import RUN_FACTS
from router.selection.outbound_policy import OutboundPolicy, build_policy, load_policy
from router.selection.selector_file import RUN_TABLE_LAYOUT, build_selector, load_selector, selector_document
from router.selection.spoke_selector import SpokeSelector, decide_selector
from router.tables.decision import decide
from router.tables.formats.document import document_of_table
from router.tables.formats.loader import load_table, table_from_tree, table_tree_from_yaml
from router.tables.table import DecisionTable
from schemas.files.located_tree import Block, Scalar
from schemas.published_tables import TableKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from router.tables.decision import Decision, Undecided
    from router.tables.facts import Facts
    from router.tables.formats.document import TableDocument
    from router.tables.formats.loader import TableTree

LoadedTable = OutboundPolicy | SpokeSelector | DecisionTable


def load_as(kind: TableKind, text: str, source_name: str, spokes: Collection[str] | None = None) -> LoadedTable:
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
            return load_table(text, source_name, RUN_FACTS, RUN_TABLE_LAYOUT)


def table_kind(table: LoadedTable) -> TableKind:
    """Return the kind of what was loaded."""
    match table:
        case OutboundPolicy():
            return TableKind.POLICY
        case SpokeSelector():
            return TableKind.SELECTOR
        case DecisionTable():
            return TableKind.TABLE


def table_of(loaded: LoadedTable) -> DecisionTable:
    """Return the rows and columns of whatever was loaded."""
    return loaded if isinstance(loaded, DecisionTable) else loaded.table


def document_of(loaded: LoadedTable) -> TableDocument:
    """Return whatever was loaded as its file spells it."""
    return selector_document(loaded) if isinstance(loaded, SpokeSelector) else document_of_table(table_of(loaded))


def decision_function(loaded: LoadedTable) -> Callable[[Facts], Decision | Undecided]:
    """Return the function that decides by it, with no definition used up."""
    return partial(decide_selector, loaded) if isinstance(loaded, SpokeSelector) else partial(decide, table_of(loaded))


POLICY_ID = "outbound-policy"


def load_any(
    text: str, source_name: str, spokes: Collection[str] | None = None, *, run_tests: bool = True
) -> OutboundPolicy | SpokeSelector | DecisionTable:
    """Load a selector (it has the key `selector`), the table `outbound-policy`, or any other table.

    With `runs_tests=False`, its saved tests are read but not run.

    Raises:
        TableErrors: everything that is wrong, each with file, line, row and column.
    """
    return build_any(replace(table_tree_from_yaml(text, source_name), runs_tests=run_tests), spokes)


def build_any(tree: TableTree, spokes: Collection[str] | None = None) -> OutboundPolicy | SpokeSelector | DecisionTable:
    """Check a table of any kind, and run its saved tests if they are to be run.

    Raises:
        TableErrors: everything that is wrong, each with its place, row and column.
    """
    match tree.root:
        case Block(entries={"selector": _}):
            return build_selector(tree, spokes)
        case Block(entries={"table": Scalar(text=table_id)}) if table_id.strip() == POLICY_ID:
            return build_policy(tree)
        case _:
            return table_from_tree(tree, RUN_FACTS, RUN_TABLE_LAYOUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTables:
    """Two tables that were live at the same moment; a decision uses both of one such pair."""

    policy: OutboundPolicy
    selector: SpokeSelector
