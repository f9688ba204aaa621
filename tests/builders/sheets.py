"""Builders of tables as lines of cells, some with a faulty cell."""

from __future__ import annotations

import csv
from io import BytesIO, StringIO
from typing import TYPE_CHECKING

import pytest
from openpyxl import Workbook, load_workbook

from router.selection.load import build_any
from router.selection.selector_file import SELECTOR_SHEETS
from router.tables.diagnostics import TableErrors
from router.tables.formats.sheets.csv_file import table_tree_from_csv
from router.tables.formats.sheets.xlsx_reader import table_tree_from_xlsx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CellLines = list[list[object]]


def a_sheet(*rows: Sequence[object], selector: bool = False) -> CellLines:
    """Return the lines of a small table. Its rows start on line 8."""
    own, end = (["order", "active"], ["max", "period"]) if selector else ([], [])
    before = [""] * len(own)
    thens = (
        [["spoke", "string", ""]] if selector else [["whole", "boolean", ""], ["payload", "string", "per-run, bundle"]]
    )
    head: CellLines = [["selector" if selector else "table", "t"], ["note", "Ours."]]
    about: CellLines = [
        ["columns", *before, "when", "when", *("then" for _ in thens)],
        ["path", *before, "test_specification.id", "priority"],
        ["type", *before, "string", "number", *(then[1] for then in thens)],
        ["values", *before, "", "", *(then[2] for then in thens)],
    ]
    names: CellLines = [["row", *own, "spec", "priority", *(then[0] for then in thens), *end, "note"]]
    return [*head, *about, *names, *map(list, rows)]


def as_csv(lines: CellLines, delimiter: str = ",") -> bytes:
    """Return lines as CSV."""
    text = StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(lines)
    return text.getvalue().encode()


def as_xlsx(
    lines: CellLines, cells: Mapping[str, object] | None = None, formats: Mapping[str, str] | None = None
) -> bytes:
    """Return lines as a spreadsheet. `cells` and `formats` replace the values and formats of some cells."""
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = "Table"
    for number, line in enumerate(lines, start=1):
        for column, value in enumerate(line, start=1):
            sheet.cell(number, column).value = value or None
    for address, value in (cells or {}).items():
        sheet[address] = value
    for address, shown_as in (formats or {}).items():
        sheet[address].number_format = shown_as
    return workbook_bytes(workbook)


def workbook_bytes(workbook: Workbook) -> bytes:
    """Return the bytes of a workbook."""
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


def open_workbook(content: bytes) -> Workbook:
    """Open a workbook from its bytes."""
    return load_workbook(BytesIO(content))


def csv_mistakes(content: bytes, source: str = "policy.csv") -> tuple[str, ...]:
    """Return the problems of a CSV file."""
    with pytest.raises(TableErrors) as refused:
        build_any(table_tree_from_csv(content, source, SELECTOR_SHEETS))
    return refused.value.sentences


def xlsx_mistakes(content: bytes, source: str = "policy.xlsx") -> tuple[str, ...]:
    """Return the problems of a spreadsheet."""
    with pytest.raises(TableErrors) as refused:
        build_any(table_tree_from_xlsx(content, source, SELECTOR_SHEETS))
    return refused.value.sentences
