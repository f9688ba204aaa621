"""The sentences about two versions contain every difference, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.selection.fact_model import RUN_FACTS
from router.selection.load import document_of
from router.selection.selector_file import load_selector
from router.tables.diff import compare_tables
from router.tables.formats.loader import load_table
from tests.builders.decision_tables import a_file, a_row

if TYPE_CHECKING:
    from router.selection.spoke_selector import SpokeSelector
    from router.tables.table import DecisionTable

FIBRE = a_row("R1", "spec: fibre-line")
SPEED = a_row("R2", 'speed: "[1..5)"')
COPPER = a_row("R3", "spec: copper-line")


def a_table(*rows: str, **more: str) -> DecisionTable:
    return load_table(a_file(rows, **more), "a-table.yaml", RUN_FACTS)


def a_selector(*rows: str) -> SpokeSelector:
    listed = "".join(f"  - {row}\n" for row in rows)
    return load_selector(f"selector: s\ninputs: [{{name: mode, path: mode, type: string}}]\nrows:\n{listed}", "s.yaml")


def sentences_of(before: DecisionTable | SpokeSelector, after: DecisionTable | SpokeSelector) -> list[str]:
    return [change.sentence for change in compare_tables(document_of(before), document_of(after))]


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (
            a_table(FIBRE),
            a_table(FIBRE, COPPER),
            "row R3 added: spec copper-line → hierarchical true, payload per-run",
        ),
        (
            a_table(FIBRE, COPPER),
            a_table(FIBRE),
            "row R3 removed: spec copper-line → hierarchical true, payload per-run",
        ),
        (a_table(SPEED), a_table(a_row("R2", 'speed: "[1..10)"')), "row R2: cell 'speed' [1..5) → [1..10)"),
        (a_table(SPEED), a_table(a_row("R2", "")), "row R2: cell 'speed' [1..5) → -"),
        (
            a_table(FIBRE),
            a_table(a_row("R1", "spec: fibre-line", "{hierarchical: true, payload: bundle}")),
            "row R1: output 'payload' per-run → bundle",
        ),
        (a_table(FIBRE, SPEED, COPPER), a_table(COPPER, FIBRE, SPEED), "row R3 moved from place 3 to 1"),
        (
            a_table(FIBRE),
            a_table(FIBRE, more="default: {hierarchical: false, payload: bundle}\n"),
            "default added: hierarchical false, payload bundle",
        ),
        (
            a_table(FIBRE, more="default: {hierarchical: false, payload: bundle}\n"),
            a_table(FIBRE, more="default: {hierarchical: true, payload: bundle}\n"),
            "default: output 'hierarchical' false → true",
        ),
        (a_table(FIBRE), a_table(FIBRE, more="policy: unique\n"), "table a-table: policy first → unique"),
        (
            a_table(FIBRE),
            a_table(FIBRE.replace("then", "note: new, then")),
            "row R1: note (none) → new",
        ),
    ],
)
def test_a_difference_is_one_sentence(before: DecisionTable, after: DecisionTable, sentence: str) -> None:
    assert sentences_of(before, after) == [sentence]


def test_a_column_that_is_gone_is_told_once_and_not_with_every_row() -> None:
    before = a_table(FIBRE, SPEED)
    gone = [column for column in before.inputs if column.name != "speed"]
    rows = tuple(replace(row, cells=row.cells[:3] + row.cells[4:]) for row in before.rows)
    after = replace(before, inputs=tuple(gone), rows=rows)
    assert sentences_of(before, after) == ["input 'speed' removed: path characteristic[speed], type number"]
    assert sentences_of(after, before) == [
        "input 'speed' added: path characteristic[speed], type number",
        "row R2: cell 'speed' - → [1..5)",
    ]


def test_a_saved_test_is_told_by_its_name() -> None:
    tests = "tests: [{name: line, given: {test_specification: {id: fibre-line}}, expect: {row: %s}}]\n"
    before = a_table(FIBRE, COPPER)
    after = a_table(FIBRE, COPPER, more=tests % "R1")
    assert sentences_of(before, after) == [
        "test 'line' added: given {test_specification: {id: fibre-line}}, expected row R1"
    ]


def test_of_a_definition_order_switch_and_threshold_are_told() -> None:
    before = a_selector(
        "{id: S1, order: 1, when: {mode: ONDEMAND}, then: {spoke: a}}", "{id: S2, order: 2, then: {spoke: b}, when: {}}"
    )
    after = a_selector(
        "{id: S1, order: 3, active: false, when: {mode: ONDEMAND}, then: {spoke: a}}",
        "{id: S2, order: 2, threshold: {max: 100, period: PT1H}, then: {spoke: c}, when: {}}",
    )
    assert sentences_of(before, after) == [
        "row S2: output 'spoke' b → c",
        "row S2: threshold (none) → 100 per PT1H",
        "row S1: order 1 → 3",
        "row S1: active true → false",
    ]


def test_another_id_is_told_with_all_that_differs() -> None:
    before = a_table(FIBRE)
    after = replace(a_table(FIBRE, COPPER), id="b-table")
    assert sentences_of(before, after) == [
        "table b-table: id a-table → b-table",
        "row R3 added: spec copper-line → hierarchical true, payload per-run",
    ]


def test_comments_and_layout_are_no_difference() -> None:
    text = a_file((FIBRE, SPEED))
    assert (
        sentences_of(
            load_table(text, "a", RUN_FACTS),
            load_table(f"# why\n{text}".replace("when: {", "when: {  "), "b", RUN_FACTS),
        )
        == []
    )


SPECS = ("fibre-line", "copper-line", "-")
SPEEDS = ("-", "[1..5)", "< 3", "7")
PAYLOADS = ("per-run", "bundle")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnChange:
    """A row as it is drawn."""

    id: str
    spec: str
    speed: str
    payload: str

    @property
    def line(self) -> str:
        then = f"{{hierarchical: true, payload: {self.payload}}}"
        return a_row(self.id, f'spec: "{self.spec}", speed: "{self.speed}"', then)


def generated_rows(*, min_size: int = 1) -> st.SearchStrategy[list[DrawnChange]]:
    row = st.builds(
        DrawnChange,
        id=st.sampled_from([f"R{number}" for number in range(8)]),
        spec=st.sampled_from(SPECS),
        speed=st.sampled_from(SPEEDS),
        payload=st.sampled_from(PAYLOADS),
    )
    return st.lists(row, min_size=min_size, max_size=8, unique_by=lambda one: one.id)


def table_of(rows: list[DrawnChange]) -> DecisionTable:
    return a_table(*[row.line for row in rows])


@given(generated_rows())
def test_equal_tables_have_no_differences(rows: list[DrawnChange]) -> None:
    assert compare_tables(document_of(table_of(rows)), document_of(table_of(rows))) == ()


@given(generated_rows(), generated_rows())
def test_every_row_and_cell_that_differs_is_named_and_no_other(old: list[DrawnChange], new: list[DrawnChange]) -> None:
    changes = compare_tables(document_of(table_of(old)), document_of(table_of(new)))
    before, after = ({row.id: row for row in rows} for rows in (old, new))
    assert {c.name for c in changes if c.change == "added"} == after.keys() - before.keys()
    assert {c.name for c in changes if c.change == "removed"} == before.keys() - after.keys()
    cells = {(c.name, c.column, c.before, c.after) for c in changes if c.change == "changed"}
    assert cells == {
        (one, column, getattr(before[one], column), getattr(after[one], column))
        for one in before.keys() & after.keys()
        for column in ("spec", "speed", "payload")
        if getattr(before[one], column) != getattr(after[one], column)
    }


@given(generated_rows(min_size=2), st.data())
def test_the_rows_that_are_said_to_have_moved_are_the_fewest_that_explain_the_order(
    rows: list[DrawnChange], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))
    changes = compare_tables(document_of(table_of(rows)), document_of(table_of(shuffled)))
    assert {change.change for change in changes} <= {"moved"}
    moved = {change.name for change in changes}
    places = {row.id: place for place, row in enumerate(rows, start=1)}
    stayed = [places[row.id] for row in shuffled if row.id not in moved]
    assert stayed == sorted(stayed)
    assert len(stayed) == longest_increasing_subsequence([places[row.id] for row in shuffled])
    for change in changes:
        assert rows[int(change.before) - 1].id == shuffled[int(change.after) - 1].id == change.name


def longest_increasing_subsequence(places: list[int]) -> int:
    lengths: list[int] = []
    for at, place in enumerate(places):
        lengths.append(1 + max((lengths[other] for other in range(at) if places[other] < place), default=0))
    return max(lengths)
