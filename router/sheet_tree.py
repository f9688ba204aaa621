"""Read the lines of a sheet as the tree that a YAML file of the same table would give."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.cell_errors import CellError
from router.complaints import Complaints
from router.sheet_cells import boolean, check_comma, condition, number, result
from router.sheet_columns import columns_of, no_row_line
from router.sheet_tests import tests_of
from router.sheet_words import (
    ABOUT_COLUMNS,
    ACTIVE,
    GIVEN,
    MAX,
    NOTE,
    ORDER,
    PERIOD,
    ROW,
    TEST,
    THEN,
    WHEN,
)
from router.sheets import without_reasons
from router.table_files import Written
from router.tables import DEFAULT_ROW
from router.yaml_tree import Block, Listing, Scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from router.sheet_columns import SheetColumn
    from router.sheets import SheetLine, Sheets
    from router.yaml_tree import Tree

_SELECTOR = "selector"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """The lines of a sheet, parted by what they are about."""

    head: dict[str, SheetLine]
    names: SheetLine
    rows: tuple[SheetLine, ...]
    tests: tuple[SheetLine, ...]


def written_in_sheets(sheets: Sheets, version: str = "") -> Written:
    """Read what was written as lines of cells.

    Raises:
        TableErrors: the lines do not have the shape of a table.
    """
    complaints = Complaints(sheets.places)
    for place, why in sheets.unread:
        complaints.add_only(place, why)
    parts = _parted(sheets, complaints)
    columns = columns_of(parts.head, parts.names, sheets, complaints)
    reader = _RowReader(columns, complaints, decimal_comma=sheets.decimal_comma)
    return Written(_tree(parts, columns, reader, complaints), version, complaints)


def _parted(sheets: Sheets, complaints: Complaints) -> _Parts:
    lines = without_reasons(sheets.lines)
    starts = [at for at, line in enumerate(lines) if line.first == ROW]
    if not starts:
        raise no_row_line(sheets.source)
    tests = next((at for at in range(starts[0], len(lines)) if _start_tests(lines, at)), len(lines))
    return _Parts(
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


def _head(lines: Iterable[SheetLine], complaints: Complaints) -> dict[str, SheetLine]:
    head: dict[str, SheetLine] = {}
    for line in lines:
        if line.first in head:
            complaints.add(line.place, f"'{line.first}' stands twice")
        elif not line.is_empty:
            head[line.first] = line
    return head


def _tree(parts: _Parts, columns: list[SheetColumn], reader: _RowReader, complaints: Complaints) -> Block:
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


def _line_of(key: str, tree: Tree, parts: _Parts) -> int:
    return parts.head[key].cell(1).line if key in parts.head else tree.line


class _RowReader:
    """Reads the lines of rows by the columns above them."""

    def __init__(self, columns: Sequence[SheetColumn], complaints: Complaints, *, decimal_comma: bool) -> None:
        self._columns = columns
        self._own = {column.name: column.at for column in columns if not column.role}
        self._known = {0, *(column.at for column in columns)}
        self._complaints = complaints
        self._decimal_comma = decimal_comma

    def row(self, line: SheetLine) -> Block:
        """Read one row."""
        self.nothing_else(line, self._known)
        entries: dict[str, Tree] = {"id": line.cell(0)} if line.first else {}
        entries |= {"when": self._part(line, WHEN, self._condition), "then": self._part(line, THEN, self._result)}
        for key, read in ((ORDER, _whole), (ACTIVE, boolean), (NOTE, _as_it_is)):
            if cell := self._own_cell(line, key):
                entries[key] = read(cell)
        if threshold := self._threshold(line):
            entries["threshold"] = threshold
        return Block(entries, {key: tree.line for key, tree in entries.items()}, line.place)

    def add_default(self, line: SheetLine, entries: dict[str, Tree]) -> None:
        """Read the default row, which has results only."""
        if "default" in entries:
            self._complaints.add(line.place, "the default row stands twice")
        entries["default"] = self._part(line, THEN, self._result)
        results = {column.at for column in self._columns if column.role == THEN}
        for at, cell in enumerate(line.cells):
            if at and at not in results and cell.text.strip() not in ("", "-"):
                self._complaints.add(cell.line, "the default row has results only: empty this cell")

    def nothing_else(self, line: SheetLine, known: Iterable[int]) -> None:
        """Complain about cells that would be passed over."""
        for at, cell in enumerate(line.cells):
            if at not in known and cell.text.strip():
                self._complaints.add(
                    cell.line, f"'{cell.text}' stands in no column: give it a heading or empty the cell"
                )

    def _part(self, line: SheetLine, role: str, read: Callable[[Scalar, str], Scalar]) -> Block:
        entries: dict[str, Tree] = {}
        for column in self._columns:
            if column.role == role:
                entries[column.name] = self._read(line, column, read)
        return Block(entries, {name: tree.line for name, tree in entries.items()}, line.place)

    def _read(self, line: SheetLine, column: SheetColumn, read: Callable[[Scalar, str], Scalar]) -> Scalar:
        cell = line.cell(column.at)
        try:
            return read(cell, column.type)
        except CellError as error:
            what = "column" if column.role == WHEN else "output"
            self._complaints.add_only(cell.line, f"row {line.first}, {what} '{column.name}': {error}")
            return cell

    def _condition(self, cell: Scalar, column_type: str) -> Scalar:
        if self._decimal_comma and column_type == "number":
            check_comma(cell)
        return condition(cell, column_type)

    def _result(self, cell: Scalar, column_type: str) -> Scalar:
        return result(cell, column_type or "string")  # a selector says nothing about its one result

    def _own_cell(self, line: SheetLine, key: str) -> Scalar | None:
        cell = line.cell(self._own[key]) if key in self._own else None
        return cell if cell and cell.text.strip() else None

    def _threshold(self, line: SheetLine) -> Block | None:
        most, period = self._own_cell(line, MAX), self._own_cell(line, PERIOD)
        entries: dict[str, Tree] = {MAX: _whole(most)} if most else {}
        entries |= {PERIOD: period} if period else {}
        if not entries:
            return None
        return Block(entries, {key: tree.line for key, tree in entries.items()}, line.place)


def _whole(cell: Scalar) -> Scalar:
    return number(cell) if re.fullmatch(r"\s*-?[0-9]+\s*", cell.text) else cell


def _as_it_is(cell: Scalar) -> Scalar:
    return cell
