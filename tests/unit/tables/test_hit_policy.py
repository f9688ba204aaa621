"""The result of several matching rows, for each hit policy (DMN 1.5 §8.2.8)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.selection.fact_model import RUN_FACTS
from router.selection.outbound_policy import load_policy
from router.tables.decision import Decision, Undecided, decide_on
from router.tables.diagnostics import TableErrors
from router.tables.explain.explain import explanation_lines
from router.tables.feel.unary_test import parse
from router.tables.formats.loader import load_table
from router.tables.hit_policy import HitPolicy, UndecidedReason, find_hit_policy, hit_policy_problems
from router.tables.model import Input, Output, Row
from router.tables.table import DecisionTable
from tests.builders.decision_tables import SENT, a_file, a_row, a_table

GRADES = Output(name="grade", type="string", allowed=("high", "mid", "low"))
DAYS = Output(name="days", type="number", allowed=(30, 20, 10))


def rows_giving(
    *outputs: dict[str, object], columns: tuple[Output, ...], policy: HitPolicy, default: object = None
) -> DecisionTable:
    """Return a table whose row N matches every `x` from N up."""
    rows = tuple(
        Row(id=f"R{place}", cells=(parse(f">= {place}", "number"),), outputs=values)
        for place, values in enumerate(outputs, start=1)
    )  # fmt: skip
    return DecisionTable(
        id="t",
        version="1",
        inputs=(Input(name="x", type="number"),),
        outputs=columns,
        policy=policy,
        rows=rows,
        default=None
        if default is None
        else Row(id="default", outputs=dict.fromkeys([c.name for c in columns], default)),
    )


def grades(policy: HitPolicy, *values: str) -> object:
    rows: list[dict[str, object]] = [{"grade": value} for value in values]
    return rows_giving(*rows, columns=(GRADES,), policy=policy).evaluate({"x": len(values)})


def numbers(policy: HitPolicy, *values: object) -> object:
    column = Output(name="n", type="number")
    return rows_giving(*({"n": value} for value in values), columns=(column,), policy=policy).evaluate({"x": 99})


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        (HitPolicy.FIRST, "low"),
        (HitPolicy.UNIQUE, None),
        (HitPolicy.ANY, None),
        (HitPolicy.PRIORITY, "high"),
        (HitPolicy.OUTPUT_ORDER, ["high", "mid", "low", "low"]),
        (HitPolicy.RULE_ORDER, ["low", "high", "low", "mid"]),
        (HitPolicy.COLLECT, ["low", "high", "low", "mid"]),
        (HitPolicy.COLLECT_COUNT, 4),
    ],
)
def test_a_policy_makes_its_own_result_of_the_same_rows(policy: HitPolicy, result: object) -> None:
    assert grades(policy, "low", "high", "low", "mid") == result


@pytest.mark.parametrize("policy", [policy for policy in HitPolicy if not policy.is_multiple_hit])
def test_a_single_match_is_the_result_of_every_single_hit_policy(policy: HitPolicy) -> None:
    assert grades(policy, "mid") == "mid"


def test_any_takes_rows_that_say_the_same() -> None:
    assert grades(HitPolicy.ANY, "mid", "mid", "mid") == "mid"


def test_any_does_not_take_true_for_one() -> None:
    column = Output(name="n", type="any")
    table = rows_giving({"n": True}, {"n": 1}, columns=(column,), policy=HitPolicy.ANY)
    assert table.evaluate({"x": 2}) is None


def test_rows_that_differ_under_any_are_named() -> None:
    table = rows_giving({"grade": "low"}, {"grade": "mid"}, columns=(GRADES,), policy=HitPolicy.ANY)
    decision = decide_on(table, (2,))
    assert isinstance(decision, Undecided)
    assert decision.reason is UndecidedReason.OUTPUTS_DIFFER
    assert decision.sentence == "rows R1, R2 of t@1 all match but have different outputs: give them equal outputs"


def test_importance_goes_column_by_column() -> None:
    outputs: list[dict[str, object]] = [
        {"grade": "mid", "days": 30},
        {"grade": "high", "days": 10},
        {"grade": "high", "days": 20},
        {"grade": "low", "days": 30},
    ]
    table = rows_giving(*outputs, columns=(GRADES, DAYS), policy=HitPolicy.OUTPUT_ORDER)
    assert table.evaluate({"x": 4}) == [outputs[2], outputs[1], outputs[0], outputs[3]]
    best = rows_giving(*outputs, columns=(GRADES, DAYS), policy=HitPolicy.PRIORITY)
    assert best.evaluate({"x": 4}) == {"grade": "high", "days": 20}
    swapped = rows_giving(*outputs, columns=(DAYS, GRADES), policy=HitPolicy.PRIORITY)
    assert swapped.evaluate({"x": 4}) == {"grade": "mid", "days": 30}


def test_a_column_without_allowed_values_has_no_say_in_the_importance() -> None:
    note = Output(name="note", type="string")
    outputs: list[dict[str, object]] = [{"note": "z", "grade": "low"}, {"note": "a", "grade": "high"}]
    table = rows_giving(*outputs, columns=(note, GRADES), policy=HitPolicy.PRIORITY)
    assert table.evaluate({"x": 2}) == {"note": "a", "grade": "high"}


@pytest.mark.parametrize(
    ("policy", "result"),
    [
        (HitPolicy.COLLECT_SUM, Decimal("6.3")),
        (HitPolicy.COLLECT_MIN, Decimal("0.1")),
        (HitPolicy.COLLECT_MAX, 6),
        (HitPolicy.COLLECT_COUNT, 4),
        (HitPolicy.COLLECT, [Decimal("0.1"), 6, Decimal("0.1"), Decimal("0.1")]),
    ],
)
def test_numbers_are_collected_exactly(policy: HitPolicy, result: object) -> None:
    tenth = Decimal("0.1")
    assert numbers(policy, tenth, 6, tenth, tenth) == result


def test_a_sum_keeps_every_digit() -> None:
    long = Decimal("1234567890123456789012345678901234.5")
    assert numbers(HitPolicy.COLLECT_SUM, long, Decimal("1e-40")) == Decimal(f"{long}{'0' * 38}1")
    assert numbers(HitPolicy.COLLECT_SUM, 10**40, 1) == 10**40 + 1


@given(values=st.lists(st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=2), min_size=1))
def test_a_sum_does_not_depend_on_the_order_of_the_rows(values: list[object]) -> None:
    assert numbers(HitPolicy.COLLECT_SUM, *values) == numbers(HitPolicy.COLLECT_SUM, *reversed(values))


def test_a_null_among_the_values_makes_an_aggregation_null() -> None:
    policies = (HitPolicy.COLLECT_SUM, HitPolicy.COLLECT_MIN, HitPolicy.COLLECT_MAX)
    assert [numbers(policy, 1, None) for policy in policies] == [None, None, None]
    assert numbers(HitPolicy.COLLECT_COUNT, 1, None) == 2


NOTHING: dict[HitPolicy, object] = {
    HitPolicy.OUTPUT_ORDER: [],
    HitPolicy.RULE_ORDER: [],
    HitPolicy.COLLECT: [],
    HitPolicy.COLLECT_COUNT: 0,
}


@pytest.mark.parametrize("policy", HitPolicy)
def test_without_a_match_and_a_default_nothing_is_decided(policy: HitPolicy) -> None:
    table = rows_giving({"n": 1}, columns=(Output(name="n", type="number"),), policy=policy)
    assert table.evaluate({"x": 0}) == NOTHING.get(policy)
    assert type(table.evaluate({"x": 0})) is type(NOTHING.get(policy))
    undecided = decide_on(table, (0,))
    assert isinstance(undecided, Undecided)
    assert undecided.reason is UndecidedReason.NO_ROW_MATCHES


@pytest.mark.parametrize("policy", HitPolicy)
def test_a_default_stands_in_for_the_row_that_is_missing(policy: HitPolicy) -> None:
    table = rows_giving({"n": 1}, columns=(Output(name="n", type="number"),), policy=policy, default=7)
    assert table.evaluate({"x": 0}) == ([7] if NOTHING.get(policy) == [] else 7)
    decision = decide_on(table, (0,))
    assert isinstance(decision, Decision)
    assert decision.reference == "t@1#default"


def test_a_decision_of_several_rows_names_and_explains_them_all() -> None:
    table = rows_giving({"grade": "low"}, {"grade": "high"}, columns=(GRADES,), policy=HitPolicy.OUTPUT_ORDER)
    decision = decide_on(table, (2,))
    assert isinstance(decision, Decision)
    assert [row.id for row in decision.rows] == ["R2", "R1"]
    assert decision.outputs["grade"] == "high"
    assert decision.reference == "t@1#R2,R1"
    assert (
        "\n".join(explanation_lines(decision))
        == "R2: `x` is 2 (the cell requires >= 2)\nR1: `x` is 2 (the cell requires >= 1)"
    )


@pytest.mark.parametrize(
    ("written", "policy"),
    [
        *((policy.value, policy) for policy in HitPolicy),
        ("UNIQUE", HitPolicy.UNIQUE),
        ("RULE ORDER", HitPolicy.RULE_ORDER),
        ("OUTPUT ORDER", HitPolicy.OUTPUT_ORDER),
        ("output_order", HitPolicy.OUTPUT_ORDER),
        ("COLLECT SUM", HitPolicy.COLLECT_SUM),
        ("collect min", HitPolicy.COLLECT_MIN),
        ("Collect >", HitPolicy.COLLECT_MAX),
        ("COLLECT COUNT", HitPolicy.COLLECT_COUNT),
        ("C#", HitPolicy.COLLECT_COUNT),
        ("P", HitPolicy.PRIORITY),
        ("o", HitPolicy.OUTPUT_ORDER),
        ("last", None),
        ("", None),
    ],
)
def test_a_policy_is_known_by_the_words_of_files_and_of_the_standard(written: str, policy: HitPolicy | None) -> None:
    assert find_hit_policy(written) is policy


def test_a_file_names_its_policy() -> None:
    for written, policy in [("collect#", HitPolicy.COLLECT_COUNT), ("RULE ORDER", HitPolicy.RULE_ORDER)]:
        outputs = "  - {name: n, type: number}\n"
        text = a_file(["{id: R1, when: {}, then: {n: 1}}"], outputs=outputs, more=f"policy: {written}\n")
        assert load_table(text, "t.yaml", RUN_FACTS).policy is policy


def test_a_test_names_the_rows_of_a_multiple_hit_in_their_order() -> None:
    rows = [a_row("R1", "spec: a"), a_row("R2", "mode: ONDEMAND"), a_row("R3", "spec: a")]
    given_a = "{test_specification: {id: a}, mode: ONDEMAND}"
    tests = f"tests:\n  - {{name: both, given: {given_a}, expect: {{row: 'R1, R2, R3'}}}}\npolicy: collect\n"
    assert len(a_table(rows, more=tests).tests) == 1
    with pytest.raises(TableErrors, match="expected row R1, R3, got row R1, R2, R3"):
        a_table(rows, more=tests.replace("R1, R2, R3", "R1, R3"))


@pytest.mark.parametrize(
    ("policy", "columns", "outputs", "problem"),
    [
        ("priority", (Output(name="n", type="number"),), {"n": 1}, "no output lists its values"),
        ("output-order", (Output(name="n", type="number"),), {"n": 1}, "no output lists its values"),
        ("collect+", (GRADES,), {"grade": "low"}, "adds numbers, but output 'grade' has a string"),
        ("collect<", (Output(name="b", type="boolean"),), {"b": True}, "compares values of one kind"),
        ("collect>", (GRADES, DAYS), {"grade": "low", "days": 10}, "one value of one output, but the table has 2"),
        ("collect#", (GRADES, DAYS), {"grade": "low", "days": 10}, "one value of one output, but the table has 2"),
    ],
)
def test_what_a_policy_lacks_is_said(
    policy: str, columns: tuple[Output, ...], outputs: dict[str, object], problem: str
) -> None:
    (sentence,) = hit_policy_problems(
        rows_giving(outputs, columns=columns, policy=HitPolicy(policy)).policy,
        rows_giving(outputs, columns=columns, policy=HitPolicy(policy)).outputs,
        rows_giving(outputs, columns=columns, policy=HitPolicy(policy)).rows,
    )
    assert sentence.startswith(f"policy '{policy}' ")
    assert problem in sentence


def test_values_of_two_kinds_have_no_smallest() -> None:
    column = (Output(name="n", type="any"),)
    table = rows_giving({"n": 1}, {"n": "a"}, columns=column, policy=HitPolicy.COLLECT_MIN)
    assert list(hit_policy_problems(table.policy, table.outputs, table.rows)) == [
        "policy 'collect<' compares values of one kind, but output 'n' has a number, a string"
    ]


def test_an_outbound_policy_decides_one_way_for_a_run() -> None:
    rows = [a_row("R1", "spec: a", SENT)]
    with pytest.raises(TableErrors) as refused:
        load_policy(a_file(rows, more="policy: collect\n"), "p.yaml")
    (sentence,) = refused.value.sentences
    assert sentence.startswith("p.yaml:13: policy 'collect' gives several rows, but a run is sent one way: take one of")
    assert load_policy(a_file(rows, more="policy: priority\n"), "p.yaml").table.policy is HitPolicy.PRIORITY
