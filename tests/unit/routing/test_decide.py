"""A run that is decided as one before it gets the same route, and people are never told of another's values."""

from dataclasses import replace

from consumers.routing.decide import MAX_ROUTES, Decider, Route
from router.selection.load import RoutingTables
from router.selection.outbound_policy import OutboundPolicy
from schemas.run_document import Characteristic, JsonValue
from southbound.service.load_rules import load_rules
from southbound.settings.settings import RoutingSettings
from tests.builders.runs import a_document


def a_decider() -> Decider:
    tables = shipped_tables()
    return Decider(tables=lambda: tables)


def shipped_tables() -> RoutingTables:
    tables = load_rules(RoutingSettings()).tables
    assert isinstance(tables, RoutingTables)
    return tables


def route_of(decide: Decider, speed: JsonValue, spec: str = "fibre-line") -> Route:
    route = decide.decide(a_document(spec=spec, characteristic=(Characteristic(name="speed", value=speed),)))
    assert isinstance(route, Route)
    return route


def test_equal_values_get_the_very_same_route() -> None:
    decide = a_decider()
    assert route_of(decide, 1000) is route_of(decide, 1000)


def test_a_remembered_route_is_the_one_that_would_be_made() -> None:
    decide = a_decider()
    route_of(decide, 1000)
    assert route_of(decide, 1000) == route_of(a_decider(), 1000)


def test_values_that_equal_each_other_but_read_differently_are_explained_each_in_its_own_words() -> None:
    decide = a_decider()
    for speed in (1, True, "1", 0, False):
        assert route_of(decide, speed) == route_of(a_decider(), speed)


def test_the_memory_has_an_end() -> None:
    decide = a_decider()
    for speed in range(MAX_ROUTES + 10):
        route_of(decide, speed)
    assert 0 < len(decide._routes) <= MAX_ROUTES


def test_a_route_of_one_version_is_never_remembered_for_another() -> None:
    live = shipped_tables()
    decide = Decider(tables=lambda: live)
    before = route_of(decide, 1000)
    policy = OutboundPolicy(table=replace(live.policy.table, version="00000000"))
    live = replace(live, policy=policy)
    after = route_of(decide, 1000)
    assert after == replace(before, decision=after.decision, explanation=after.explanation)
    assert (before.decision.policy, after.decision.policy) == (
        before.decision.policy,
        "outbound-policy@00000000#default",
    )


def test_an_input_that_the_run_has_no_value_for_is_told_each_time() -> None:
    missed: list[tuple[str, str]] = []
    tables = shipped_tables()
    decide = Decider(tables=lambda: tables, on_missing_input=lambda table, name: missed.append((table, name)))
    decide.decide(a_document(spec="fibre-line"))
    decide.decide(a_document(spec="fibre-line"))
    assert missed.count(("outbound-policy", "speed")) == 2
    route_of(decide, 1000)
    assert missed.count(("outbound-policy", "speed")) == 2
