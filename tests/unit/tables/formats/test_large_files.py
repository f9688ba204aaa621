"""A table file with too many rows or mistakes is refused before it takes much memory, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.selection.fact_model import RUN_FACTS
from router.tables.diagnostics import MAX_PROBLEMS, MAX_ROWS, TableErrors
from router.tables.formats.dmn.model import read_model
from router.tables.formats.dmn.writer import write_model
from router.tables.formats.loader import load_table, table_from_tree
from router.tables.formats.sheets.csv_file import table_tree_from_csv
from tests.builders.decision_tables import a_file, a_row, a_table

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = "table,a-table\ncolumns,when,then\npath,test_specification.id,\ntype,string,boolean\nrow,spec,hierarchical\n"


def yaml(rows: int, *, cell: str = "a") -> None:
    load_table(a_file([a_row("R1", f"spec: {cell}")] * rows), "t.yaml", RUN_FACTS)


def csv(rows: int, *, cell: str = "a") -> None:
    text = HEADER + f"R1,{cell},true\n" * rows
    table_from_tree(table_tree_from_csv(text.encode(), "t.csv"), RUN_FACTS)


def dmn(rows: int) -> None:
    text = write_model(a_table([a_row("R1", "spec: abc")]))
    start, end = text.index("<rule"), text.index("</rule>") + len("</rule>")
    read_model((text[:start] + text[start:end] * rows + text[end:]).encode(), "t.dmn")


@pytest.mark.parametrize("read", [yaml, csv, dmn])
def test_fault_a_table_of_too_many_rows_is_refused_with_its_place(read: Callable[[int], None]) -> None:
    with pytest.raises(TableErrors, match=r"t\..*: the table has 20,001 rows, and at most 20,000 are read: split it$"):
        read(MAX_ROWS + 1)


@pytest.mark.parametrize("read", [yaml, csv])
def test_fault_the_mistakes_of_a_large_table_are_bounded(read: Callable[..., None]) -> None:
    with pytest.raises(TableErrors) as error:
        read(5_000, cell="\u201ca\u201d")
    assert len(error.value.sentences) == MAX_PROBLEMS + 1
    assert any(sentence.endswith("correct these first, the rest is not read") for sentence in error.value.sentences)


@pytest.mark.parametrize("text", ["a" + "," * 1_500_000, "\n" * 1_500_000])
def test_fault_a_sheet_of_millions_of_cells_is_refused(text: str) -> None:
    with pytest.raises(TableErrors, match="more than 1,000,000 cells: split the table"):
        table_tree_from_csv(text.encode(), "t.csv")
