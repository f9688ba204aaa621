"""Mistakes in CSV and spreadsheets are reported like those in YAML, all together, with the addresses of their cells."""

from __future__ import annotations

from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.selection.fact_model import RUN_FACTS
from router.selection.load import build_any, document_of
from router.tables.formats.loader import load_table
from router.tables.formats.sheets.csv_file import table_tree_from_csv, write_csv
from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx
from router.tables.formats.sheets.xlsx_writer import write_xlsx
from router.tables.table import DecisionTable
from tests.builders.decision_tables import a_file, a_row
from tests.builders.sheets import CellLines, a_sheet, as_csv, as_xlsx, csv_mistakes, open_workbook, xlsx_mistakes

GOOD = ["R1", "fibre-line", ">= 5", "true", "per-run", "a note"]

ROWS = [
    (["R1", "a", "[1..5", "true", "bundle"], "C8: row R1, column 'priority': interval \"[1..5\" is not closed"),
    (["R1", "a", "-", "true", "bundel"], "E8: row R1, output 'payload': bundel is not one of the allowed values"),
    (["R1", "a", "-", "yes", "bundle"], "D8: row R1, output 'whole': yes is a string, the column takes boolean; w"),
    (["R1", "a", "-", "", "bundle"], "D8: row R1, output 'whole': has no value, and unset is not possible: write one"),
    (["R1", "", "-", "true", "bundle"], "B8: row R1, column 'spec': the cell is empty; write \"-\" for any value"),
    (["R1", "a", "-", "true", "null"], "E8: row R1, output 'payload': has no value, and unset is not possible"),
    (["R1", "a", "-", "true", '"bundle'], "E8: row R1, output 'payload': the quote in \"bundle is not closed"),
    (["R1", "a", "-", "true", "bundle", "", "x"], "G8: 'x' is in no column: give it a heading or empty the cell"),
    (["", "a", "-", "true", "bundle"], "A8: row number 1: 'id' is missing"),
    (["default", "a", "", "true", "bundle"], "B8: the default row has outputs only: empty this cell"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "problem"), ROWS)
def test_a_wrong_cell_is_named_with_its_address_in_either_format(row: list[object], problem: str) -> None:
    lines = a_sheet(row, ["R2", *GOOD[1:]])
    (in_csv,) = csv_mistakes(as_csv(lines))
    (in_xlsx,) = xlsx_mistakes(as_xlsx(lines))
    assert in_csv.startswith(f"policy.csv:8, cell {problem}")
    assert in_xlsx.startswith(f"policy.xlsx, sheet Table, cell {problem}")


def test_mistakes_of_all_rows_are_told_at_once() -> None:
    rows = [["R1", "a", "[1..5", "true", "per-run"], ["R1", "b", "-", "maybe", "per-run"]]
    assert csv_mistakes(as_csv(a_sheet(*rows))) == (
        "policy.csv:8, cell C8: row R1, column 'priority': interval \"[1..5\" is not closed",
        "policy.csv:9, cell A9: row R1: the id appears twice, first in cell A8",
        (
            "policy.csv:9, cell D9: row R1, output 'whole': maybe is a string, the column takes boolean;"
            " write true or false"
        ),
    )


EXCEL = [
    ("C8", "=1+1", "", "row R1, column 'priority': the cell holds a formula: format the column as text and type"),
    ("B8", date(2026, 1, 2), "", "row R1, column 'spec': the cell holds a date or time of Excel: format the column"),
    ("E8", time(8, 30), "", "row R1, output 'payload': the cell holds a date or time of Excel: format the column"),
    ("C8", 0.05, "0%", "row R1, column 'priority': the cell shows 5%, but holds 0.05: format the column as text"),
    ("C8", 10**15, "", "row R1, column 'priority': the cell holds a number of more digits than Excel keeps"),
    ("C8", "#DIV/0!", "", "row R1, column 'priority': the cell holds the error #DIV/0!: write a value"),
    ("B8", 7, "", "row R1, column 'spec': 7 is a number, the column takes string; write \"7\" in double quotes"),
    ("E8", True, "", "row R1, output 'payload': true is a boolean, the column takes string; put it in quotes"),
    ("B2", "=1+1", "", "the cell holds a formula"),
]


