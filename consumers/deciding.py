"""Ask both tables about a root run: what is sent, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.decisions import Undecided
from router.facts import facts_of
from router.policy import decide_policy
from router.selector import choose_spoke
from schemas.commands import PinnedDecision

if TYPE_CHECKING:
    from router.policy import OutboundPolicy
    from router.selector import Selector
    from router.trouble import Trouble
    from schemas.documents import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A decision made once on the root, to be pinned."""

    spoke: str
    decision: PinnedDecision
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """The two tables of this process."""

    policy: OutboundPolicy
    selector: Selector

    def __call__(self, root: RunDocument) -> Route | Trouble:
        """Decide, or tell which rows came close; never guess."""
        facts = facts_of(root)
        what = decide_policy(self.policy, facts)
        if isinstance(what, Undecided):
            return what.trouble()
        where = choose_spoke(self.selector, facts)
        if isinstance(where, Undecided):
            return where.trouble()
        pinned = PinnedDecision(
            policy=what.decision.reference,
            selector=where.decision.reference,
            hierarchical=what.hierarchical,
            payload=what.payload,
        )
        explanation = f"{what.decision.explanation}\n{where.decision.explanation}"
        return Route(spoke=where.spoke, decision=pinned, explanation=explanation)
