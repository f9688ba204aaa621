"""The index of a table finds exactly the rows that a scan of all rows finds."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from router.tables.feel.unary_test import parse
from router.tables.feel.values import canonical
from router.tables.hit_policy import HitPolicy, aggregate_results, select_rows
from router.tables.index.bitsets import column_bitsets
from router.tables.index.coarse_index import CoarseIndex, build_coarse_index
from router.tables.index.coarse_sets import pack_pair, unpack_pair
from router.tables.index.exact_index import ExactIndex
from router.tables.index.index import compile_index
from router.tables.index.word_index import MIN_WORD_INDEX_ROWS, WordIndex, build_word_index
from router.tables.model import Input, Output, Row
from router.tables.table import DecisionTable
from tests.generators.tables_with_values import DrawnSearch, tables, tables_of_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.tables.index.index import RowIndex

slow = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def finds_the_same(drawn: DrawnSearch, index: RowIndex) -> None:
    """Check that an index finds the rows of a scan, for raw and for canonical values."""
    table = drawn.table
    for given_values in drawn.values:
        as_they_come = tuple(given_values[column.name] for column in table.inputs)
        values = tuple(map(canonical, as_they_come))
        inputs = table.values_by_name(values)
        expected = [row.id for row in table.scan_rows(values, inputs)]
        assert [row.id for row in index.matching_rows(values, inputs)] == expected
        assert [row.id for row in index.matching_rows(as_they_come, inputs)] == expected
        first = index.first_match(as_they_come, inputs)
        assert (first.id if first else None) == next(iter(expected), None)


@slow
@given(drawn=tables())
def test_the_index_finds_the_rows_that_are_found_one_by_one(drawn: DrawnSearch) -> None:
    finds_the_same(drawn, compile_index(drawn.table.rows, len(drawn.table.inputs)))


@slow
@given(drawn=tables())
def test_a_blurred_index_finds_the_rows_that_are_found_one_by_one(drawn: DrawnSearch) -> None:
    rows = drawn.table.rows
    columns = {place: [row.cells[place] for row in rows] for place in range(len(drawn.table.inputs))}
    masks = {place: column_bitsets(cells) for place, cells in columns.items()}
    exact = compile_index(rows, len(columns))
    assert isinstance(exact, ExactIndex)
    finds_the_same(drawn, build_coarse_index(exact, masks))


@slow
@given(drawn=tables_of_words())
def test_an_index_of_filed_rows_finds_the_rows_that_are_found_one_by_one(drawn: DrawnSearch) -> None:
    index = build_word_index(compile_index(drawn.table.rows, len(drawn.table.inputs)).exact)
    assume(index is not None)
    assert index is not None
    finds_the_same(drawn, index)


@slow
@given(drawn=tables())
def test_a_table_of_any_cells_is_not_filed_or_decides_the_same(drawn: DrawnSearch) -> None:
    index = build_word_index(compile_index(drawn.table.rows, len(drawn.table.inputs)).exact)
    finds_the_same(drawn, index or compile_index(drawn.table.rows, len(drawn.table.inputs)))


def many_words(policy: HitPolicy, last: str = "-") -> DecisionTable:
    """Return a table that is large enough for a word index.

    Every 50th row accepts any value in the first two columns.
    """
    texts = [
        (f'"w{place % 1_500}"' if place % 50 else "-", f'"v{place % 1_499}"' if place % 50 else "-", f'"u{place % 7}"')
        for place in range(MIN_WORD_INDEX_ROWS)
    ]
    cells = [tuple(parse(text, "string") for text in row) for row in [*texts, ("-", "-", last)]]
    return DecisionTable(
        id="words",
        version="1",
        inputs=tuple(Input(name=name, type="string") for name in ("w", "v", "u")),
        outputs=(Output(name="out", type="number", allowed=tuple(range(len(cells)))),),
        policy=policy,
        rows=tuple(Row(id=f"R{at}", cells=row, outputs={"out": at}) for at, row in enumerate(cells)),
    )


@pytest.mark.parametrize("policy", HitPolicy)
def test_a_large_table_of_words_is_filed_and_decides_the_same_under_every_hit_policy(policy: HitPolicy) -> None:
    table = many_words(policy)
    assert isinstance(table.index, WordIndex)
    for place in range(0, MIN_WORD_INDEX_ROWS, 97):
        words = (f"w{place % 1_500}", f"v{place % 1_499}", f"u{place % 7}")
        for values in (words, ("w1", *words[1:]), (None, *words[1:]), (words[:1], *words[1:]), ("-", "-", "-")):
            expected = tuple(table.scan_rows(values, {}))
            assert tuple(table.matching_rows(values)) == expected
            rows = select_rows(table.policy, table.outputs, expected)
            results = [table.row_result(row) for row in rows] if isinstance(rows, tuple) else []
            result = aggregate_results(table.policy, results) if results else None
            assert table.evaluate(dict(zip(("w", "v", "u"), values, strict=True))) == result


def test_one_cell_that_is_no_word_keeps_a_large_table_from_being_filed() -> None:
    assert not isinstance(many_words(HitPolicy.FIRST, last='not("u1")').index, WordIndex)


@given(may=st.sets(st.integers(0, 99)), does=st.sets(st.integers(0, 99)))
def test_two_sets_of_rows_come_out_of_a_pair_as_they_went_in(may: set[int], does: set[int]) -> None:
    sets = sum(1 << row for row in may), sum(1 << row for row in does)
    assert unpack_pair(pack_pair(*sets, 100), 100) == sets


@slow
@given(drawn=tables())
def test_evaluate_and_decide_agree_on_every_table(drawn: DrawnSearch) -> None:
    for given_values in drawn.values:
        values = tuple(canonical(given_values[column.name]) for column in drawn.table.inputs)
        row = next(drawn.table.scan_rows(values, drawn.table.values_by_name(values)), None)
        assert drawn.table.evaluate(given_values) == (row.outputs["out"] if row else None)


@pytest.mark.parametrize("nothing", [float("nan"), Decimal("NaN"), Decimal("sNaN")])
@pytest.mark.parametrize("cell", ["5", "!= 5", "not(5)", "> 5", "not(> 5)"])
def test_a_decimal_that_is_no_number_was_searched_among_numbers_and_could_not_be_hashed(
    cell: str, nothing: object
) -> None:
    rows = tuple(Row(id=text, cells=(parse(text, "any"),), outputs={"out": text}) for text in (cell, '"a"', '"b"', "-"))
    index = compile_index(rows, 1)
    expected = [row.id for row in rows if row.cells[0].matches(nothing)]
    assert [row.id for row in index.matching_rows((nothing,), {})] == expected


def many_rows(cell: Callable[[int], str], width: int, count: int = 6_000) -> DecisionTable:
    """Return a table of `count` rows, of which every column has ranges."""
    cells = [tuple(parse(cell(place * (column + 1)), "number") for column in range(width)) for place in range(count)]
    rows = tuple(Row(id=f"R{place}", cells=of_row, outputs={"out": place}) for place, of_row in enumerate(cells))
    inputs = tuple(Input(name=f"in{column}", type="number") for column in range(width))
    return DecisionTable(id="many", version="1", inputs=inputs, outputs=(Output(name="out", type="number"),), rows=rows)


@pytest.mark.parametrize("count", [1_200, 6_000])
def test_wide_ranges_in_many_columns_are_blurred_and_decide_the_same(count: int) -> None:
    table = many_rows(lambda place: f"[{place * 7_919 % 6_000}..{place * 7_919 % 6_000 + 3_000}]", 4, count)
    index = compile_index(table.rows, 4)
    assert isinstance(index, CoarseIndex)
    for number in range(0, 9_000, 450):
        values = (number, number // 2, 4_000 - number // 3, 3_000)
        expected = next(table.scan_rows(values, {}), None)
        assert index.first_match(values, {}) is expected


def test_ranges_that_take_turns_are_not_blurred_because_every_row_would_have_to_be_tried() -> None:
    table = many_rows(lambda place: f"[{place * 10}..{place * 10 + 10})", 1)
    assert not isinstance(compile_index(table.rows, 1), CoarseIndex)
    assert table.evaluate({"in0": 34_567.5}) == 3_456