@pytest.mark.parametrize(("address", "value", "shown_as", "problem"), EXCEL)
def test_what_excel_made_of_a_cell_is_refused_with_its_address(
    address: str, value: object, shown_as: str, problem: str
) -> None:
    formats = {address: shown_as} if shown_as else {}
    (sentence,) = xlsx_mistakes(as_xlsx(a_sheet(GOOD), {address: value}, formats))
    assert sentence.startswith(f"policy.xlsx, sheet Table, cell {address}: {problem}")


def test_numbers_and_booleans_that_an_operator_typed_into_excel_are_taken() -> None:
    lines = a_sheet(["R1", "a", "", "", "bundle"], ["R2", "a", "", "FALSE", "bundle"])
    table = build_any(table_tree_from_xlsx(as_xlsx(lines, {"C8": 100.0, "D8": True, "C9": 0.5}), "t.xlsx"))
    assert isinstance(table, DecisionTable)
    assert [row.cells[1].text for row in table.rows] == ["100", "0.5"]
    assert [row.outputs["whole"] for row in table.rows] == [True, False]


HEADS = [
    (0, ["tabel", "t"], "policy.csv:1, cell B1: unknown key 'tabel'; did you mean 'table'?"),
    (1, ["", "t"], "policy.csv:2, cell A2: the first cell is empty; it defines what the line is"),
    (1, ["table", "t"], "policy.csv:2, cell A2: 'table' appears twice"),
    (1, ["note", "a", "b"], "policy.csv:2, cell C2: 'b' is in no column"),
    (2, ["x"], "policy.csv: no line above the rows starts with 'columns'"),
    (2, ["columns", "wehn", "when", "then", "then"], "policy.csv:3, cell B3: 'wehn' is not a role of a column"),
    (2, ["columns", "when", "", "then", "then"], "policy.csv:7, cell C7: column 'priority' has neither 'when' nor"),
    (3, ["path", "tennant", "priority"], "policy.csv:4, cell B4: input 'spec': path 'tennant' is not a fact"),
    (4, ["type", "text", "number", "boolean", "string"], "policy.csv:5, cell B5: input 'spec': there is no type"),
    (5, ["values", "", "[5..1]"], "policy.csv:6, cell C6: input 'priority': values: interval \"[5..1]\" is empty"),
    (5, ["values", "", "", "", '"a'], 'policy.csv:6, cell E6: values: the quote in "a is not closed'),
    (6, ["rows", "spec"], "policy.csv: no line starts with 'row': the line above the rows names the columns"),
    (6, ["row", "spec", "priority", "whole", "payload", "nota"], "policy.csv:7, cell F7: column 'nota' has"),
]  # fmt: skip


@pytest.mark.parametrize(("at", "line", "problem"), HEADS)
def test_a_wrong_line_of_the_head_is_named(at: int, line: list[object], problem: str) -> None:
    lines = a_sheet(GOOD)
    lines[at] = line
    assert any(sentence.startswith(problem) for sentence in csv_mistakes(as_csv(lines)))


SELECTOR_ROWS = [
    (["S2", "x", "true", "a", "-", "lab"], "B8: row S2: 'order' must be a whole number"),
    (["S2", "1.5", "true", "a", "-", "lab"], "B8: row S2: 'order' must be a whole number"),
    (["S2", "10", "no", "a", "-", "lab"], "C8: row S2: 'active' must be true or false"),
    (["S2", "10", "", "a", "-", ""], "F8: row S2, output 'spoke': has no value"),
    (["S2", "10", "", "a", "-", "lab", "0", "P1D"], "G8: row S2, threshold: 'max' must be at least 1"),
    (["S2", "10", "", "a", "-", "lab", "5", "P1Y"], "H8: row S2, threshold: 'period' must be a span of days or time"),
    (["S2", "10", "", "a", "-", "lab", "5", ""], "G8: row S2, threshold: 'period' is missing"),
]


@pytest.mark.parametrize(("row", "problem"), SELECTOR_ROWS)
def test_a_wrong_cell_of_a_selector_is_named(row: list[object], problem: str) -> None:
    (sentence,) = csv_mistakes(as_csv(a_sheet(row, selector=True)))
    assert sentence.startswith(f"policy.csv:8, cell {problem}")


