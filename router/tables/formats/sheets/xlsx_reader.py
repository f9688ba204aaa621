"""Read a table from a spreadsheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.diagnostics import TableErrors
from router.tables.feel.errors import CellError
from router.tables.formats.sheets.grid import (
    NO_EXTRAS,
    UNREADABLE,
    LinePlace,
    SheetPlaces,
    Sheets,
    build_line,
    cell_place,
    column_letters,
)
from router.tables.formats.sheets.hidden_parts import HiddenParts
from router.tables.formats.sheets.number_format import shown_number
from router.tables.formats.sheets.reader import table_tree_from_sheets
from router.tables.formats.sheets.xlsx_package import READ_ERRORS, not_readable_error, open_workbook, unescape_from_xlsx

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openpyxl import Workbook
    from openpyxl.cell.cell import Cell as WorkbookCell
    from openpyxl.worksheet.worksheet import Worksheet

    from router.tables.formats.loader import TableTree
    from router.tables.formats.sheets.grid import SheetExtras, SheetLine


_MAX_NUMBER = 10**15  # Excel keeps 15 digits of a number and sets the others to zero

_REMEDY = "format the column as text and type the value again"


def text_and_value(cell: WorkbookCell) -> tuple[str, object]:
    """Return the text of a cell and its value: a string, a number or a boolean; both are empty for an empty cell.

    Raises:
        CellError: it contains a formula, a date, an error or a number that Excel has changed.
    """
    match cell.data_type, cell.value:
        case _, None:
            return "", ""
        case "f", _:
            raise CellError(f"the cell holds a formula: {_REMEDY}")
        case "d", _:
            raise CellError(f"the cell holds a date or time of Excel: {_REMEDY}")
        case "e", error:
            raise CellError(f"the cell holds the error {error}: write a value")
        case "b", value:
            return ("true", True) if value else ("false", False)
        case "n", int() | float() as number:
            return _number(number, str(cell.number_format))
        case _, value:
            text = unescape_from_xlsx(str(value))
            return text, text


def _number(number: float, number_format: str) -> tuple[str, object]:
    if abs(number) >= _MAX_NUMBER:
        raise CellError(f"the cell holds a number of more digits than Excel keeps: {_REMEDY}")
    integer = int(number)
    text = str(integer) if integer == number else repr(number)
    shown = shown_number(number, number_format)
    if shown is None:
        raise CellError(f"the cell holds {text}, and shows it in the format {number_format[:40]}: {_REMEDY}")
    if shown.replace(",", "") != text and not _is_same_number(shown, number):
        raise CellError(f"the cell shows {shown or 'nothing'}, but holds {text}: {_REMEDY}")
    return (text, integer) if integer == number else (text, number)


def _is_same_number(shown: str, number: float) -> bool:
    """Return whether what a cell shows is its number; 007 and 7% are not the texts of 7 and 0.07."""
    plain = shown.replace(",", "")
    has_leading_zeros = plain.lstrip("-").startswith("0") and plain.lstrip("-")[1:2].isdigit()
    try:
        return not has_leading_zeros and float(plain) == number
    except ValueError:
        return False


TABLE_SHEET = "Table"

TESTS_SHEET = "Tests"

_MAX_ROWS = 100_000

_MAX_COLUMNS = 500

_MAX_SHEET_ROWS = 1_048_576  # of a spreadsheet; reading ends after it


def table_tree_from_xlsx(content: bytes, source_name: str, extras: SheetExtras = NO_EXTRAS) -> TableTree:
    """Read a table from the sheets `Table` and `Tests`. Other sheets are ignored.

    Raises:
        TableErrors: it is not an XLSX file, contains formulas or dates, or does not have the structure of a table.
    """
    return table_tree_from_sheets(_sheets(content, source_name), extras)


def _sheets(content: bytes, source: str) -> Sheets:
    reader = _SheetCollector(source)
    try:
        workbook = open_workbook(content, source, read_only=True)
        for sheet in _table_sheets(workbook, source):
            reader.read(sheet)
    except TableErrors:
        raise
    except READ_ERRORS:
        raise not_readable_error(source) from None
    return reader.sheets()


def _table_sheets(workbook: Workbook, source: str) -> list[Worksheet]:
    by_name = {sheet.title.strip().lower(): sheet for sheet in workbook.worksheets}
    if TABLE_SHEET.lower() not in by_name:
        names = ", ".join(sheet.title for sheet in workbook.worksheets)
        problem = f"there is no sheet '{TABLE_SHEET}' (the sheets are {names}): rename the one with the rows"
        raise TableErrors([f"{source}: {problem}"])
    if by_name[TABLE_SHEET.lower()].sheet_state != "visible":
        problem = f"the sheet '{TABLE_SHEET}' is hidden, and its rows decide: show it"
        raise TableErrors([f"{source}: {problem}"])
    return [by_name[name.lower()] for name in (TABLE_SHEET, TESTS_SHEET) if name.lower() in by_name]


def _rows(sheet: Worksheet) -> Iterator[tuple[int, tuple[WorkbookCell, ...]]]:
    """Yield the number and the cells of each row that is not empty, up to its last cell with a value."""
    sheet.reset_dimensions()  # the dimensions in the file may be wrong
    for row, cells in enumerate(sheet.rows, start=1):
        while cells and cells[-1].value is None:
            cells = cells[:-1]  # noqa: PLW2901 - the row without what is empty at its end
        if cells:
            yield row, cells
        elif row > _MAX_SHEET_ROWS:
            return


class _SheetCollector:
    """Collects the lines of the sheets, and the cells that cannot be read."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._places: list[LinePlace] = []
        self._lines: list[SheetLine] = []
        self._unreadable: list[tuple[int, str]] = []
        self._hidden_lines: set[int] = set()
        self._hidden_columns: frozenset[int] = frozenset()

    def read(self, sheet: Worksheet) -> None:
        """Read one sheet."""
        last_row = 0
        hidden = _hidden_parts(sheet)
        self._hidden_columns |= hidden.columns
        for row, cells in _rows(sheet):
            self._check_size(sheet.title, row, len(cells))
            if row > last_row + 1:
                self._add(sheet.title, row - 1, ())  # one empty line replaces all of them
            if row in hidden.rows:
                self._hidden_lines.add(cell_place(len(self._lines), 0))
            self._add(sheet.title, row, cells)
            last_row = row

    def _check_size(self, title: str, row: int, width: int) -> None:
        if row > _MAX_ROWS or width > _MAX_COLUMNS:
            limit = f"row {_MAX_ROWS} or column {column_letters(_MAX_COLUMNS - 1)}"
            raise TableErrors([f"{self._source}, sheet {title}: a cell beyond {limit} is not empty: delete it"])

    def _add(self, title: str, row: int, cells: Iterable[WorkbookCell]) -> None:
        number = len(self._lines)
        start = f"{self._source}, sheet {title}"
        self._places.append(LinePlace(prefix=start, sheet=title, row=row))
        read = [self._read(cell, cell_place(number, column)) for column, cell in enumerate(cells)]
        self._lines.append(build_line(number, read, title))

    def _read(self, cell: WorkbookCell, place: int) -> tuple[str, object]:
        try:
            return text_and_value(cell)
        except CellError as error:
            self._unreadable.append((place, str(error)))
            return UNREADABLE, UNREADABLE

    def sheets(self) -> Sheets:
        """Return the collected lines."""
        return Sheets(
            source=self._source,
            lines=tuple(self._lines),
            places=SheetPlaces(tuple(self._places)),
            unreadable=tuple(self._unreadable),
            hidden_lines=frozenset(self._hidden_lines),
            hidden_columns=self._hidden_columns,
        )


def _hidden_parts(sheet: Worksheet) -> HiddenParts:
    if sheet.title.strip().lower() != TABLE_SHEET.lower():
        return HiddenParts()  # saved tests decide nothing
    # openpyxl does not say what is hidden if it reads a sheet row by row, and else takes ten times as much memory.
    with sheet._get_source() as part:  # noqa: SLF001
        return HiddenParts.of_sheet(part.read())
