"""Write a table as a spreadsheet in which every cell is text, so that Excel does not change the values typed in it."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from router.tables.diagnostics import TableErrors
from router.tables.formats.sheets.writer import write_sheets
from router.tables.formats.sheets.xlsx_package import escape_for_xlsx
from router.tables.formats.sheets.xlsx_reader import TABLE_SHEET, TESTS_SHEET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openpyxl.cell.cell import Cell as WorkbookCell
    from openpyxl.worksheet.worksheet import Worksheet

    from router.tables.formats.document import TableDocument
    from router.tables.formats.sheets.writer import TextLine


_TEXT_FORMAT = "@"
_HEADING = Font(bold=True)
_HEADING_FILL = PatternFill("solid", fgColor="FFDDE6F0")
_WRAPPED = Alignment(wrap_text=True, vertical="top")
_MAX_CELL_CHARACTERS = 32_767  # of a cell in Excel
_MIN_WIDTH, _MAX_WIDTH = 10, 60


def write_xlsx(table: TableDocument) -> bytes:
    """Return a table as XLSX, with its saved tests on a sheet of their own.

    Raises:
        TableErrors: a cell would be longer than Excel allows.
    """
    content = write_sheets(table)
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = TABLE_SHEET
    _fill(sheet, content.table, headings=range(content.heading_line + 1))
    sheet.freeze_panes = sheet.cell(content.heading_line + 2, 2)
    tests = workbook.create_sheet(TESTS_SHEET)
    _fill(tests, content.tests, headings=range(1))
    tests.freeze_panes = "A2"
    file = BytesIO()
    workbook.save(file)
    return file.getvalue()


def _fill(sheet: Worksheet, lines: Sequence[TextLine], *, headings: range) -> None:
    for number, line in enumerate(lines):
        for column, text in enumerate(line):
            _write(sheet.cell(number + 1, column + 1), text, is_heading=number in headings)
    for column in range(max(map(len, lines), default=0)):
        _format_column(sheet, column, [line[column] for line in lines if column < len(line)])


def _write(cell: WorkbookCell, text: str, *, is_heading: bool) -> None:
    escaped = escape_for_xlsx(text)
    if len(escaped) > _MAX_CELL_CHARACTERS:
        address = f"sheet {cell.parent.title}, cell {cell.coordinate}"
        limit = f"needs {len(escaped)} characters, Excel allows {_MAX_CELL_CHARACTERS}"
        raise TableErrors([f"{address}: {limit}: export the table as YAML or CSV"])
    cell.number_format = _TEXT_FORMAT
    cell.alignment = _WRAPPED
    if text:
        cell.value = escaped
        cell.data_type = "s"  # also for a text that starts with = or looks like an error of Excel
    if is_heading:
        cell.font, cell.fill = _HEADING, _HEADING_FILL


def _format_column(sheet: Worksheet, column: int, texts: Sequence[str]) -> None:
    """Set the width of a column, and the text format for cells that are added below the last row."""
    dimension = sheet.column_dimensions[get_column_letter(column + 1)]
    dimension.number_format = _TEXT_FORMAT
    dimension.width = min(max(_MIN_WIDTH, *(len(text) + 2 for text in texts), 0), _MAX_WIDTH)
