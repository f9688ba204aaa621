"""The columns of a sheet: inputs, outputs, and the fixed columns such as `note`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.diagnostics import TableErrors
from router.tables.feel.errors import CellError
from router.tables.formats.sheets.cells import read_output_list
from router.tables.formats.sheets.grid import COLUMNS, FIXED_COLUMNS, PATH, ROW, THEN, TYPE, VALUES, WHEN
from schemas.files.located_tree import Scalar, block_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.sheets.grid import SheetLine, Sheets
    from schemas.files.located_tree import Block, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """One column. `role` is `when` for inputs, `then` for outputs, and empty for a fixed column."""

    index: int
    role: str
    name: str
    type: str
    definition: Block


def read_columns(
    head: Mapping[str, SheetLine], headings: SheetLine, sheets: Sheets, diagnostics: Diagnostics
) -> list[SheetColumn]:
    """Read the columns from the lines above the rows, and report cells that belong to no column.

    Raises:
        TableErrors: no line defines which columns are inputs and which are outputs.
    """
    if COLUMNS not in head:
        what = f"no line above the rows starts with '{COLUMNS}': it has '{WHEN}' over conditions, '{THEN}' over results"
        raise TableErrors([f"{sheets.source}: {what}"])
    columns = list(_columns(head, headings, diagnostics))
    _check_names(columns, headings, diagnostics)
    return columns


def _columns(head: Mapping[str, SheetLine], headings: SheetLine, diagnostics: Diagnostics) -> Iterator[SheetColumn]:
    widest = max(len(line.cells) for line in (headings, *head.values()))
    for at in range(1, widest):
        role, name = head[COLUMNS].cell(at), headings.cell(at)
        if role.text.strip() not in (WHEN, THEN, ""):
            diagnostics.add(
                role.line, f"'{role.text}' is not a role of a column; write '{WHEN}' or '{THEN}', or empty it"
            )
        elif role.text.strip() or name.text.strip():
            yield _column(at, role.text.strip(), head, headings, diagnostics)


def _column(
    index: int, role: str, head: Mapping[str, SheetLine], headings: SheetLine, diagnostics: Diagnostics
) -> SheetColumn:
    name, column_type = headings.cell(index), _cell_of_line(head, TYPE, index)
    type_name = column_type.text.strip() if column_type else ""
    written: dict[str, Tree] = {"name": name} if name.text.strip() else {}
    written |= {key: cell for key, cell in ((PATH, _cell_of_line(head, PATH, index)), (TYPE, column_type)) if cell}
    if allowed := _cell_of_line(head, VALUES, index):
        written[VALUES] = _allowed(allowed, role, type_name, diagnostics)
    about = block_of(written, name.line)
    return SheetColumn(index=index, role=role, name=name.text.strip(), type=type_name, definition=about)


def _cell_of_line(head: Mapping[str, SheetLine], key: str, index: int) -> Scalar | None:
    cell = head[key].cell(index) if key in head else None
    return cell if cell and cell.text.strip() else None


def _allowed(cell: Scalar, role: str, column_type: str, diagnostics: Diagnostics) -> Tree:
    if role != THEN:
        return cell
    try:
        return read_output_list(cell, column_type)
    except CellError as error:
        diagnostics.add_unreadable(cell.line, f"values: {error}")
        return cell


def _check_names(columns: list[SheetColumn], headings: SheetLine, diagnostics: Diagnostics) -> None:
    for column in columns:
        place = headings.cell(column.index).line
        if not column.role and column.name not in FIXED_COLUMNS:
            near = difflib.get_close_matches(column.name, FIXED_COLUMNS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            what = f"column '{column.name}' has neither '{WHEN}' nor '{THEN}' in the line '{COLUMNS}'{hint}"
            diagnostics.add(place, what)


def missing_row_line(source: str) -> TableErrors:
    """Return the error for a sheet without a line of headings above the rows."""
    return TableErrors([f"{source}: no line starts with '{ROW}': the line above the rows names the columns"])
