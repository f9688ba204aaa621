"""Ask both tables about a root run: what is sent, and where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from router.decisions import Undecided
from router.facts import facts_of
from router.policy import Payload, decide_policy
from router.selector import choose_spoke
from schemas.commands import PinnedDecision

if TYPE_CHECKING:
    from router.decisions import Decision
    from router.policy import OutboundPolicy
    from router.selector import Selector
    from router.trouble import Trouble
    from schemas.documents import RunDocument


EXPLANATIONS = 4096  # texts that are kept; most runs are decided as one before them was


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
    _explained: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

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
            # A run that goes alone has nobody to bundle with.
            payload=what.payload if what.hierarchical else Payload.PER_RUN,
        )
        return Route(spoke=where.spoke, decision=pinned, explanation=self._explain(what.decision, where.decision))

    def _explain(self, what: Decision, where: Decision) -> str:
        # `repr` and not the values themselves, because to a dict 1, 1.0 and True are one key, but not to people.
        used_up = [row.id for row in where.skipped]
        key = f"{what.reference} {what.values!r} {where.reference} {where.values!r} {used_up}"
        text = self._explained.get(key)
        if text is None:
            if len(self._explained) >= EXPLANATIONS:
                self._explained.clear()
            text = self._explained[key] = f"{what.explanation}\n{where.explanation}"
        return text
