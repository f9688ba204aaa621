"""Runs with equal facts get the same cached route, and explanations contain only a run's own values."""

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


def test_a_cached_route_equals_a_new_one() -> None:
    decide = a_decider()
    route_of(decide, 1000)
    assert route_of(decide, 1000) == route_of(a_decider(), 1000)


def test_equal_values_with_different_texts_are_each_explained_with_their_own_text() -> None:
    decide = a_decider()
    for speed in (1, True, "1", 0, False):
        assert route_of(decide, speed) == route_of(a_decider(), speed)


def test_the_cache_is_bounded() -> None:
    decide = a_decider()
    for speed in range(MAX_ROUTES + 10):
        route_of(decide, speed)
    assert 0 < len(decide._routes) <= MAX_ROUTES


def test_a_cached_route_of_one_version_is_never_used_for_another() -> None:
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


def test_a_missing_input_is_explained_each_time() -> None:
    missed: list[tuple[str, str]] = []
    tables = shipped_tables()
    decide = Decider(tables=lambda: tables, on_missing_input=lambda table, name: missed.append((table, name)))
    decide.decide(a_document(spec="fibre-line"))
    decide.decide(a_document(spec="fibre-line"))
    assert missed.count(("outbound-policy", "speed")) == 2
    route_of(decide, 1000)
    assert missed.count(("outbound-policy", "speed")) == 2
