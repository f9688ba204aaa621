"""A table file with too many rows or mistakes is refused before it takes much memory, whatever its format."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile

import pytest

from router.selection.fact_model import RUN_FACTS
from router.selection.load import document_of
from router.tables.diagnostics import MAX_PROBLEMS, MAX_ROWS, TableErrors
from router.tables.formats.dmn.model import read_model
from router.tables.formats.dmn.writer import write_model
from router.tables.formats.loader import load_table, table_from_tree
from router.tables.formats.sheets.csv_file import table_tree_from_csv
from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx
from router.tables.formats.sheets.xlsx_writer import write_xlsx
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


@pytest.mark.parametrize("cell", ["a" * 40_000, '","' * 20_000, "not(" * 10_000, "1.." * 15_000, "-" * 40_000])
def test_fault_a_cell_that_takes_quadratic_time_is_refused(cell: str) -> None:
    with pytest.raises(TableErrors, match="the cell has more than 32,767 characters: split the row"):
        yaml(1, cell=f"'{cell}'")


def test_fault_a_dmn_element_of_half_a_million_attributes_is_refused() -> None:
    text = write_model(a_table([a_row("R1", "spec: abc")]))
    attributes = " ".join(f'a{number}="1"' for number in range(500_000))
    with pytest.raises(TableErrors, match=r"t.dmn:1: the file has an XML element with more attributes than"):
        read_model(text.replace("<rule ", f"<rule {attributes} ").encode(), "t.dmn")


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    ("part", "before", "added", "sentence"),
    [
        (SHEET, "<t>abc</t>", "<t>" + "y" * 36_000_000 + "</t>", "a cell of more than 100,000 characters"),
        (SHEET, "<t>abc</t>", "<t>" + "&amp;" * 7_000_000 + "</t>", "a cell of more than 100,000 characters"),
        (SHEET, "<t>abc</t>", "<r><t>y</t></r>" * 1_500_000, "a cell of more than 100,000 characters"),
        (SHEET, "<sheetData>", f'<sheetData x="{"y" * 36_000_000}">', "more attributes than any program writes"),
        (SHEET, "</sheetData>", '<row r="9"><c/></row>' * 800_000 + "</sheetData>", "more than 1,500,000 XML elements"),
        ("xl/styles.xml", "</fonts>", "<font/>" * 1_000_000 + "</fonts>", r"more than 3 MB of .*xl/styles\.xml"),
        ("[Content_Types].xml", "</Types>", "<Default/>" * 800_000 + "</Types>", "more than 3 MB"),
    ],
    ids=["text", "entities", "runs of text", "attribute", "elements", "fonts", "content types"],
)
def test_fault_a_spreadsheet_of_kilobytes_that_takes_gigabytes_is_refused(
    part: str, before: str, added: str, sentence: str
) -> None:
    packed = BytesIO()
    table = document_of(a_table([a_row("R1", "spec: abc")]))
    with ZipFile(BytesIO(write_xlsx(table))) as good, ZipFile(packed, "w", ZIP_DEFLATED) as hostile:
        for name in good.namelist():
            text = good.read(name).decode()
            assert name != part or before in text
            hostile.writestr(name, text.replace(before, added, 1) if name == part else text)
    with pytest.raises(TableErrors, match=sentence):
        table_tree_from_xlsx(packed.getvalue(), "t.xlsx")


@pytest.mark.parametrize("text", ["a" + "," * 1_500_000, "\n" * 1_500_000])
def test_fault_a_sheet_of_millions_of_cells_is_refused(text: str) -> None:
    with pytest.raises(TableErrors, match="more than 1,000,000 cells: split the table"):
        table_tree_from_csv(text.encode(), "t.csv")
