"""Evaluate both decision tables for a root run: what is sent, and to which spoke."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from router.selection.facts import facts_of
from router.selection.outbound_policy import Payload, decide_policy
from router.selection.spoke_move import keep_spoke
from router.selection.spoke_selector import AllUsedUp, choose_spoke
from router.selection.thresholds import CountedDefinition
from router.tables.decision import Undecided
from router.tables.explain.explain import explain_decision, problem_of
from router.tables.explain.explanation import dump_explanations
from schemas.commands import PinnedDecision

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from router.runs.events import ChangeRefused, ChangeRequested
    from router.runs.run import RunRow
    from router.selection.load import RoutingTables
    from router.selection.outbound_policy import PolicyDecision
    from router.selection.spoke_selector import ChosenSpoke, SpokeSelector
    from router.tables.decision import Decision
    from schemas.problem import Problem
    from schemas.run_document import RunDocument

MAX_ROUTES = 4096  # cached routes; most runs are decided like an earlier one


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A decision made once on the root and pinned. `counted_definition` is the definition whose threshold it uses."""

    spoke: str
    decision: PinnedDecision
    explanation: str
    counted_definition: CountedDefinition | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllDefinitionsUsedUp:
    """Every definition that matches is used up."""

    definitions: tuple[CountedDefinition, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the definitions, as a row stores what it waits for."""
        return tuple([one.name for one in self.definitions])


def _none_used_up(_: SpokeSelector) -> Container[str]:
    return frozenset()


def _ignore(_table: str, _missing: str) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Decides by the tables that are live at that moment; `tables` is called once per decision.

    `on_missing_input` is called for each input that the run has no value for, with the table's id and the input's name.
    """

    tables: Callable[[], RoutingTables]
    on_missing_input: Callable[[str, str], None] = _ignore
    _routes: dict[str, Route] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def selector(self) -> SpokeSelector:
        """The selector that is live now."""
        return self.tables().selector

    @property
    def counted_definitions(self) -> Mapping[str, CountedDefinition]:
        """The definitions with a threshold, by name."""
        selector = self.selector
        return {one.name: one for row in selector.thresholds for one in [_counted_definition(selector, row)]}

    def decide(
        self, root: RunDocument, used_up: Callable[[SpokeSelector], Container[str]] = _none_used_up
    ) -> Route | AllDefinitionsUsedUp | Problem:
        """Decide, or return why nothing is decided. `used_up` returns the rows that may not be used now."""
        facts, tables = facts_of(root), self.tables()
        policy_decision = decide_policy(tables.policy, facts)
        self._observe_missing_inputs(
            policy_decision if isinstance(policy_decision, Undecided) else policy_decision.decision
        )
        if isinstance(policy_decision, Undecided):
            return _undecided(policy_decision)
        selector = tables.selector
        spoke_decision = choose_spoke(selector, facts, used_up(selector))
        self._observe_missing_inputs(
            spoke_decision if isinstance(spoke_decision, Undecided) else spoke_decision.decision
        )
        if not isinstance(spoke_decision, Undecided):
            return self._cached_route(policy_decision, spoke_decision, selector)
        if isinstance(spoke_decision, AllUsedUp):
            return AllDefinitionsUsedUp(
                definitions=tuple([_counted_definition(selector, row.id) for row in spoke_decision.rows])
            )
        return _undecided(spoke_decision)

    def keep_spoke(
        self, row: RunRow, requested: ChangeRequested, children: tuple[RunDocument, ...]
    ) -> ChangeRequested | ChangeRefused:
        """Return the change of a run that stays at its system, or its refusal; of a child its root decides."""
        of_root = row.parent_run_id is None or row.decision is None or not row.decision.hierarchical
        return keep_spoke(self.selector, row, requested, children) if of_root else requested

    def _observe_missing_inputs(self, decision: Decision | Undecided) -> None:
        if None in decision.values:
            for name in decision.missing:
                self.on_missing_input(decision.table.id, name)

    def _cached_route(self, policy_decision: PolicyDecision, chosen: ChosenSpoke, selector: SpokeSelector) -> Route:
        # `repr` and not the values themselves: a dict takes 1, 1.0 and True for one key, but people do not.
        used_up = [row.id for row in chosen.decision.skipped]
        by = (policy_decision.decision.reference, chosen.decision.reference)
        key = repr((by, policy_decision.decision.values, chosen.decision.values, used_up))
        if key not in self._routes:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            self._routes[key] = _make_route(policy_decision, chosen, selector)
        return self._routes[key]


def _undecided(undecided: Undecided) -> Problem:
    """Return the problem: what is wrong with the table, and that the run is decided when it is requested again."""
    problem = problem_of(undecided)
    return replace(problem, sentence=f"{problem.sentence}, then redrive its RunRequested")


def _counted_definition(selector: SpokeSelector, row: str) -> CountedDefinition:
    return CountedDefinition(selector=selector.table.id, row=row, threshold=selector.thresholds[row])


def _make_route(policy_decision: PolicyDecision, chosen: ChosenSpoke, selector: SpokeSelector) -> Route:
    pinned = PinnedDecision(
        policy=policy_decision.decision.reference,
        selector=chosen.decision.reference,
        hierarchical=policy_decision.hierarchical,
        # A run that is sent alone has no children to bundle.
        payload=policy_decision.payload if policy_decision.hierarchical else Payload.PER_RUN,
    )
    explanation = dump_explanations([explain_decision(policy_decision.decision), explain_decision(chosen.decision)])
    counted = _counted_definition(selector, chosen.decision.row.id) if chosen.threshold else None
    return Route(spoke=chosen.spoke, decision=pinned, explanation=explanation, counted_definition=counted)
