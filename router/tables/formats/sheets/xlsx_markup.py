"""Mark the faulty cells of a refused spreadsheet, with the reasons beside them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from router.tables.diagnostics import TableErrors
from router.tables.formats.sheets.grid import REASONS_HEADING, is_heading
from router.tables.formats.sheets.xlsx_package import escape_for_xlsx, open_workbook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openpyxl import Workbook
    from openpyxl.cell.cell import Cell as WorkbookCell
    from openpyxl.worksheet.worksheet import Worksheet

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.sheets.grid import SheetPlaces

_AUTHOR = "southbound"
_WRONG_FILL = PatternFill("solid", fgColor="FFFFC7CE")
_NO_FILL = PatternFill()
_REASON_FONT = Font(color="FF9C0006")
_WIDTH = 80
_MAX_CELLS = 2_000_000  # of the rectangle around all cells of a sheet, which marking it goes through
_TOO_LARGE = "has cells far away from the others, perhaps only formatted: delete the empty rows and columns"
_MAX_CELL_CHARACTERS = 32_767  # of a cell in Excel


def add_reasons(content: bytes, source: str, diagnostics: Diagnostics, places: SheetPlaces) -> bytes:
    """Return a copy of a spreadsheet with every faulty cell marked, and the reasons in a last column.

    Marks of an earlier refusal are removed. The copy can be corrected and imported again as it is.

    Raises:
        TableErrors: the spreadsheet cannot be opened.
    """
    workbook = open_workbook(content, source, read_only=False)
    for sheet in workbook.worksheets:
        if sheet.max_row * sheet.max_column > _MAX_CELLS:
            raise TableErrors([f"{source}, sheet {sheet.title}: {_TOO_LARGE}"])
        _remove_marks(sheet)
    for title in dict.fromkeys(places.sheet_name(place) for place, _ in diagnostics.entries):
        problems = [
            (places.address(place), problem)
            for place, problem in diagnostics.entries
            if places.sheet_name(place) == title
        ]
        _mark(workbook, title, problems)
    marked = BytesIO()
    workbook.save(marked)
    return marked.getvalue()


def _remove_marks(sheet: Worksheet) -> None:
    for cell in [cell for row in sheet.iter_rows() for cell in row if cell.comment is not None]:
        if cell.comment.author == _AUTHOR:
            cell.comment, cell.fill = None, _NO_FILL
    headings = [cell.column for cell in sheet[_heading_row(sheet)] if cell.value == REASONS_HEADING]
    for column in headings:
        sheet.delete_cols(column)


def _mark(workbook: Workbook, title: str, problems: Sequence[tuple[str, str]]) -> None:
    sheet = workbook[title]
    last = sheet.max_column + 1
    beside: dict[int, list[str]] = {_heading_row(sheet): [REASONS_HEADING]}
    for address, sentences in _by_cell(problems).items():
        cell = _writable_cell(sheet, address)
        cell.fill = _WRONG_FILL
        cell.comment = Comment(escape_for_xlsx("\n".join(sentences)), _AUTHOR, height=120, width=360)
        beside.setdefault(cell.row, []).extend(f"{address}: {sentence}" for sentence in sentences)
    for row, lines in beside.items():
        _write_reason(sheet.cell(row, last), "\n".join(lines))
    sheet.column_dimensions[get_column_letter(last)].width = _WIDTH


def _writable_cell(sheet: Worksheet, address: str) -> WorkbookCell:
    """Return the cell to mark at an address: of merged cells, only the first can be changed."""
    merged = (span for span in sheet.merged_cells.ranges if address in span)
    return sheet[next((span.start_cell.coordinate for span in merged), address)]


def _by_cell(problems: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    by_cell: dict[str, list[str]] = {}
    for address, sentence in problems:
        by_cell.setdefault(address, []).append(sentence)
    return by_cell


def _heading_row(sheet: Worksheet) -> int:
    """Return the line of headings above the rows or tests; 1 on a sheet without one."""
    firsts = (str(cell.value).strip() for (cell,) in sheet.iter_rows(max_col=1))
    return next((row for row, first in enumerate(firsts, start=1) if is_heading(first)), 1)


def _write_reason(cell: WorkbookCell, text: str) -> None:
    cell.value = escape_for_xlsx(text)[:_MAX_CELL_CHARACTERS]
    cell.data_type = "s"
    cell.number_format = "@"
    cell.font = _REASON_FONT
    cell.alignment = Alignment(wrap_text=True, vertical="top")
