"""Load a file that an operator names, whichever kind of table it holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.policy import load_policy
from router.selector_files import load_selector
from router.table_files import load_table

if TYPE_CHECKING:
    from collections.abc import Collection

    from router.policy import OutboundPolicy
    from router.selector import Selector
    from router.tables import DecisionTable

_SELECTOR = re.compile(r"^selector\s*:", re.MULTILINE)
_POLICY = re.compile(r"""^table\s*:\s*["']?outbound-policy\b""", re.MULTILINE)


def load_any(
    text: str, source_name: str, spokes: Collection[str] | None = None
) -> OutboundPolicy | Selector | DecisionTable:
    """Load a selector (it starts with `selector:`), the table `outbound-policy`, or any other table.

    Raises:
        TableErrors: everything that is wrong, each with file, line, row and column.
    """
    if _SELECTOR.search(text):
        return load_selector(text, source_name, spokes)
    return load_policy(text, source_name) if _POLICY.search(text) else load_table(text, source_name)
