"""Read the rows of a sheet by its columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.formats.sheets.cells import (
    check_decimal_comma,
    read_boolean,
    read_condition,
    read_numeric,
    read_output,
)
from router.tables.formats.sheets.grid import ACTIVE, MAX, NOTE, ORDER, PERIOD, THEN, WHEN
from schemas.files.located_tree import Scalar, block_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.sheets.columns import SheetColumn
    from router.tables.formats.sheets.grid import SheetLine
    from schemas.files.located_tree import Block, Tree


class SheetRows:
    """Reads the rows of a sheet by its columns."""

    def __init__(self, columns: Sequence[SheetColumn], diagnostics: Diagnostics, *, decimal_comma: bool) -> None:
        self._columns = columns
        self._fixed_columns = {column.name: column.index for column in columns if not column.role}
        self._known_columns = {0, *(column.index for column in columns)}
        self._diagnostics = diagnostics
        self._decimal_comma = decimal_comma

    def row(self, line: SheetLine) -> Block:
        """Read one row."""
        self.report_unknown_cells(line, self._known_columns)
        entries: dict[str, Tree] = {"id": line.cell(0)} if line.first else {}
        entries |= {"when": self._part(line, WHEN, self._condition), "then": self._part(line, THEN, self._result)}
        for key, read in ((ORDER, _whole), (ACTIVE, read_boolean), (NOTE, _unchanged)):
            if cell := self._fixed_cell(line, key):
                entries[key] = read(cell)
        if threshold := self._threshold(line):
            entries["threshold"] = threshold
        return block_of(entries, line.place)

    def add_default(self, line: SheetLine, entries: dict[str, Tree]) -> None:
        """Read the default row, which has outputs only, into `entries`."""
        if "default" in entries:
            self._diagnostics.add(line.place, "the default row appears twice")
        entries["default"] = self._part(line, THEN, self._result)
        results = {column.index for column in self._columns if column.role == THEN}
        for at, cell in enumerate(line.cells):
            if at and at not in results and cell.text.strip() not in ("", "-"):
                self._diagnostics.add(cell.line, "the default row has outputs only: empty this cell")

    def report_unknown_cells(self, line: SheetLine, known: Iterable[int]) -> None:
        """Report cells outside of the known columns."""
        for at, cell in enumerate(line.cells):
            if at not in known and cell.text.strip():
                self._diagnostics.add(cell.line, f"'{cell.text}' is in no column: give it a heading or empty the cell")

    def _part(self, line: SheetLine, role: str, read: Callable[[Scalar, str], Scalar]) -> Block:
        entries: dict[str, Tree] = {}
        for column in self._columns:
            if column.role == role:
                entries[column.name] = self._read(line, column, read)
        return block_of(entries, line.place)

    def _read(self, line: SheetLine, column: SheetColumn, read: Callable[[Scalar, str], Scalar]) -> Scalar:
        cell = line.cell(column.index)
        try:
            return read(cell, column.type)
        except CellError as error:
            what = "column" if column.role == WHEN else "output"
            self._diagnostics.add_unreadable(cell.line, f"row {line.first}, {what} '{column.name}': {error}")
            return cell

    def _condition(self, cell: Scalar, column_type: str) -> Scalar:
        if self._decimal_comma and column_type == "number":
            check_decimal_comma(cell)
        return read_condition(cell, column_type)

    def _result(self, cell: Scalar, column_type: str) -> Scalar:
        return read_output(cell, column_type or "string")  # a selector does not define the type of its only output

    def _fixed_cell(self, line: SheetLine, key: str) -> Scalar | None:
        cell = line.cell(self._fixed_columns[key]) if key in self._fixed_columns else None
        return cell if cell and cell.text.strip() else None

    def _threshold(self, line: SheetLine) -> Block | None:
        most, period = self._fixed_cell(line, MAX), self._fixed_cell(line, PERIOD)
        entries: dict[str, Tree] = {MAX: _whole(most)} if most else {}
        entries |= {PERIOD: period} if period else {}
        return block_of(entries, min(tree.line for tree in entries.values())) if entries else None


def _whole(cell: Scalar) -> Scalar:
    return read_numeric(cell) if re.fullmatch(r"\s*-?[0-9]+\s*", cell.text) else cell


def _unchanged(cell: Scalar) -> Scalar:
    return cell