TESTS = [
    (["it", "{a: [", "{row: R1}"], "B11: test 'it': 'given': not valid YAML: expected the node content, but found"),
    (["it", "{tennant: x}", "{row: R1}"], "B11: test 'it': 'tennant' is not a field of a run document"),
    (["it", "{}", "{row: R9}"], "C11: test 'it': expects row R9, which the table does not have"),
    (["it", "{}", "{row: R1, row: R1}"], "C11: test 'it': 'expect': 'row' stands twice, first in the same cell"),
    (["it", "{}", "{payload: bundle}", "", "x"], "E11: 'x' is in no column"),
    (["", "{}", "{payload: bundle}"], "A11: test: 'name' is missing"),
    (["it", "{test_specification: {id: fibre-line}}", "{row: R1}"], "A11: test 'it' expected row R1, got no row"),
]


@pytest.mark.parametrize(("test", "problem"), TESTS)
def test_a_wrong_test_is_named(test: list[object], problem: str) -> None:
    lines: CellLines = [*a_sheet(GOOD), [], ["test", "given", "expect", "note"], test]
    (sentence,) = csv_mistakes(as_csv(lines))
    assert sentence.startswith(f"policy.csv:11, cell {problem}")


def test_a_csv_of_another_country_has_semicolons_and_its_decimal_commas_are_not_two_numbers() -> None:
    lines = a_sheet(["R1", "a", "1,5", "true", "bundle"], ["R2", "a", "1, 5", "true", "bundle"])
    (sentence,) = csv_mistakes(as_csv(lines, ";"))
    assert sentence.startswith("policy.csv:8, cell C8: row R1, column 'priority': \"1,5\" may be a number or a choice")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with a byte order mark"])
def test_csv_is_read_as_every_spreadsheet_saves_it(delimiter: str, mark: bytes) -> None:
    table = build_any(table_tree_from_csv(mark + as_csv(a_sheet(GOOD), delimiter), "t.csv"))
    assert isinstance(table, DecisionTable)
    assert [row.id for row in table.rows] == ["R1"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "policy.csv: no line starts with 'row'"),
        (b'table,"t\n', "policy.csv:1: not valid CSV: unexpected end of data"),
        (b"table,t\n\xff\n", "policy.csv:2: has a byte that is not UTF-8: save the file as 'CSV UTF-8'"),
    ],
)
def test_what_is_no_csv_of_a_table_is_refused_in_one_sentence(content: bytes, problem: str) -> None:
    (sentence,) = csv_mistakes(content)
    assert sentence.startswith(problem)


def test_a_formula_does_not_run_in_the_spreadsheet_that_opens_the_csv() -> None:
    row = a_row("R1", 'spec: "=cmd, -2+3, @x"').replace("}, then", "}, note: '=HYPERLINK(x)', then")
    written = write_csv(document_of(load_table(a_file([row]), "t.yaml", RUN_FACTS)))
    cells = [cell for line in written.splitlines() for cell in line.split(",")]
    assert [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell not in ("", "-")] == []
    assert "'=HYPERLINK(x)" in cells


def test_every_cell_of_a_spreadsheet_is_text() -> None:
    row = a_row("R1", 'spec: "007", priority: 5').replace("}, then", "}, note: '=1+1', then")
    sheet = open_workbook(write_xlsx(document_of(load_table(a_file([row]), "t.yaml", RUN_FACTS))))["Table"]
    cells = [cell for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert {(cell.data_type, cell.number_format) for cell in cells} == {("s", "@")}
    assert {"007", "5", "=1+1"} <= {cell.value for cell in cells}


scraps = st.sampled_from(
    ["table,t\n", "columns,when,then\n", "row,a,b\n", "R1,", "x", '"', "\n", "test,given\n", "\0", "'"]
)


@settings(deadline=None)
@given(content=st.binary(max_size=60) | st.lists(scraps).map(lambda parts: "".join(parts).encode()))
def test_any_bytes_are_a_csv_table_or_a_list_of_sentences(content: bytes) -> None:
    assert all(sentence.startswith("t.csv") for sentence in csv_mistakes(content, "t.csv"))
