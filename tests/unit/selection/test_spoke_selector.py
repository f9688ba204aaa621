"""The spoke selector: definitions with an order, a switch and a threshold."""

from __future__ import annotations

from datetime import timedelta

import pytest

from router.selection.facts import facts_of
from router.selection.selector_file import load_selector
from router.selection.spoke_selector import ChosenSpoke, SelectionReason, Threshold, choose_spoke
from router.tables.decision import Undecided
from router.tables.diagnostics import TableErrors
from router.tables.explain.explain import explanation_lines, problem_of
from tests.builders.runs import a_document

SPOKES = {"fibre-lab", "copper-lab"}
FACTS = facts_of(a_document())
THRESHOLD = "threshold: {max: 100, period: PT1H}"


def a_definition(
    row_id: str, order: object, *, spoke: str = "fibre-lab", spec: str = "fibre-line", more: str = ""
) -> str:
    extra = f", {more}" if more else ""
    return f"{{id: {row_id}, order: {order}, when: {{spec: {spec}}}, then: {{spoke: {spoke}}}{extra}}}"


INPUTS = "  - {name: spec, path: test_specification.id, type: string}\n"


def a_file(*definitions: str, more: str = "") -> str:
    listed = "".join(f"  - {definition}\n" for definition in definitions)
    return f"selector: a-selector\ninputs:\n{INPUTS}rows:\n{listed}{more}"


def choose(text: str, used_up: frozenset[str] = frozenset()) -> ChosenSpoke:
    choice = choose_spoke(load_selector(text, "s.yaml", SPOKES), FACTS, used_up)
    assert isinstance(choice, ChosenSpoke)
    return choice


def fail_to_choose(text: str, used_up: frozenset[str] = frozenset()) -> Undecided:
    choice = choose_spoke(load_selector(text, "s.yaml", SPOKES), FACTS, used_up)
    assert isinstance(choice, Undecided)
    return choice


def test_the_matching_definition_with_the_lowest_order_is_chosen_wherever_it_is_in_the_file() -> None:
    text = a_file(a_definition("S20", 20), a_definition("S10", 10, spoke="copper-lab"), a_definition("S5", 5, spec="x"))
    choice = choose(text)
    assert (choice.spoke, choice.decision.row.id) == ("copper-lab", "S10")
    assert choice.decision.reference.startswith("a-selector@")
    assert "S5 would have matched but `spec` is fibre-line, the cell requires x" in "\n".join(
        explanation_lines(choice.decision)
    )


def test_an_inactive_definition_is_ignored() -> None:
    text = a_file(a_definition("S10", 10, more="active: false"), a_definition("S20", 20))
    assert choose(text).decision.row.id == "S20"
    alone = fail_to_choose(a_file(a_definition("S10", 10, more="active: false"), a_definition("S20", 20, spec="x")))
    assert "S10 would have matched but it is switched off" in "\n".join(explanation_lines(alone))


def test_a_used_up_definition_gives_way_to_the_next_that_matches() -> None:
    text = a_file(a_definition("S10", 10, more=THRESHOLD), a_definition("S20", 20, spoke="copper-lab"))
    first = choose(text)
    assert first.threshold == Threshold(max=100, period=timedelta(hours=1))
    second = choose(text, frozenset({"S10"}))
    assert (second.spoke, second.threshold) == ("copper-lab", None)
    assert "S10 matches too, but is used up for now" in "\n".join(explanation_lines(second.decision))


def test_when_every_definition_is_used_up_the_default_is_not_used() -> None:
    text = a_file(a_definition("S10", 10, more=THRESHOLD), more="default: {spoke: copper-lab}\n")
    waiting = fail_to_choose(text, frozenset({"S10"}))
    assert waiting.reason is SelectionReason.ALL_USED_UP
    assert "(S10) is used up: wait or raise a threshold" in waiting.sentence
    assert problem_of(waiting).detail == "S10: `spec` is fibre-line"


