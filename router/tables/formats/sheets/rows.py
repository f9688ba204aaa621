"""Read the lines of rows by the columns above them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.formats.sheets.cells import boolean, check_comma, condition, number, result
from router.tables.formats.sheets.grid import ACTIVE, MAX, NOTE, ORDER, PERIOD, THEN, WHEN
from router.tables.formats.tree import Scalar, block_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.sheets.columns import SheetColumn
    from router.tables.formats.sheets.grid import SheetLine
    from router.tables.formats.tree import Block, Tree


class SheetRows:
    """Reads the lines of rows by the columns above them."""

    def __init__(self, columns: Sequence[SheetColumn], complaints: Diagnostics, *, decimal_comma: bool) -> None:
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
        return block_of(entries, line.place)

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
        return block_of(entries, line.place)

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
        return block_of(entries, min(tree.line for tree in entries.values())) if entries else None


def _whole(cell: Scalar) -> Scalar:
    return number(cell) if re.fullmatch(r"\s*-?[0-9]+\s*", cell.text) else cell


def _as_it_is(cell: Scalar) -> Scalar:
    return cell
