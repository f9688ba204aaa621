"""Read the lines of a sheet as the tree of the same table in YAML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.diagnostics import Diagnostics, check_row_count
from router.tables.formats.loader import TableTree
from router.tables.formats.sheets.columns import missing_row_line, read_columns
from router.tables.formats.sheets.grid import (
    COLUMN_LINES,
    COLUMNS,
    GIVEN,
    NOTE,
    ROW,
    TEST,
    THEN,
    TYPE,
    WHEN,
    column_of,
    without_reasons_column,
)
from router.tables.formats.sheets.rows import SheetRowReader
from router.tables.formats.sheets.tests import read_sheet_tests
from router.tables.model import DEFAULT_ROW
from schemas.counts import count_noun
from schemas.files.located_tree import Block, Listing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.tables.formats.sheets.columns import SheetColumn
    from router.tables.formats.sheets.grid import SheetExtras, SheetLine, Sheets
    from schemas.files.located_tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class _SheetSections:
    """The sections of a sheet: the lines above the rows, the headings, the rows and the saved tests."""

    header: dict[str, SheetLine]
    headings: SheetLine
    rows: tuple[SheetLine, ...]
    tests: tuple[SheetLine, ...]


def table_tree_from_sheets(sheets: Sheets, extras: SheetExtras) -> TableTree:
    """Read a table from lines of cells.

    Raises:
        TableErrors: the lines do not have the structure of a table.
    """
    diagnostics = Diagnostics(sheets.places)
    sections = _split_sections(sheets, diagnostics)
    for place, reason in sheets.unreadable:
        diagnostics.add_unreadable(place, f"{_location(place, sections)}{reason}")
    columns = read_columns(sections.header, sections.headings, sheets, diagnostics, extras.columns)
    _report_hidden(sheets, sections, columns, diagnostics)
    reader = SheetRowReader(columns, extras.columns, diagnostics, decimal_comma=sheets.decimal_comma)
    return TableTree(_tree(sections, columns, reader, extras, diagnostics), "", diagnostics)


def _split_sections(sheets: Sheets, diagnostics: Diagnostics) -> _SheetSections:
    lines = without_reasons_column(sheets.lines)
    starts = [at for at, line in enumerate(lines) if line.first_text == ROW]
    if not starts:
        raise missing_row_line(sheets.source)
    tests = next((at for at in range(starts[0], len(lines)) if _starts_tests(lines, at)), len(lines))
    rows = tuple(line for line in lines[starts[0] + 1 : tests] if not line.is_empty)
    check_row_count(len(rows), sheets.places.full_name(lines[starts[0]].place))
    return _SheetSections(
        header=_read_header(lines[: starts[0]], diagnostics),
        headings=lines[starts[0]],
        rows=rows,
        tests=tuple(line for line in lines[tests:] if not line.is_empty),
    )


def _starts_tests(lines: Sequence[SheetLine], index: int) -> bool:
    """Return whether the tests start here.

    On a sheet of their own or after an empty line, as a row may have the id `test`.
    """
    line, before = lines[index], lines[index - 1]
    is_heading = line.first_text == TEST and line.cell(1).text.strip() == GIVEN
    return is_heading and (before.is_empty or before.sheet != line.sheet)


def _report_hidden(
    sheets: Sheets, sections: _SheetSections, columns: Sequence[SheetColumn], diagnostics: Diagnostics
) -> None:
    """Report lines and columns that decide and are not shown: who reads the sheet would not know of them."""
    lines = [line for key, line in sections.header.items() if key != NOTE] + [sections.headings, *sections.rows]
    hidden = [line for line in lines if line.place in sheets.hidden_lines]
    if hidden:
        as_do = ", as does " if len(hidden) == 2 else ", as do "  # noqa: PLR2004 - one other
        others = as_do + count_noun(len(hidden) - 1, "other hidden row") if hidden[1:] else ""
        diagnostics.add(
            hidden[0].place,
            f"the row is hidden, and decides all the same{others}: show all rows (a filter hides some, too), or delete "
            "what must not decide",
        )
    for column in columns:
        if column.index in sheets.hidden_columns and column.name != NOTE:
            diagnostics.add(
                sections.headings.cell(column.index).line,
                f"column '{column.name}' is hidden, and decides all the same: show the column, or delete it",
            )


def _location(place: int, sections: _SheetSections) -> str:
    """Return the row and column of a cell, as the start of a sentence; empty outside of the rows."""
    column = column_of(place)
    line = next((line for line in sections.rows if line.place == place - column), None)
    if line is None or not column:
        return ""
    kind = (
        "output"
        if COLUMNS in sections.header and sections.header[COLUMNS].cell(column).text.strip() == THEN
        else "column"
    )
    return f"row {line.first_text}, {kind} '{sections.headings.cell(column).text.strip()}': "


def _read_header(lines: Iterable[SheetLine], diagnostics: Diagnostics) -> dict[str, SheetLine]:
    header: dict[str, SheetLine] = {}
    for line in lines:
        if line.first_text in header:
            diagnostics.add(line.place, f"'{line.first_text}' appears twice")
        elif line.first_text:
            header[line.first_text] = line
        elif not line.is_empty:
            diagnostics.add(
                line.place, f"the first cell is empty; it defines what the line is, such as '{TYPE}' or '{NOTE}'"
            )
    return header


def _tree(
    sections: _SheetSections,
    columns: list[SheetColumn],
    reader: SheetRowReader,
    extras: SheetExtras,
    diagnostics: Diagnostics,
) -> Block:
    entries: dict[str, Tree] = {}
    for key, line in sections.header.items():
        if key not in COLUMN_LINES:
            entries[key] = line.cell(1)
            reader.report_unknown_cells(line, {0, 1})
    top = sections.headings.place
    entries["inputs"] = Listing(tuple(c.definition for c in columns if c.role == WHEN), top)
    if not any(kind in entries for kind in extras.kinds_with_fixed_outputs):
        entries["outputs"] = Listing(tuple(c.definition for c in columns if c.role == THEN), top)
    entries["rows"] = Listing(
        tuple(reader.read_row(line) for line in sections.rows if line.first_text != DEFAULT_ROW), top
    )
    for line in sections.rows:
        if line.first_text == DEFAULT_ROW:
            reader.add_default(line, entries)
    if sections.tests:
        entries["tests"] = read_sheet_tests(sections.tests, diagnostics)
    return Block(
        entries, {key: _line_of(key, tree, sections) for key, tree in entries.items()}, sections.headings.place
    )


def _line_of(key: str, tree: Tree, sections: _SheetSections) -> int:
    return sections.header[key].cell(1).line if key in sections.header else tree.line
