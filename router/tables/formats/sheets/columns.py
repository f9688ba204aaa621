"""Know the columns of a sheet: which hold conditions, which results, and which the sheet's own words."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.diagnostics import TableErrors
from router.tables.feel.errors import CellError
from router.tables.formats.sheets.cells import results
from router.tables.formats.sheets.grid import COLUMNS, OWN_COLUMNS, PATH, ROW, THEN, TYPE, VALUES, WHEN
from router.tables.formats.tree import Scalar, block_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.tables.diagnostics import Diagnostics
    from router.tables.formats.sheets.grid import SheetLine, Sheets
    from router.tables.formats.tree import Block, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """One column. `role` is when, then, or empty for a column of the sheet's own, whose name says what it holds."""

    at: int
    role: str
    name: str
    type: str
    about: Block


def columns_of(
    head: Mapping[str, SheetLine], names: SheetLine, sheets: Sheets, complaints: Diagnostics
) -> list[SheetColumn]:
    """Read the columns from the lines above the rows; what stands where no column is becomes a complaint.

    Raises:
        TableErrors: no line says which columns are conditions and which results.
    """
    if COLUMNS not in head:
        what = f"no line above the rows starts with '{COLUMNS}': it has '{WHEN}' over conditions, '{THEN}' over results"
        raise TableErrors([f"{sheets.source}: {what}"])
    found = list(_columns(head, names, complaints))
    _check_names(found, names, complaints)
    return found


def _columns(head: Mapping[str, SheetLine], names: SheetLine, complaints: Diagnostics) -> Iterator[SheetColumn]:
    widest = max(len(line.cells) for line in (names, *head.values()))
    for at in range(1, widest):
        role, name = head[COLUMNS].cell(at), names.cell(at)
        if role.text.strip() not in (WHEN, THEN, ""):
            complaints.add(
                role.line, f"'{role.text}' says nothing about a column; write '{WHEN}' or '{THEN}', or empty it"
            )
        elif role.text.strip() or name.text.strip():
            yield _column(at, role.text.strip(), head, names, complaints)


def _column(
    at: int, role: str, head: Mapping[str, SheetLine], names: SheetLine, complaints: Diagnostics
) -> SheetColumn:
    name, column_type = names.cell(at), _about(head, TYPE, at)
    type_name = column_type.text.strip() if column_type else ""
    written: dict[str, Tree] = {"name": name} if name.text.strip() else {}
    written |= {key: cell for key, cell in ((PATH, _about(head, PATH, at)), (TYPE, column_type)) if cell}
    if allowed := _about(head, VALUES, at):
        written[VALUES] = _allowed(allowed, role, type_name, complaints)
    about = block_of(written, name.line)
    return SheetColumn(at=at, role=role, name=name.text.strip(), type=type_name, about=about)


def _about(head: Mapping[str, SheetLine], key: str, at: int) -> Scalar | None:
    cell = head[key].cell(at) if key in head else None
    return cell if cell and cell.text.strip() else None


def _allowed(cell: Scalar, role: str, column_type: str, complaints: Diagnostics) -> Tree:
    if role != THEN:
        return cell
    try:
        return results(cell, column_type)
    except CellError as error:
        complaints.add_only(cell.line, f"values: {error}")
        return cell


def _check_names(columns: list[SheetColumn], names: SheetLine, complaints: Diagnostics) -> None:
    for column in columns:
        place = names.cell(column.at).line
        if not column.role and column.name not in OWN_COLUMNS:
            near = difflib.get_close_matches(column.name, OWN_COLUMNS, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            what = f"column '{column.name}' has neither '{WHEN}' nor '{THEN}' in the line '{COLUMNS}'{hint}"
            complaints.add(place, what)


def no_row_line(source: str) -> TableErrors:
    """Say that the line above the rows is missing."""
    return TableErrors([f"{source}: no line starts with '{ROW}': the line above the rows names the columns"])
