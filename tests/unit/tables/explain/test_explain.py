"""An explanation names the cells that matched and the rows that nearly matched, and can be stored without the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from router.selection.facts import facts_of
from router.selection.selector_file import load_selector
from router.selection.spoke_selector import decide_selector
from router.tables.decision import Decision, Undecided, decide_on
from router.tables.explain.explain import (
    MAX_CELLS,
    MAX_ROWS,
    _candidate_rows,
    explain_decision,
    explain_undecided,
    explanation_lines,
)
from router.tables.explain.explanation import (
    CellComparison,
    Explanation,
    MatchedRow,
    NearMiss,
    dump_explanations,
    explanation_text,
    load_explanations,
)
from router.tables.explain.why_not import why_not
from router.tables.feel.unary_test import parse
from router.tables.feel.values import canonical
from router.tables.hit_policy import HitPolicy
from router.tables.index.bitsets import column_bitsets
from router.tables.index.coarse_index import build_coarse_index
from router.tables.index.exact_index import ExactIndex
from router.tables.index.index import compile_index
from router.tables.model import DEFAULT_ROW, Input, Output, Row
from router.tables.table import DecisionTable
from schemas.run_document import Characteristic
from tests.builders.decision_tables import a_row, a_table
from tests.builders.runs import a_document
from tests.generators.tables_with_values import DrawnSearch
from tests.generators.tables_with_values import tables as searched_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

CELLS = ["-", "1", "2", "< 2", "[1..3)", "not(1, 3)", "null", "!= 2", "b", "a", '"x", 1', "not(a)"]
VALUES = [None, 0, 1, 2, 3, True, "x", (1, 2)]
cells, values = st.sampled_from(CELLS), st.sampled_from(VALUES)


def table_of(
    grid: Sequence[Sequence[str]], policy: HitPolicy = HitPolicy.FIRST, *, default: bool = False
) -> DecisionTable:
    columns = tuple(Input(name=name, type="any") for name in "abc")
    rows = tuple(
        Row(id=f"R{place}", cells=tuple(parse(text, "any") for text in texts), outputs={"out": place % 2})
        for place, texts in enumerate(grid)
    )
    last = Row(id=DEFAULT_ROW, outputs={"out": 9}) if default else None
    outputs = (Output(name="out", type="number", allowed=(1, 0)),)
    return DecisionTable(id="t", version="1", inputs=columns, outputs=outputs, policy=policy, rows=rows, default=last)


tables = st.builds(
    table_of,
    st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8),
    st.sampled_from(HitPolicy),
    default=st.booleans(),
)
input_values = st.tuples(values, values, values)


def explained(decision: Decision | Undecided) -> Explanation:
    return explain_undecided(decision) if isinstance(decision, Undecided) else explain_decision(decision)


@given(table=tables, values=input_values)
def test_a_near_miss_is_an_earlier_row_that_failed_in_exactly_one_column(
    table: DecisionTable, values: tuple[object, ...]
) -> None:
    decision = decide_on(table, values)
    if isinstance(decision, Undecided) or len(decision.rows) > 1:
        return
    inputs = dict(zip("abc", values, strict=True))
    expected = []
    for row in table.rows:
        if row is decision.row:
            break
        failed = [n for n, cell in zip("abc", row.cells, strict=True) if not cell.matches(inputs[n], inputs)]
        expected += [(row.id, failed[0])] if len(failed) == 1 else []
    told_of = [
        (close.row, *[miss.column for miss in close.mismatches]) for close in explain_decision(decision).near_misses
    ]
    assert told_of == expected[:MAX_ROWS]


@given(table=tables, values=input_values)
def test_the_rows_that_come_closest_fail_in_the_fewest_columns(
    table: DecisionTable, values: tuple[object, ...]
) -> None:
    decision = decide_on(table, values)
    if not isinstance(decision, Undecided) or decision.rows:
        return
    explanation = explain_undecided(decision)
    inputs = table.values_by_name(values)
    failed = {r.id: sum(not c.matches(v, inputs) for c, v in zip(r.cells, values, strict=True)) for r in table.rows}
    closest = [row for row, count in failed.items() if count == min(failed.values())]
    assert [close.row for close in explanation.near_misses] == closest[:MAX_ROWS]
    assert explanation.unnamed_near_misses == len(closest[MAX_ROWS:])
    assert all(len(close.mismatches) == failed[close.row] for close in explanation.near_misses)


@given(table=tables, values=input_values, place=st.integers(0, 7))
def test_why_not_agrees_with_the_row_itself(table: DecisionTable, values: tuple[object, ...], place: int) -> None:
    row = table.rows[place % len(table.rows)]
    decision = decide_on(table, values)
    answer = why_not(decision, row)
    assert answer.matches == row.matches(values, table.values_by_name(values))
    assert answer.decides == (isinstance(decision, Decision) and row in decision.rows)
    assert answer.matches or not answer.decides
    assert [one.comparison.column for one in answer.cells] == [
        name for name, cell in zip("abc", row.cells, strict=True) if not cell.is_any
    ]


@given(table=tables, values=input_values, other=tables)
def test_what_is_kept_is_told_in_the_same_words(
    table: DecisionTable, values: tuple[object, ...], other: DecisionTable
) -> None:
    both = [explained(decide_on(one, values)) for one in (table, other)]
    text = dump_explanations(both)
    assert load_explanations(text) == tuple(both)
    assert explanation_text(text) == "\n".join(line for one in both for line in one.sentences)
    assert explanation_text(text).startswith(both[0].sentences[0])


words = st.text(max_size=12)
compared_cells = st.lists(st.builds(CellComparison, words, words, words), max_size=3).map(tuple)
matched = st.builds(MatchedRow, row=words, cells=compared_cells, more_cells=st.integers(0, 9))
close_rows = st.builds(NearMiss, row=words, mismatches=compared_cells, inactive=st.booleans())


@given(
    st.builds(
        Explanation,
        reference=words,
        rows=st.lists(matched, max_size=3).map(tuple),
        used_up=st.lists(words, max_size=3).map(tuple),
        near_misses=st.lists(close_rows, max_size=3).map(tuple),
        unnamed_near_misses=st.integers(0, 9),
    )
)
def test_any_explanation_can_be_kept(explanation: Explanation) -> None:
    assert load_explanations(dump_explanations([explanation])) == (explanation,)


@pytest.mark.parametrize("text", ["", "outbound-policy@1#R10: `spec` is x\nR5 would have matched but", "{not json"])
def test_what_older_versions_kept_is_told_as_it_is(text: str) -> None:
    assert explanation_text(text) == text
    assert load_explanations(text) == ()


def test_what_is_kept_has_an_end_however_wide_and_long_the_table_is() -> None:
    names = [f"column {number}" for number in range(200)]
    cell = parse(", ".join(f'"{"x" * 60}{number}"' for number in range(50)), "string")
    other = parse('"no"', "string")
    fits = Row(id="Z", cells=(cell,) * 200, outputs={"out": 1})
    misses = [Row(id=f"A{number}", cells=(other, *(cell,) * 199), outputs={"out": 1}) for number in range(30)]
    columns = tuple(Input(name=name, type="string") for name in names)
    output = (Output(name="out", type="number"),)
    table = DecisionTable(id="t", version="1", inputs=columns, outputs=output, rows=(*misses, fits))
    decision = decide_on(table, ("x" * 60 + "7",) * 200)
    assert isinstance(decision, Decision)
    explanation = explain_decision(decision)
    assert len(explanation.rows[0].cells) == MAX_CELLS
    assert explanation.rows[0].match_text.endswith(f"and {200 - MAX_CELLS} more")
    assert len(dump_explanations([explanation])) < 8_000


def test_a_usual_explanation_takes_less_than_its_words() -> None:
    rows = [a_row("R1", "spec: fibre-line, mode: PROACTIVE"), a_row("R2", "spec: fibre-line, mode: ONDEMAND")]
    decision = decide_on(a_table(rows), ("fibre-line", "ONDEMAND", None, None, None))
    assert isinstance(decision, Decision)
    explanation = explain_decision(decision)
    assert len(dump_explanations([explanation])) < len("\n".join(explanation.sentences)) + 20


def test_why_not_tells_each_cell_and_what_was_taken_instead() -> None:
    rows = [a_row("R1", "spec: fibre-line"), a_row("R2", "mode: ONDEMAND"), a_row("R3", "spec: x, mode: PROACTIVE")]
    table = a_table(rows, more="default: {hierarchical: false, payload: bundle}\n")
    decision = decide_on(table, ("fibre-line", "ONDEMAND", None, None, None))
    assert table.default is not None
    sentences = [why_not(decision, row).sentence for row in (*table.rows, table.default)]
    assert sentences == [
        "R1 is the row that decides",
        "R2 matches, but R1 comes earlier",
        (
            "R3 does not match: `spec` is fibre-line, the cell requires x, "
            "and `mode` is ONDEMAND, the cell requires PROACTIVE"
        ),
        "default matches, but R1 does, and the default row decides only where no other row matches",
    ]


@pytest.mark.parametrize(
    ("policy", "because"),
    [
        (HitPolicy.UNIQUE, "R1 matches, but rows R0, R1 of t@1 all match but only one may"),
        (HitPolicy.ANY, "R1 matches, but rows R0, R1 of t@1 all match but have different outputs"),
        (HitPolicy.PRIORITY, "R1 is the row that decides"),
        (HitPolicy.COLLECT, "R1 is the row that decides"),
    ],
)
def test_why_not_knows_the_hit_policies(policy: HitPolicy, because: str) -> None:
    table = table_of([("-", "-", "-"), ("1", "-", "-")], policy)
    assert why_not(decide_on(table, (1, 1, 1)), table.rows[1]).sentence.startswith(because)


def test_why_not_tells_what_priority_and_agreement_mean() -> None:
    by_priority = table_of([("-", "-", "-"), ("1", "-", "-")], HitPolicy.PRIORITY)
    answer = why_not(decide_on(by_priority, (1, 1, 1)), by_priority.rows[0])
    assert answer.sentence == "R0 matches, but R1 comes first by the priority of its outputs"
    agreed = table_of([("-", "-", "-"), ("9", "-", "-"), ("1", "-", "-")], HitPolicy.ANY)
    answer = why_not(decide_on(agreed, (1, 1, 1)), agreed.rows[2])
    assert answer.sentence == "R2 matches, but R0 comes earlier and has equal outputs"


def test_why_not_of_a_definition_that_is_used_up_or_switched_off() -> None:
    selector = load_selector(
        "selector: s\ninputs: [{name: speed, path: 'characteristic[speed]', type: number}]\nrows:\n"
        "  - {id: S1, order: 1, when: {speed: '> 1'}, then: {spoke: a}}\n"
        "  - {id: S2, order: 2, when: {speed: '> 2'}, then: {spoke: b}}\n"
        "  - {id: S3, order: 3, active: false, when: {speed: '> 0'}, then: {spoke: c}}\n",
        "s.yaml",
    )

    facts = facts_of(a_document(characteristic=(Characteristic(name="speed", value=3),)))
    decision = decide_selector(selector, facts, used_up={"S1"})
    assert why_not(decision, selector.table.rows[0]).sentence == "S1 matches, but it is used up for now, so S2 decides"
    off = why_not(decision, selector.inactive[0], inactive=True)
    assert off.sentence == "S3 does not match: it is switched off"
    waiting = decide_selector(selector, facts, used_up={"S1", "S2"})
    assert why_not(waiting, selector.table.rows[1]).sentence.startswith("S2 matches, but every matching row of s@")


def test_a_row_that_is_switched_off_may_look_at_other_inputs_where_no_other_row_does() -> None:
    selector = load_selector(
        "selector: s\ninputs:\n  - {name: speed, path: 'characteristic[speed]', type: number}\n"
        "  - {name: least, path: 'characteristic[least]', type: number}\nrows:\n"
        "  - {id: S1, order: 1, when: {speed: '> 1000', least: '> 1000'}, then: {spoke: a}}\n"
        "  - {id: S2, order: 2, active: false, when: {speed: '>= least'}, then: {spoke: b}}\n",
        "s.yaml",
    )
    given_values = (Characteristic(name="speed", value=5), Characteristic(name="least", value=4))
    decision = decide_selector(selector, facts_of(a_document(characteristic=given_values)))
    assert isinstance(decision, Undecided)
    assert "\n".join(explanation_lines(decision)) == "S2 would have matched but it is switched off"
    assert why_not(decision, selector.inactive[0], inactive=True).cells[0].matches


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(drawn=searched_tables())
def test_every_index_leads_to_the_near_misses_that_are_found_one_by_one(drawn: DrawnSearch) -> None:
    table = drawn.table
    columns = {place: [row.cells[place] for row in table.rows] for place in range(len(table.inputs))}
    exact = compile_index(table.rows, len(columns))
    assert isinstance(exact, ExactIndex)
    blurred = build_coarse_index(exact, {at: column_bitsets(cells) for at, cells in columns.items()})
    for given_values in drawn.values:
        values = tuple(canonical(given_values[column.name]) for column in table.inputs)
        inputs = table.values_by_name(values)
        for before in table.rows:
            above = table.rows[: [row.id for row in table.rows].index(before.id)]
            expected = [row.id for row in above if len(row.mismatches(values, inputs)) == 1]
            for index in (exact, blurred):
                likely = _candidate_rows(index, values, before) if before.matches(values, inputs) else above
                assert [row.id for row in likely if len(row.mismatches(values, inputs)) == 1] == expected
