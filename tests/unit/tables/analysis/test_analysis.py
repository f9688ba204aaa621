"""Findings of an analysis are true, and small tables are checked completely."""

from __future__ import annotations

from itertools import combinations, product
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from router.tables.analysis.analysis import analyse
from router.tables.analysis.search import StepBudget, UncoveredSearch
from router.tables.analysis.space import ValueSpace, build_space
from router.tables.feel.values import TYPES, ValueKind, canonical, kind_of
from tests.builders.decision_tables import a_row, a_table
from tests.generators.tables_with_values import DrawnSearch, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.tables.table import DecisionTable

BUNDLE = "{hierarchical: false, payload: bundle}"
MOST_POINTS = 4_000

slow = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def matching(table: DecisionTable, inputs: Mapping[str, object]) -> list[str]:
    """Return the ids of the rows that match, without the index."""
    values = tuple(canonical(inputs[column.name]) for column in table.inputs)
    return [row.id for row in table.scan_rows(values, table.values_by_name(values))]


def fit_their_columns(table: DecisionTable, inputs: Mapping[str, object]) -> bool:
    """Return whether the values are single ones, each of its column's type or missing."""
    kinds = {column.name: kind_of(canonical(inputs[column.name])) for column in table.inputs}
    typed = all(kinds[column.name] in TYPES[column.type] | {ValueKind.NULL} for column in table.inputs)
    return typed and ValueKind.LIST not in kinds.values()


def fit_or_list_fitting(table: DecisionTable, inputs: Mapping[str, object]) -> bool:
    """Return whether each value, or each element of a list, is of its column's type or missing."""
    values = [(column, canonical(inputs[column.name])) for column in table.inputs]
    flat = [(column, each) for column, value in values for each in (value if isinstance(value, tuple) else (value,))]
    return all(kind_of(one) in TYPES[column.type] | {ValueKind.NULL} for column, one in flat)


def class_combinations(space: ValueSpace) -> Iterator[tuple[int, ...]]:
    """Return every combination of classes of a space."""
    return product(*(axis.classes for axis in space.axes))


def values_at(space: ValueSpace, point: tuple[int, ...]) -> dict[str, object]:
    """Return the values of a combination of classes."""
    return {axis.input.name: axis.classes[bit].sample for axis, bit in zip(space.axes, point, strict=True)}


def is_inside(point: tuple[int, ...], box: tuple[int, ...]) -> bool:
    """Return whether a point lies in a box."""
    return all(classes >> bit & 1 for bit, classes in zip(point, box, strict=True))


def small_space(table: DecisionTable) -> ValueSpace:
    """Build the value space of a table that is small enough to test every point."""
    space = build_space(table)
    number = 1
    for axis in space.axes:
        number *= len(axis.classes)
    assume(number <= MOST_POINTS and not space.unindexed_rows)
    return space


@slow
@given(drawn=tables(most_rows=8), steps=st.sampled_from([1, 20, 200, 100_000]))
def test_whatever_an_analysis_says_is_true(drawn: DrawnSearch, steps: int) -> None:
    table = drawn.table
    analysis = analyse(table, steps)
    for gap in analysis.gaps:
        assert matching(table, gap.example) == []
    for overlap in analysis.overlaps:
        assert set(overlap.rows) <= set(matching(table, overlap.example))
    covered_by = {each.row: set(each.covered_by) for each in analysis.unreachable}
    surely = {each.row for each in analysis.unreachable if each.covered_by and not each.list_inputs}
    for inputs in filter(lambda one: fit_or_list_fitting(table, one), drawn.values):
        assert not set(matching(table, inputs)[:1]) & surely
    for inputs in filter(lambda one: fit_their_columns(table, one), drawn.values):
        ids = matching(table, inputs)
        assert not set(ids[:1]) & set(covered_by)
        assert all(covered_by[row] & set(ids) for row in ids if row in covered_by)


@slow
@given(drawn=tables(most_rows=5))
def test_an_analysis_of_a_small_table_agrees_with_a_look_at_every_point(drawn: DrawnSearch) -> None:
    table = drawn.table
    space = small_space(table)
    hits = {point: matching(table, values_at(space, point)) for point in class_combinations(space)}
    analysis = analyse(table, 10**9, max_overlaps=10**6)
    assert analysis.is_complete
    firsts = {ids[0] for ids in hits.values() if ids}
    assert {each.row for each in analysis.unreachable} == {row.id for row in table.rows} - firsts
    pairs = {pair for ids in hits.values() for pair in combinations(ids, 2)}
    assert {each.rows for each in analysis.overlaps} == pairs
    assert analysis.overlap_count == len(pairs)
    boxes = UncoveredSearch(space, space.all_values, StepBudget(10**9)).find_all_uncovered(space.rows)
    missed = {point for point in hits if any(is_inside(point, box) for box in boxes)}
    assert missed == {point for point, ids in hits.items() if not ids}


