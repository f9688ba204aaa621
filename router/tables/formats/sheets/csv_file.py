"""Read and write a table as one CSV file."""

from __future__ import annotations

import csv
import re
from io import StringIO
from typing import TYPE_CHECKING

from router.tables.diagnostics import TableErrors
from router.tables.formats.sheets.grid import NO_EXTRAS, LinePlace, SheetPlaces, Sheets, build_line
from router.tables.formats.sheets.reader import table_tree_from_sheets
from router.tables.formats.sheets.writer import write_sheets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.tables.formats.document import TableDocument
    from router.tables.formats.loader import TableTree
    from router.tables.formats.sheets.grid import SheetExtras


_DELIMITER = re.compile(r'"?\w*"?([,;\t])')
# At the start of a cell, spreadsheets run or change these. A lone dash is safe, and is the text of most cells.
# A spreadsheet that splits lines at another separator than ours sees a start of a cell after each of them.
_CELL_START = r"(?:^|(?<=[;|\t\r\n]))"
_FORMULA = r"[' \u00a0\u3000]*(?:[=+@\t\r\uff1d\uff0b\uff20]|[-\uff0d].)"
_TO_ESCAPE = re.compile(f"{_CELL_START}(?={_FORMULA})", re.DOTALL)
_ESCAPED = re.compile(f"{_CELL_START}'(?={_FORMULA})", re.DOTALL)
# Excel writes and reads the separator in front of the first line.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\1*\r?\n', re.IGNORECASE)


def write_csv(table: TableDocument) -> str:
    """Return a table as CSV (RFC 4180).

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    sheets = write_sheets(table)
    lines = [*sheets.table, *([()] if sheets.tests else []), *sheets.tests]
    width = max(map(len, lines))
    text = StringIO(newline="")
    csv.writer(text).writerows([*map(_escape, line), *[""] * (width - len(line))] for line in lines)
    return text.getvalue()


def _escape(text: str) -> str:
    return _TO_ESCAPE.sub("'", text)


def _unescape(text: str) -> str:
    return _ESCAPED.sub("", text)


def table_tree_from_csv(content: bytes, source_name: str, extras: SheetExtras = NO_EXTRAS) -> TableTree:
    """Read a table from CSV in UTF-8, separated by commas, semicolons or tabs.

    The separator is found in the first line, which may also be Excel's `sep=;`. With another separator than the comma,
    numbers may have a decimal comma. `extras` says what more than inputs and outputs the sheet may have.

    Raises:
        TableErrors: it is not such a file, or does not have the structure of a table.
    """
    text = _decode(content, source_name)
    separator_line = _SEPARATOR_LINE.match(text)
    match = separator_line or _DELIMITER.match(text)
    delimiter = match[1] if match else ","
    places, lines = [], []
    if separator_line:
        text = text[separator_line.end() :]
    for number, (line, cells) in enumerate(_records(text, delimiter, source_name)):
        line += bool(separator_line)  # noqa: PLW2901 - counted in the file
        places.append(LinePlace(prefix=f"{source_name}:{line}", sheet="", row=number + 1))
        lines.append(build_line(number, ((cell, cell) for cell in map(_unescape, cells))))
    sheets = Sheets(
        source=source_name,
        lines=tuple(lines),
        places=SheetPlaces(tuple(places)),
        decimal_comma=delimiter != ",",
    )
    return table_tree_from_sheets(sheets, extras)


_MAX_CELLS = 1_000_000  # 20,000 rows and fifty columns


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = "has a byte that is not UTF-8: save the file as 'CSV UTF-8'"
        raise TableErrors([f"{source}:{line}: {problem}"]) from None


def _records(text: str, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the records, each with the line on which it starts."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    cells_left = _MAX_CELLS
    try:
        for cells in reader:
            cells_left -= max(1, len(cells))
            if cells_left < 0:
                raise TableErrors([f"{source}:{line}: more than {_MAX_CELLS:,} cells: split the table"])
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableErrors([f"{source}:{line}: not valid CSV: {error}"]) from None
