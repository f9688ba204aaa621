"""Read the lines of a sheet as the tree that a YAML file of the same table would give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.diagnostics import Diagnostics
from router.tables.formats.loader import TableTree
from router.tables.formats.sheets.columns import columns_of, no_row_line
from router.tables.formats.sheets.grid import (
    ABOUT_COLUMNS,
    COLUMNS,
    GIVEN,
    NOTE,
    ROW,
    TEST,
    THEN,
    TYPE,
    WHEN,
    column_of,
    without_reasons,
)
from router.tables.formats.sheets.rows import SheetRows
from router.tables.formats.sheets.tests import tests_of
from router.tables.formats.tree import Block, Listing
from router.tables.model import DEFAULT_ROW

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.tables.formats.sheets.columns import SheetColumn
    from router.tables.formats.sheets.grid import SheetLine, Sheets
    from router.tables.formats.tree import Tree

_SELECTOR = "selector"


@dataclass(frozen=True, slots=True, kw_only=True)
class _SheetSections:
    """The lines of a sheet, parted by what they are about."""

    head: dict[str, SheetLine]
    names: SheetLine
    rows: tuple[SheetLine, ...]
    tests: tuple[SheetLine, ...]


def written_in_sheets(sheets: Sheets, version: str = "") -> TableTree:
    """Read what was written as lines of cells.

    Raises:
        TableErrors: the lines do not have the shape of a table.
    """
    complaints = Diagnostics(sheets.places)
    parts = _parted(sheets, complaints)
    for place, why in sheets.unread:
        complaints.add_only(place, f"{_where(place, parts)}{why}")
    columns = columns_of(parts.head, parts.names, sheets, complaints)
    reader = SheetRows(columns, complaints, decimal_comma=sheets.decimal_comma)
    return TableTree(_tree(parts, columns, reader, complaints), version, complaints)


def _parted(sheets: Sheets, complaints: Diagnostics) -> _SheetSections:
    lines = without_reasons(sheets.lines)
    starts = [at for at, line in enumerate(lines) if line.first == ROW]
    if not starts:
        raise no_row_line(sheets.source)
    tests = next((at for at in range(starts[0], len(lines)) if _start_tests(lines, at)), len(lines))
    return _SheetSections(
        head=_head(lines[: starts[0]], complaints),
        names=lines[starts[0]],
        rows=tuple(line for line in lines[starts[0] + 1 : tests] if not line.is_empty),
        tests=tuple(line for line in lines[tests:] if not line.is_empty),
    )


def _start_tests(lines: Sequence[SheetLine], at: int) -> bool:
    """Tests start on a sheet of their own or after an empty line: a row may have the id `test`."""
    line, before = lines[at], lines[at - 1]
    is_heading = line.first == TEST and line.cell(1).text.strip() == GIVEN
    return is_heading and (before.is_empty or before.sheet != line.sheet)


def _where(place: int, parts: _SheetSections) -> str:
    """Name the row and column of a cell, where it has them."""
    column = column_of(place)
    line = next((line for line in parts.rows if line.place == place - column), None)
    if line is None or not column:
        return ""
    what = "output" if COLUMNS in parts.head and parts.head[COLUMNS].cell(column).text.strip() == THEN else "column"
    return f"row {line.first}, {what} '{parts.names.cell(column).text.strip()}': "


def _head(lines: Iterable[SheetLine], complaints: Diagnostics) -> dict[str, SheetLine]:
    head: dict[str, SheetLine] = {}
    for line in lines:
        if line.first in head:
            complaints.add(line.place, f"'{line.first}' stands twice")
        elif line.first:
            head[line.first] = line
        elif not line.is_empty:
            complaints.add(line.place, f"the first cell is empty; it says what a line is, such as '{TYPE}' or '{NOTE}'")
    return head


def _tree(parts: _SheetSections, columns: list[SheetColumn], reader: SheetRows, complaints: Diagnostics) -> Block:
    entries: dict[str, Tree] = {}
    for key, line in parts.head.items():
        if key not in ABOUT_COLUMNS:
            entries[key] = line.cell(1)
            reader.nothing_else(line, {0, 1})
    top = parts.names.place
    entries["inputs"] = Listing(tuple(c.about for c in columns if c.role == WHEN), top)
    if _SELECTOR not in entries:
        entries["outputs"] = Listing(tuple(c.about for c in columns if c.role == THEN), top)
    entries["rows"] = Listing(tuple(reader.row(line) for line in parts.rows if line.first != DEFAULT_ROW), top)
    for line in parts.rows:
        if line.first == DEFAULT_ROW:
            reader.add_default(line, entries)
    if parts.tests:
        entries["tests"] = tests_of(parts.tests, complaints)
    return Block(entries, {key: _line_of(key, tree, parts) for key, tree in entries.items()}, parts.names.place)


def _line_of(key: str, tree: Tree, parts: _SheetSections) -> int:
    return parts.head[key].cell(1).line if key in parts.head else tree.line
