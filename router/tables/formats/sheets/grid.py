"""Hold a table as lines of cells, and know the address of every cell: what CSV and spreadsheets have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.formats.tree import Scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


COLUMNS = "columns"

WHEN = "when"

THEN = "then"

PATH = "path"

TYPE = "type"

VALUES = "values"

ROW = "row"

TEST = "test"

GIVEN = "given"

EXPECT = "expect"

NOTE = "note"

ORDER = "order"

ACTIVE = "active"

MAX = "max"

PERIOD = "period"

COLUMN_LINES = (COLUMNS, PATH, TYPE, VALUES)

FIXED_COLUMNS = (NOTE, ORDER, ACTIVE, MAX, PERIOD)

_MAX_COLUMNS = 16_384  # columns of a spreadsheet

EMPTY = ""

UNREADABLE = "-"  # stands for what could not be read, until that is told


# The heading of the column with which a refused spreadsheet comes back; it is skipped when read again.
REASONS_HEADING = "what is wrong (this column is not read)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlace:
    """Where a line stands: `start` names file and line or sheet, `row` is its number in the spreadsheet."""

    start: str
    sheet: str
    row: int


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line of cells; a cell's `line` is its place. Text cells have their text as the value."""

    cells: tuple[Scalar, ...]
    sheet: str
    place: int

    def cell(self, column: int) -> Scalar:
        """Take a cell (columns from 0); what lies beyond the last one is empty."""
        return self.cells[column] if column < len(self.cells) else Scalar(EMPTY, EMPTY, self.place + column)

    @property
    def first(self) -> str:
        """The text of the first cell, which says what a line is."""
        return self.cell(0).text.strip()

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands in the line."""
        return not any(cell.text.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True)
class SheetPlaces:
    """The places of a spreadsheet: cell by cell, line by line."""

    lines: tuple[LinePlace, ...]

    def full_name(self, place: int) -> str:
        """Name a cell with its file and sheet."""
        return f"{self.lines[place // _MAX_COLUMNS].start}, {self.short_name(place)}"

    def short_name(self, place: int) -> str:
        """Name a cell."""
        return f"cell {self.address(place)}"

    def address(self, place: int) -> str:
        """Return the address of a cell, such as C14."""
        return f"{column_letters(place % _MAX_COLUMNS)}{self.lines[place // _MAX_COLUMNS].row}"

    def sheet(self, place: int) -> str:
        """Name the sheet of a cell."""
        return self.lines[place // _MAX_COLUMNS].sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """All lines of a file.

    `unread`: the places of cells that could not be read, and why. `decimal_comma`: whether the file comes from
    where 1,5 may mean one and a half.
    """

    source: str
    lines: tuple[SheetLine, ...]
    places: SheetPlaces
    unreadable: tuple[tuple[int, str], ...] = ()
    decimal_comma: bool = False


def place_of(line: int, column: int) -> int:
    """Number a cell by its line and column, both from 0."""
    return line * _MAX_COLUMNS + column


def column_of(place: int) -> int:
    """Return the column of a cell, from 0."""
    return place % _MAX_COLUMNS


def line_of_cells(number: int, cells: Iterable[tuple[str, object]], sheet: str = "") -> SheetLine:
    """Make the line with this number (from 0) of text and value of each cell."""
    start = place_of(number, 0)
    made = tuple([Scalar(text, value, start + column) for column, (text, value) in enumerate(cells)])
    return SheetLine(made, sheet, start)


def without_reasons_column(lines: Sequence[SheetLine]) -> tuple[SheetLine, ...]:
    """Leave out the column of reasons of a spreadsheet that came back refused."""
    columns = {
        line.sheet: column
        for line in lines
        for column, cell in enumerate(line.cells)
        if cell.text == REASONS_HEADING and is_heading(line.first)
    }
    return tuple(
        SheetLine(line.cells[: columns[line.sheet]], line.sheet, line.place) if line.sheet in columns else line
        for line in lines
    )


def is_heading(first: str) -> bool:
    """Return whether a line with this first cell has the headings of columns."""
    return first in (ROW, TEST)


def column_letters(column: int) -> str:
    """Name a column (from 0) as spreadsheets do: A, B, … Z, AA."""
    rest, letter = divmod(column, 26)
    return (column_letters(rest - 1) if rest else "") + chr(ord("A") + letter)
