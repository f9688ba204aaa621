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
    from collections.abc import Callable

    from router.policy import PolicyDecision
    from router.routing_tables import RoutingTables
    from router.selector import Chosen
    from router.trouble import Trouble
    from schemas.documents import RunDocument

KEPT = 4096  # routes; most runs are decided as one before them was, so it is made and explained once


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A decision made once on the root, to be pinned."""

    spoke: str
    decision: PinnedDecision
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Decide by the tables that are live at that moment; `tables` is asked once per decision."""

    tables: Callable[[], RoutingTables]
    _routes: dict[str, Route] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, root: RunDocument) -> Route | Trouble:
        """Decide, or tell which rows came close; never guess."""
        facts, tables = facts_of(root), self.tables()
        what = decide_policy(tables.policy, facts)
        if isinstance(what, Undecided):
            return what.trouble()
        where = choose_spoke(tables.selector, facts)
        if isinstance(where, Undecided):
            return where.trouble()
        return self._remembered(what, where)

    def _remembered(self, what: PolicyDecision, where: Chosen) -> Route:
        # `repr` and not the values themselves, because to a dict 1, 1.0 and True are one key, but not to people.
        used_up = [row.id for row in where.decision.skipped]
        by = (what.decision.reference, where.decision.reference)
        key = repr((by, what.decision.values, where.decision.values, used_up))
        if key not in self._routes:
            if len(self._routes) >= KEPT:
                self._routes.clear()
            self._routes[key] = _route(what, where)
        return self._routes[key]


def _route(what: PolicyDecision, where: Chosen) -> Route:
    pinned = PinnedDecision(
        policy=what.decision.reference,
        selector=where.decision.reference,
        hierarchical=what.hierarchical,
        # A run that goes alone has nobody to bundle with.
        payload=what.payload if what.hierarchical else Payload.PER_RUN,
    )
    explanation = f"{what.decision.explanation}\n{where.decision.explanation}"
    return Route(spoke=where.spoke, decision=pinned, explanation=explanation)