def test_the_default_is_used_when_no_definition_matches() -> None:
    choice = choose(a_file(a_definition("S10", 10, spec="x"), more="default: {spoke: copper-lab}\n"))
    assert (choice.spoke, choice.decision.row.id) == ("copper-lab", "default")


def test_spokes_are_not_checked_if_no_list_is_given() -> None:
    assert load_selector(a_file(a_definition("S1", 1, spoke="moon-lab")), "s.yaml").table.id == "a-selector"


def test_saved_tests_of_a_selector_see_order_and_switch() -> None:
    tests = "tests:\n  - {name: it, given: {test_specification: {id: fibre-line}}, expect: {row: S20}}\n"
    text = a_file(a_definition("S10", 10, more="active: false"), a_definition("S20", 20), more=tests)
    assert load_selector(text, "s.yaml", SPOKES).table.rows[0].id == "S20"
    with pytest.raises(TableErrors, match="test 'it' expected row S20, got row S10"):
        load_selector(text.replace("active: false", "active: true"), "s.yaml", SPOKES)


@pytest.mark.parametrize(
    ("definition", "sentence"),
    [
        (a_definition("S2", 2, spoke="fibre-lap"), "row S2, output 'spoke': fibre-lap is not one of the known spokes"),
        (a_definition("S2", 1), "row S2: row S1 has the order 1 already"),
        (a_definition("S2", "ten"), "row S2: 'order' must be a whole number"),
        (a_definition("S2", "1.5"), "row S2: 'order' must be a whole number"),
        (a_definition("S2", "true"), "row S2: 'order' must be a whole number"),
        ("{id: S2, when: {}, then: {spoke: fibre-lab}}", "row S2: 'order' is missing; write a whole number"),
        (a_definition("S2", 2, more="active: on"), "row S2: 'active' must be true or false"),
        (a_definition("S2", 2, more="threshold: 5"), "row S2: 'threshold' must be {name: value}"),
        (a_definition("S2", 2, more="threshold: {max: 5}"), "row S2, threshold: 'period' is missing"),
        (a_definition("S2", 2, more="threshold: {max: 0, period: P1D}"), "row S2, threshold: 'max' must be at least 1"),
        (a_definition("S2", 2, more="threshold: {period: P1D}"), "row S2, threshold: 'max' is missing"),
        (a_definition("S2", 2, more="threshold: {max: 1.5, period: P1D}"), "row S2, threshold: 'max' must be a w"),
        (a_definition("S2", 2, more="threshold: {max: 5, period: 1h}"), 'row S2, threshold: period: "1h" is not a dur'),
        (a_definition("S2", 2, more="threshold: {max: 5, period: P1M}"), "row S2, threshold: 'period' must be a span"),
        (a_definition("S2", 2, more="threshold: {max: 5, period: PT0S}"), "row S2, threshold: 'period' must be a span"),
        (a_definition("S2", 2, more="treshold: {}"), "row S2: unknown key 'treshold'; did you mean 'threshold'?"),
        ("{id: S2, order: 2, when: {}, then: {}}", "row S2, output 'spoke': is missing"),
    ],
)
def test_a_wrong_definition_is_named(definition: str, sentence: str) -> None:
    with pytest.raises(TableErrors) as refused:
        load_selector(a_file(a_definition("S1", 1), definition), "s.yaml", SPOKES)
    (error,) = refused.value.sentences
    assert error.startswith(f"s.yaml:6: {sentence}")


def test_outputs_of_a_selector_are_not_taken_for_inputs() -> None:
    text = a_file(a_definition("S1", 1)) + "outputs: [{name: spoke, type: string}]\n"
    with pytest.raises(TableErrors) as refused:
        load_selector(text, "s.yaml", SPOKES)
    (error,) = refused.value.sentences
    assert error.endswith("unknown key 'outputs'; a selector decides 'spoke' and nothing else: leave it out")


def test_a_default_to_an_unknown_spoke_is_refused() -> None:
    with pytest.raises(TableErrors, match="default row, output 'spoke': moon is not one of the known spokes"):
        load_selector(a_file(a_definition("S1", 1), more="default: {spoke: moon}\n"), "s.yaml", SPOKES)
