"""A table as lines of cells with addresses: what CSV files and spreadsheets have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.files.located_tree import Scalar
from schemas.text.invisible import first_unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.tables.formats.document import ExtraColumn


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

COLUMN_LINES = (COLUMNS, PATH, TYPE, VALUES)

_MAX_COLUMNS = 16_384  # of a spreadsheet

EMPTY = ""

UNREADABLE = "-"  # the text of a cell that could not be read; its problem is reported separately


# The heading of the column of reasons in a refused spreadsheet. The column is skipped when the file is read again.
REASONS_HEADING = "what is wrong (this column is not read)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePlace:
    """The place of a line: `start` names the file and its line or sheet, `row` is the row number in the spreadsheet."""

    prefix: str
    sheet: str
    row: int


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line of cells. The `line` of a cell is its place number. Text cells have their text as the value."""

    cells: tuple[Scalar, ...]
    sheet: str
    place: int

    def cell(self, column: int) -> Scalar:
        """Return a cell (columns count from 0); an empty one beyond the last column."""
        return self.cells[column] if column < len(self.cells) else Scalar(EMPTY, EMPTY, self.place + column)

    @property
    def first_text(self) -> str:
        """The text of the first cell, which defines what the line is."""
        return self.cell(0).text.strip()

    @property
    def is_empty(self) -> bool:
        """Whether all cells of the line are empty."""
        return not any(cell.text.strip() for cell in self.cells)


@dataclass(frozen=True, slots=True)
class SheetPlaces:
    """The places of a spreadsheet. They number its cells line by line."""

    lines: tuple[LinePlace, ...]

    def full_name(self, place: int) -> str:
        """Return the address of a cell with its file and sheet."""
        return f"{self.lines[place // _MAX_COLUMNS].prefix}, {self.short_name(place)}"

    def short_name(self, place: int) -> str:
        """Return `cell` and its address."""
        return f"cell {self.address(place)}"

    def address(self, place: int) -> str:
        """Return the address of a cell, such as C14."""
        return f"{column_letters(place % _MAX_COLUMNS)}{self.lines[place // _MAX_COLUMNS].row}"

    def sheet_name(self, place: int) -> str:
        """Return the title of a cell's sheet."""
        return self.lines[place // _MAX_COLUMNS].sheet


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """All lines of a file.

    `unreadable` has the places of cells that could not be read, each with the reason. `decimal_comma`: whether 1,5 may
    mean one and a half in this file. `hidden_lines` (their places) and `hidden_columns` (from 0) are those of the sheet
    with the rows that a spreadsheet does not show.
    """

    source: str
    lines: tuple[SheetLine, ...]
    places: SheetPlaces
    unreadable: tuple[tuple[int, str], ...] = ()
    decimal_comma: bool = False
    hidden_lines: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetExtras:
    """What a sheet may have besides the columns of a decision table.

    `columns` are the columns of extra fields of the rows. `kinds_with_fixed_outputs` are the first keys of files that
    do not define their outputs.
    """

    columns: tuple[ExtraColumn, ...] = ()
    kinds_with_fixed_outputs: tuple[str, ...] = ()


NO_EXTRAS = SheetExtras()


def cell_place(line: int, column: int) -> int:
    """Return the place number of a cell by its line and column, both from 0."""
    return line * _MAX_COLUMNS + column


def column_of(place: int) -> int:
    """Return the column of a cell by its place number, from 0."""
    return place % _MAX_COLUMNS


def build_line(number: int, cells: Iterable[tuple[str, object]], sheet: str = "") -> SheetLine:
    """Return the line with this number (from 0), with the text and value of each cell."""
    start = cell_place(number, 0)
    scalars = tuple(
        [Scalar(text, value, start + column, first_unseen(text)) for column, (text, value) in enumerate(cells)]
    )
    return SheetLine(scalars, sheet, start)


def without_reasons_column(lines: Sequence[SheetLine]) -> tuple[SheetLine, ...]:
    """Return the lines without the column of reasons that a refused spreadsheet has."""
    columns = {
        line.sheet: column
        for line in lines
        for column, cell in enumerate(line.cells)
        if cell.text == REASONS_HEADING and is_heading(line.first_text)
    }
    return tuple(
        SheetLine(line.cells[: columns[line.sheet]], line.sheet, line.place) if line.sheet in columns else line
        for line in lines
    )


def is_heading(first: str) -> bool:
    """Return whether a line with this first cell has the headings of the columns."""
    return first in (ROW, TEST)


def column_letters(column: int) -> str:
    """Return the letters of a column (from 0) in a spreadsheet: A, B, … Z, AA."""
    rest, letter = divmod(column, 26)
    return (column_letters(rest - 1) if rest else "") + chr(ord("A") + letter)
