"""Load a file that an operator names, whichever kind of table it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from router.selection.outbound_policy import policy_from
from router.selection.selector_file import selector_from
from router.tables.formats.loader import table_from, written_in_yaml
from router.tables.formats.tree import Block, Scalar

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.selection.outbound_policy import OutboundPolicy
    from router.selection.spoke_selector import Selector
    from router.tables.formats.loader import Written
    from router.tables.table import DecisionTable

POLICY_ID = "outbound-policy"


def load_any(
    text: str, source_name: str, spokes: Collection[str] | None = None, *, tested: bool = True
) -> OutboundPolicy | Selector | DecisionTable:
    """Load a selector (it has the key `selector`), the table `outbound-policy`, or any other table.

    Unless it shall be `tested`, its saved tests are read but not run.

    Raises:
        TableErrors: everything that is wrong, each with file, line, row and column.
    """
    return any_from(replace(written_in_yaml(text, source_name), tested=tested), spokes)


def any_from(written: Written, spokes: Collection[str] | None = None) -> OutboundPolicy | Selector | DecisionTable:
    """Check what was written, whichever kind of table it is, and run its saved tests if they shall be.

    Raises:
        TableErrors: everything that is wrong, each with its place, row and column.
    """
    match written.root:
        case Block(entries={"selector": _}):
            return selector_from(written, spokes)
        case Block(entries={"table": Scalar(text=table_id)}) if table_id.strip() == POLICY_ID:
            return policy_from(written)
        case _:
            return table_from(written)
