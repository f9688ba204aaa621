"""Keep the policy and the selector that decide together: what is sent, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from router.selection.outbound_policy import OutboundPolicy
    from router.selection.spoke_selector import Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingTables:
    """Two tables that were live at the same moment; a decision asks both of one such pair."""

    policy: OutboundPolicy
    selector: Selector