def test_an_unreachable_row_is_an_error_that_names_the_row_above_it() -> None:
    analysis = analyse(a_table([a_row("R1", "spec: not(a)"), a_row("R2", "spec: b")]))
    assert analysis.errors == (
        "row R2 is never reached: row R1 above it takes everything that it takes; move it up or delete it",
    )


def test_a_row_that_only_a_list_may_reach_is_a_warning() -> None:
    rows = [a_row("R1", 'speed: "not(1)"'), a_row("R2", 'speed: "2"')]
    table = a_table(rows)
    assert table.evaluate({"speed": [1, 2]}) is not None
    analysis = analyse(table)
    assert analysis.errors == ()
    assert analysis.warnings[0] == (
        "row R2 is reached only by a list in 'speed': row R1 above it takes every single value that it takes;"
        " move it up unless that is intended"
    )


@pytest.mark.parametrize(
    ("upper", "lower"), [("< 5", "4"), ("1, 2", "2"), ("-", "not(1)"), ("not(1)", "not(1, 2)"), ("-", "-")]
)
def test_what_takes_all_single_values_of_a_row_and_its_lists_is_an_error(upper: str, lower: str) -> None:
    analysis = analyse(a_table([a_row("R1", f'speed: "{upper}"'), a_row("R2", f'speed: "{lower}"')]))
    assert len(analysis.errors) == 1


def test_an_empty_list_reaches_a_row_that_others_cover_only_together() -> None:
    table = a_table([a_row(f"R{n}", f'speed: "{cell}"') for n, cell in enumerate(["< 5", "not(< 5)", "-"], start=1)])
    assert analyse(table).errors == ()
    table = a_table([a_row("R1", 'speed: "not(null)"'), a_row("R2", 'speed: "null"'), a_row("R3", 'speed: "-"')])
    assert analyse(table).unreachable[0].list_inputs == ("speed",)


def test_rows_that_only_together_cover_another_are_named_without_those_that_are_not_needed() -> None:
    rows = ['priority: "< 0"', 'priority: "[1..5)"', 'priority: "[5..9)"', 'priority: "[2..6]"']
    analysis = analyse(a_table([a_row(f"R{place}", when) for place, when in enumerate(rows, start=1)]))
    assert [(each.row, each.covered_by) for each in analysis.unreachable] == [("R4", ("R2", "R3"))]
    assert "rows R2 and R3 above it together take everything that it takes" in analysis.errors[0]


def test_a_row_whose_cell_takes_no_value_at_all_is_never_matched() -> None:
    nothing = 'start: "(date and time(\\"2026-01-01T00:00:00Z\\")..date and time(\\"2026-01-01T00:00:00.000001Z\\"))"'
    analysis = analyse(a_table([a_row("R1", nothing), a_row("R2", "spec: a")]))
    assert analysis.errors[0].startswith("row R1 never matches: there is no value that one of its cells takes")


def test_a_gap_is_a_readable_box_and_a_warning_where_there_is_no_default_row() -> None:
    rows = [a_row("R1", "spec: not(aborted)"), a_row("R2", 'spec: aborted, priority: ">= 0"')]
    analysis = analyse(a_table(rows))
    assert analysis.warnings == (
        'no row matches where spec="aborted", priority<0, and there is no default row: add a row or a default',
    )
    assert analysis.gaps[0].example["spec"] == "aborted"
    with_default = analyse(a_table(rows, more=f"default: {BUNDLE}\n"))
    assert with_default.warnings == ()
    assert with_default.notes == ('the default row decides where spec="aborted", priority<0',)


def test_inputs_that_do_not_matter_to_a_gap_are_any() -> None:
    rows = [a_row("R1", "spec: a, mode: ONDEMAND"), a_row("R2", "spec: b, mode: ONDEMAND")]
    analysis = analyse(a_table(rows))
    assert {gap.where for gap in analysis.gaps} == {
        'spec=any, mode="PROACTIVE"',
        'spec=anything but "a", "b", mode=any',
    }


