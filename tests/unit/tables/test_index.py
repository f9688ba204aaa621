"""The compiled index of a table finds exactly the rows that are found by trying each."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from router.index import compile_index
from router.values import canonical
from tests.drawn_searches import Drawn, tables


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(drawn=tables())
def test_the_index_finds_the_rows_that_are_found_one_by_one(drawn: Drawn) -> None:
    table = drawn.table
    index = compile_index(table.rows, len(table.inputs))
    for given_values in drawn.values:
        values = tuple(canonical(given_values[column.name]) for column in table.inputs)
        inputs = table.by_name(values)
        expected = [row.id for row in table.hits_one_by_one(values, inputs)]
        assert [row.id for row in index.hits(values, inputs)] == expected
