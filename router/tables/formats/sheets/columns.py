"""The columns of a sheet: inputs, outputs, and the fixed columns such as `note`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.diagnostics import TableErrors
from router.tables.feel.errors import CellError
from router.tables.formats.sheets.cells import read_output_list
from router.tables.formats.sheets.grid import COLUMNS, NOTE, PATH, ROW, THEN, TYPE, VALUES, WHEN
from schemas.files.located_tree import Scalar, block_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.document import ExtraColumn
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
    header: Mapping[str, SheetLine],
    headings: SheetLine,
    sheets: Sheets,
    diagnostics: Diagnostics,
    extra_columns: Sequence[ExtraColumn],
) -> list[SheetColumn]:
    """Read the columns from the lines above the rows, and report cells that belong to no column.

    Raises:
        TableErrors: no line defines which columns are inputs and which are outputs.
    """
    if COLUMNS not in header:
        remedy = f"it has '{WHEN}' over conditions, '{THEN}' over results"
        raise TableErrors([f"{sheets.source}: no line above the rows starts with '{COLUMNS}': {remedy}"])
    columns = list(_columns(header, headings, diagnostics))
    _check_names(columns, headings, diagnostics, (NOTE, *(column.heading for column in extra_columns)))
    return columns


def _columns(header: Mapping[str, SheetLine], headings: SheetLine, diagnostics: Diagnostics) -> Iterator[SheetColumn]:
    width = max(len(line.cells) for line in (headings, *header.values()))
    for at in range(1, width):
        role, name = header[COLUMNS].cell(at), headings.cell(at)
        if role.text.strip() not in (WHEN, THEN, ""):
            diagnostics.add(
                role.line, f"'{role.text}' is not a role of a column; write '{WHEN}' or '{THEN}', or empty it"
            )
        elif role.text.strip() or name.text.strip():
            yield _column(at, role.text.strip(), header, headings, diagnostics)


def _column(
    index: int, role: str, header: Mapping[str, SheetLine], headings: SheetLine, diagnostics: Diagnostics
) -> SheetColumn:
    name, column_type = headings.cell(index), _cell_of_line(header, TYPE, index)
    type_name = column_type.text.strip() if column_type else ""
    entries: dict[str, Tree] = {"name": name} if name.text.strip() else {}
    entries |= {key: cell for key, cell in ((PATH, _cell_of_line(header, PATH, index)), (TYPE, column_type)) if cell}
    if allowed := _cell_of_line(header, VALUES, index):
        entries[VALUES] = _allowed_values(allowed, role, type_name, diagnostics)
    definition = block_of(entries, name.line)
    return SheetColumn(index=index, role=role, name=name.text.strip(), type=type_name, definition=definition)


def _cell_of_line(head: Mapping[str, SheetLine], key: str, index: int) -> Scalar | None:
    cell = head[key].cell(index) if key in head else None
    return cell if cell and cell.text.strip() else None


def _allowed_values(cell: Scalar, role: str, column_type: str, diagnostics: Diagnostics) -> Tree:
    if role != THEN:
        return cell
    try:
        return read_output_list(cell, column_type)
    except CellError as error:
        diagnostics.add_unreadable(cell.line, f"values: {error}")
        return cell


def _check_names(
    columns: list[SheetColumn], headings: SheetLine, diagnostics: Diagnostics, fixed_names: Sequence[str]
) -> None:
    for column in columns:
        place = headings.cell(column.index).line
        if not column.role and column.name not in fixed_names:
            matches = difflib.get_close_matches(column.name, fixed_names, n=1)
            hint = f"; did you mean '{matches[0]}'?" if matches else ""
            problem = f"column '{column.name}' has neither '{WHEN}' nor '{THEN}' in the line '{COLUMNS}'{hint}"
            diagnostics.add(place, problem)


def missing_row_line(source: str) -> TableErrors:
    """Return the error for a sheet without a line of headings above the rows."""
    return TableErrors([f"{source}: no line starts with '{ROW}': the line above the rows names the columns"])
