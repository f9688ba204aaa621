"""The table as a whole: which row decides, and how the decision is explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.selection.facts import facts_of
from router.tables.decision import Decision, Undecided, decide, decide_on
from router.tables.explain.explain import explanation_lines, problem_of
from router.tables.feel.unary_test import parse
from router.tables.hit_policy import HitPolicy, UndecidedReason
from router.tables.model import Input, Output, Row
from router.tables.table import DecisionTable
from schemas.run_document import Characteristic
from tests.builders.decision_tables import a_row, a_table
from tests.builders.runs import a_document

if TYPE_CHECKING:
    from collections.abc import Mapping

SPEED = Characteristic(name="speed", value=300)


def expect_decision(table: DecisionTable, **document: Any) -> Decision:  # noqa: ANN401 - any field of a document
    decision = decide(table, facts_of(a_document(**document)))
    assert isinstance(decision, Decision)
    return decision


def expect_undecided(table: DecisionTable, **document: Any) -> Undecided:  # noqa: ANN401 - any field of a document
    decision = decide(table, facts_of(a_document(**document)))
    assert isinstance(decision, Undecided)
    return decision


def test_the_first_matching_row_decides() -> None:
    table = a_table([a_row("R1", "spec: other"), a_row("R2", "spec: fibre-line"), a_row("R3", "mode: ONDEMAND")])
    decision = expect_decision(table)
    assert decision.row.id == "R2"
    assert dict(decision.outputs) == {"hierarchical": True, "payload": "per-run"}


def test_a_decision_names_table_version_and_row() -> None:
    table = a_table([a_row("R10", "spec: fibre-line")])
    assert expect_decision(table).reference == f"a-table@{table.version}#R10"
    assert len(table.version) == 8


def test_every_cell_of_a_row_must_fit() -> None:
    table = a_table([a_row("R1", 'spec: fibre-line, speed: "[100..1000)"')])
    assert expect_decision(table, characteristic=(SPEED,)).row.id == "R1"
    assert expect_undecided(table).reason is UndecidedReason.NO_ROW_MATCHES


def test_the_default_row_takes_the_rest() -> None:
    table = a_table([a_row("R1", "spec: x")], more="default: {hierarchical: false, payload: bundle}\n")
    decision = expect_decision(table)
    assert decision.reference.endswith("#default")
    assert decision.outputs["payload"] == "bundle"


def test_two_matches_of_a_unique_table_decide_nothing() -> None:
    rows = [a_row("R1", "spec: fibre-line"), a_row("R2", "mode: ONDEMAND"), a_row("R3", "mode: PROACTIVE")]
    table = a_table(rows, more="policy: unique\n")
    two = expect_undecided(table)
    assert two.reason is UndecidedReason.SEVERAL_ROWS_MATCH
    assert [row.id for row in two.rows] == ["R1", "R2"]
    assert "rows R1, R2 of a-table" in two.sentence
    assert "\n".join(explanation_lines(two)) == "R1: `spec` is fibre-line\nR2: `mode` is ONDEMAND"
    assert expect_decision(table, spec="x", mode="PROACTIVE").row.id == "R3"


def test_a_cell_may_name_another_input() -> None:
    table = a_table([a_row("R1", "speed: <= priority")])
    assert expect_decision(table, priority=300, characteristic=(SPEED,)).row.id == "R1"
    assert "the cell requires <= the value of `priority`" in "\n".join(
        explanation_lines(expect_undecided(table, characteristic=(SPEED,)))
    )


def test_evaluate_takes_values_by_input_name() -> None:
    table = a_table([a_row("R1", "spec: a")])
    assert table.evaluate({"spec": "a"}) == {"hierarchical": True, "payload": "per-run"}
    assert table.evaluate({"spec": "b"}) is None
    assert table.evaluate({}) is None


def test_evaluate_gives_the_bare_value_of_a_single_output() -> None:
    outputs = (Output(name="out", type="number"),)
    row = Row(id="1", cells=(parse("[0..1)", "number"),), outputs={"out": 7})
    table = DecisionTable(id="t", version="1", inputs=(Input(name="x", type="number"),), outputs=outputs, rows=(row,))
    assert table.evaluate({"x": 0.5}) == 7
    assert table.evaluate({"x": 1}) is None


def test_a_decision_explains_its_row_and_the_rows_that_failed_in_one_column() -> None:
    rows = [
        a_row("R1", "spec: fibre-line, mode: PROACTIVE"),
        a_row("R2", "spec: x, mode: PROACTIVE"),
        a_row("R3", 'spec: "fibre-line, fibre-quick", priority: null'),
        a_row("R4", "spec: x"),
    ]
    decision = expect_decision(a_table(rows))
    why, near = "\n".join(explanation_lines(decision)).split("\n")
    assert why == (
        f"{decision.reference}: `spec` is fibre-line (the cell requires fibre-line, fibre-quick), "
        "`priority` is missing (the cell requires null)"
    )
    assert near == "R1 would have matched but `mode` is ONDEMAND, the cell requires PROACTIVE"


def test_a_run_that_no_row_takes_is_told_which_rows_came_close() -> None:
    rows = [
        a_row("R24", "spec: created-started, mode: ONDEMAND"),
        a_row("R25", "spec: x, mode: PROACTIVE"),
        a_row("R26", 'mode: ONDEMAND, speed: "(300..1000]"'),
    ]
    problem = problem_of(expect_undecided(a_table(rows), characteristic=(SPEED,)))
    assert problem.code == "NO_ROW_MATCHES"
    assert "add a row" in problem.sentence
    assert problem.detail.split("\n") == [
        "R24 would have matched but `spec` is fibre-line, the cell requires created-started",
        "R26 would have matched but `speed` is 300, the cell requires (300..1000]",
    ]


def test_without_a_near_miss_the_closest_rows_are_told() -> None:
    rows = [a_row("R1", "spec: x, mode: PROACTIVE, priority: 1"), a_row("R2", "spec: not(fibre-line), mode: PROACTIVE")]
    assert "\n".join(explanation_lines(expect_undecided(a_table(rows)))) == (
        "R2 came closest but `spec` is fibre-line, the cell requires anything but fibre-line, "
        "and `mode` is ONDEMAND, the cell requires PROACTIVE"
    )


def test_no_more_rows_are_told_than_somebody_reads() -> None:
    rows = [a_row(f"R{number}", f"spec: x{number}") for number in range(9)]
    lines = "\n".join(explanation_lines(expect_undecided(a_table(rows)))).split("\n")
    assert len(lines) == 6
    assert lines[-1] == "4 more rows came as close"


def test_missing_inputs_are_named() -> None:
    assert expect_undecided(a_table([a_row("R1", "spec: x")])).missing == ("priority", "speed", "start")


cells = st.sampled_from(["-", "1", "2", "< 2", "[1..3)", "not(1, 3)", "null", "!= 2", "b", ">= b", "not(b)"])
values = st.sampled_from([None, 0, 1, 2, 3, 1.5, True, "1"])


def fits(text: str, value: Any, inputs: Mapping[str, Any]) -> bool:  # noqa: ANN401 - a cell takes any value
    """Return whether one of the few cells above matches, computed in the simplest way."""
    b = inputs["b"]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    b_number = isinstance(b, int | float) and not isinstance(b, bool)
    meaning = {
        "-": True,
        "1": number and value == 1,
        "2": number and value == 2,
        "< 2": number and value < 2,
        "[1..3)": number and 1 <= value < 3,
        "not(1, 3)": not (number and value in (1, 3)),
        "null": value is None,
        "!= 2": number and value != 2,
        "b": type_of(value) == type_of(b) and value == b,
        ">= b": (number and b_number and value >= b) or (type_of(value) == type_of(b) == "text" and value >= b),
        "not(b)": not (type_of(value) == type_of(b) and value == b),
    }
    return bool(meaning[text])


def result(policy: HitPolicy, hits: list[int]) -> object:
    """Return the result of a policy for rows whose output is their own number."""
    match policy:
        case HitPolicy.FIRST | HitPolicy.PRIORITY | HitPolicy.COLLECT_MIN:
            return min(hits, default=None)
        case HitPolicy.UNIQUE | HitPolicy.ANY:
            return hits[0] if len(hits) == 1 else None
        case HitPolicy.OUTPUT_ORDER | HitPolicy.RULE_ORDER | HitPolicy.COLLECT:
            return hits
        case HitPolicy.COLLECT_SUM:
            return sum(hits) if hits else None
        case HitPolicy.COLLECT_MAX:
            return max(hits, default=None)
        case HitPolicy.COLLECT_COUNT:
            return len(hits)


def type_of(value: object) -> str:
    names = {bool: "truth", str: "text", type(None): "nothing"}
    return names.get(type(value), "number")


@given(
    grid=st.lists(st.tuples(cells, cells), min_size=1, max_size=5),
    a=values,
    b=values,
    policy=st.sampled_from(HitPolicy),
)
def test_a_table_decides_like_its_rows_read_one_by_one(
    grid: list[tuple[str, str]], a: object, b: object, policy: HitPolicy
) -> None:
    columns = (Input(name="a", type="any"), Input(name="b", type="any"))
    rows = tuple(
        Row(id=str(place), cells=(parse(first, "any"), parse(second, "any")), outputs={"row": place})
        for place, (first, second) in enumerate(grid)
    )
    table = DecisionTable(
        id="t", version="1", inputs=columns, outputs=(Output(name="row", type="number"),), policy=policy, rows=rows
    )
    inputs = {"a": a, "b": b}
    hits = [n for n, (first, second) in enumerate(grid) if fits(first, a, inputs) and fits(second, b, inputs)]
    assert table.evaluate(inputs) == result(policy, hits)


@pytest.mark.parametrize(
    "value", [["a"], {"x": 1}, object(), float("nan"), "x" * 500, [[]], pytest.param(10**5000, id="a very long number")]
)
def test_any_value_can_be_explained(value: object) -> None:
    table = a_table([a_row("R1", "spec: x")])
    decision = decide_on(table, (value, None, None, None, None))
    assert isinstance(decision, Undecided)
    assert len("\n".join(explanation_lines(decision))) < 200