def test_allowed_values_leave_nothing_else_to_take() -> None:
    rows = [a_row("R1", "mode: ONDEMAND"), a_row("R2", "mode: PROACTIVE"), a_row("R3", "mode: null")]
    assert analyse(a_table(rows)).gaps == ()


def test_a_missing_value_is_a_gap_only_where_there_is_no_other() -> None:
    rows = [a_row("R1", "mode: ONDEMAND"), a_row("R2", "mode: PROACTIVE")]
    assert [gap.where for gap in analyse(a_table(rows)).gaps] == ["mode missing"]
    assert [gap.where for gap in analyse(a_table(rows[:1])).gaps] == ['mode="PROACTIVE"']


def test_a_missing_value_is_a_gap_like_others_in_a_column_that_asks_for_it() -> None:
    rows = [a_row("R1", "mode: null, spec: a"), a_row("R2", "mode: ONDEMAND")]
    assert 'spec=anything but "a", mode="PROACTIVE" or missing' in [gap.where for gap in analyse(a_table(rows)).gaps]


def test_nothing_lies_between_two_days_that_follow_each_other() -> None:
    inputs = '  - {name: day, path: "characteristic[day]", type: date}\n'
    rows = [a_row("R1", 'day: "<= date(\\"2026-03-12\\")"'), a_row("R2", 'day: ">= date(\\"2026-03-13\\")"')]
    assert [gap.where for gap in analyse(a_table(rows, inputs=inputs)).gaps] == ["day missing"]


def upper_decides(upper: str, lower: str, spec: str) -> str:
    """Return the warning for two rows that overlap where ONDEMAND meets a specification."""
    where = f'spec="{spec}", mode="ONDEMAND"'
    and_so = f"with different outputs, and {upper} decides because it stands above"
    return f"rows {upper} and {lower} both match where {where}, {and_so}"


def test_rows_that_differ_in_part_are_a_warning_and_an_exception_from_a_rule_is_none() -> None:
    rows = [a_row("R1", "spec: a"), a_row("R2", "mode: ONDEMAND", BUNDLE), a_row("R3", "spec: b")]
    analysis = analyse(a_table([*rows, a_row("R4", 'spec: "-"', BUNDLE)]))
    assert analysis.warnings == (upper_decides("R1", "R2", "a"), upper_decides("R2", "R3", "b"))
    assert [each.rows for each in analysis.overlaps if each.nested] == [("R1", "R4"), ("R3", "R4"), ("R2", "R4")]


def test_an_overlap_is_an_error_under_policy_unique() -> None:
    rows = [a_row("R1", "spec: a"), a_row("R2", "mode: ONDEMAND")]
    analysis = analyse(a_table(rows, more="policy: unique\n"))
    assert analysis.errors == (
        'rows R1 and R2 both match where spec="a", mode="ONDEMAND", but only one may: make them exclude each other',
    )


def test_what_depends_on_another_input_is_never_claimed_and_is_said_to_be_unchecked() -> None:
    rows = [a_row("R1", 'speed: "> priority"'), a_row("R2", 'speed: "> 5"'), a_row("R3", 'speed: "<= 5"')]
    analysis = analyse(a_table(rows))
    assert (analysis.unreachable, analysis.gaps, analysis.overlaps) == ((), (), ())
    assert not analysis.is_complete
    assert analysis.unchecked == (
        "not fully checked: what row R1 takes depends on other inputs, so overlaps and gaps there are not found"
    )


def test_an_analysis_that_runs_out_of_steps_says_so_and_what_it_says_is_true() -> None:
    rows = [
        a_row(f"R{n}", f'spec: "s{n}", priority: "[{n}..{n + 9})", speed: "[{5 * n}..{5 * n + 40}]"') for n in range(40)
    ]
    analysis = analyse(a_table(rows), 100)
    assert "the search for gaps ended after 100 steps, so there may be more" in analysis.unchecked
    assert not analysis.is_complete
    assert all(matching(a_table(rows), gap.example) == [] for gap in analysis.gaps)


@pytest.mark.parametrize("count", [30, 60])
def test_many_findings_are_cut_short_with_their_number(count: int) -> None:
    rows = [a_row(f"R{n}", "spec: a") for n in range(count)]
    analysis = analyse(a_table(rows))
    assert len(analysis.errors) == 21
    assert analysis.errors[-1] == f"{count - 21} more rows are never reached"
