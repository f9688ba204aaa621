"""Read the rows of a sheet by its columns."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError
from router.tables.feel.look_alikes import check_cut_numbers
from router.tables.formats.sheets.cells import (
    check_separators,
    read_boolean,
    read_condition,
    read_numeric,
    read_output,
)
from router.tables.formats.sheets.grid import NOTE, THEN, WHEN
from schemas.files.located_tree import Block, Scalar, block_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.document import ExtraColumn
    from router.tables.formats.sheets.columns import SheetColumn
    from router.tables.formats.sheets.grid import SheetLine
    from schemas.files.located_tree import Tree


class SheetRowReader:
    """Reads the rows of a sheet by its columns."""

    def __init__(
        self,
        columns: Sequence[SheetColumn],
        extra_columns: Sequence[ExtraColumn],
        diagnostics: Diagnostics,
        *,
        decimal_comma: bool,
    ) -> None:
        self._columns = columns
        self._extra_columns = extra_columns
        self._fixed_columns = {column.name: column.index for column in columns if not column.role}
        self._known_columns = {0, *(column.index for column in columns)}
        self._diagnostics = diagnostics
        self._decimal_comma = decimal_comma

    def read_row(self, line: SheetLine) -> Block:
        """Read one row."""
        self.report_unknown_cells(line, self._known_columns)
        entries: dict[str, Tree] = {"id": line.cell(0)} if line.first_text else {}
        entries |= {
            "when": self._read_entries(line, WHEN, self._read_input_entry),
            "then": self._read_entries(line, THEN, self._read_output_entry),
        }
        entries |= self._extra_fields(line)
        if note := self._fixed_cell(line, NOTE):
            entries[NOTE] = note
        return block_of(entries, line.place)

    def add_default(self, line: SheetLine, entries: dict[str, Tree]) -> None:
        """Read the default row, which has outputs only, into `entries`."""
        if "default" in entries:
            self._diagnostics.add(line.place, "the default row appears twice")
        entries["default"] = self._read_entries(line, THEN, self._read_output_entry)
        results = {column.index for column in self._columns if column.role == THEN}
        for at, cell in enumerate(line.cells):
            if at and at not in results and cell.text.strip() not in ("", "-"):
                self._diagnostics.add(cell.line, "the default row has outputs only: empty this cell")

    def report_unknown_cells(self, line: SheetLine, known: Iterable[int]) -> None:
        """Report cells outside of the known columns."""
        for at, cell in enumerate(line.cells):
            if at not in known and cell.text.strip():
                self._diagnostics.add(cell.line, f"'{cell.text}' is in no column: give it a heading or empty the cell")

    def _read_entries(self, line: SheetLine, role: str, read: Callable[[Scalar, str], Scalar]) -> Block:
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
            kind = "column" if column.role == WHEN else "output"
            self._diagnostics.add_unreadable(cell.line, f"row {line.first_text}, {kind} '{column.name}': {error}")
            return cell

    def _read_input_entry(self, cell: Scalar, column_type: str) -> Scalar:
        check_cut_numbers(cell.text, column_type)
        if column_type == "number":
            check_separators(cell, decimal_comma=self._decimal_comma)
        return read_condition(cell, column_type)

    def _read_output_entry(self, cell: Scalar, column_type: str) -> Scalar:
        if column_type == "number":
            check_separators(cell, decimal_comma=self._decimal_comma)
        return read_output(
            cell, column_type or "string"
        )  # a column without a type belongs to a kind of file with fixed outputs

    def _fixed_cell(self, line: SheetLine, key: str) -> Scalar | None:
        cell = line.cell(self._fixed_columns[key]) if key in self._fixed_columns else None
        return cell if cell and cell.text.strip() else None

    def _extra_fields(self, line: SheetLine) -> dict[str, Tree]:
        """Read the extra fields that the row has, by key."""
        fields: dict[str, Tree] = {}
        for column in self._extra_columns:
            if cell := self._fixed_cell(line, column.heading):
                key, *inner = column.path
                value = _READERS[column.type](cell)
                fields[key] = _with_entry(fields.get(key), inner[0], value) if inner else value
        return fields


def _with_entry(field: Tree | None, key: str, value: Scalar) -> Block:
    """Return a field with one more entry; its place is that of its first cell."""
    entries: dict[str, Tree] = dict(field.entries) if isinstance(field, Block) else {}
    entries[key] = value
    return block_of(entries, min(tree.line for tree in entries.values()))


def _whole_number(cell: Scalar) -> Scalar:
    return read_numeric(cell) if re.fullmatch(r"\s*-?[0-9]+\s*", cell.text) else cell


_READERS: dict[str, Callable[[Scalar], Scalar]] = {
    "whole number": _whole_number,
    "boolean": read_boolean,
    "text": lambda cell: cell,
}
