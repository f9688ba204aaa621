"""Write a table as lines of cells: the lines above its rows, a line for each row, and its saved tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.formats.entries import shortest_cell_text
from router.tables.formats.sheets.cells import output_list_text, output_text
from router.tables.formats.sheets.grid import (
    COLUMNS,
    EXPECT,
    GIVEN,
    NOTE,
    PATH,
    ROW,
    TEST,
    THEN,
    TYPE,
    VALUES,
    WHEN,
)
from router.tables.formats.yaml_writer import expectation_data, flow_yaml
from router.tables.model import DEFAULT_ROW

if TYPE_CHECKING:
    from collections.abc import Iterable

    from router.tables.formats.document import ExtraColumn, TableDocument
    from router.tables.model import Row
    from router.tables.table import DecisionTable

TextLine = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetContent:
    """The lines of a table and of its saved tests. `heading_line` is the number of the line above the rows, from 0."""

    table: tuple[TextLine, ...]
    heading_line: int
    tests: tuple[TextLine, ...]


def write_sheets(document: TableDocument) -> SheetContent:
    """Return the lines of a table, which load as an equal table."""
    table = document.table
    header = [(document.kind, table.id), *([("policy", str(table.policy))] if document.has_policy else [])]
    if table.note:
        header.append((NOTE, table.note))
    before, after = _extra_headings(document)
    lines = [*header, (), *_column_lines(table, len(before), len(after))]
    heading_line = len(lines)
    lines.append((ROW, *before, *_column_names(table), *after, NOTE))
    lines.extend(_row(row, document) for row in document.rows)
    if table.default is not None:
        blank_cells = ("",) * (len(before) + len(table.inputs))
        lines.append((DEFAULT_ROW, *blank_cells, *_outputs(table.default, table)))
    return SheetContent(table=tuple(lines), heading_line=heading_line, tests=tuple(_tests(table)))


def _extra_headings(document: TableDocument) -> tuple[TextLine, TextLine]:
    """Return the headings of the extra columns before the inputs, and of those after the outputs."""
    columns = document.extra_columns
    before = tuple(column.heading for column in columns if column.is_before_inputs)
    return before, tuple(column.heading for column in columns if not column.is_before_inputs)


def _column_names(table: DecisionTable) -> TextLine:
    return (*(column.name for column in table.inputs), *(column.name for column in table.outputs))


def _column_lines(table: DecisionTable, before: int, after: int) -> list[TextLine]:
    """Return the lines that define the columns, with `before` and `after` extra columns around them."""
    start, end = ("",) * before, ("",) * (after + 1)
    inputs, outputs = table.inputs, table.outputs
    allowed = [shortest_cell_text(column.allowed) if column.allowed else "" for column in inputs]
    allowed += [output_list_text(column.allowed) for column in outputs]
    return [
        (COLUMNS, *start, *(WHEN for _ in inputs), *(THEN for _ in outputs), *end),
        (PATH, *start, *(column.path or column.name for column in inputs), *("" for _ in outputs), *end),
        (TYPE, *start, *(column.type for column in inputs), *(column.type for column in outputs), *end),
        (VALUES, *start, *allowed, *end),
    ]


def _row(row: Row, document: TableDocument) -> TextLine:
    data, table = document.extra_data(row), document.table
    before = [_extra_text(column, data) for column in document.extra_columns if column.is_before_inputs]
    after = [_extra_text(column, data) for column in document.extra_columns if not column.is_before_inputs]
    return (row.id, *before, *_input_entries(row, table), *_outputs(row, table), *after, row.note)


def _extra_text(column: ExtraColumn, data: Mapping[str, object]) -> str:
    value: object = data
    for key in column.path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None:
        return column.default
    return str(value).lower() if isinstance(value, bool) else str(value)


def _input_entries(row: Row, table: DecisionTable) -> TextLine:
    names = [column.name for column in table.inputs]
    cells = zip(names, row.cells, strict=True)
    return tuple(shortest_cell_text(cell, [other for other in names if other != name]) for name, cell in cells)


def _outputs(row: Row, table: DecisionTable) -> TextLine:
    return tuple(output_text(row.outputs[column.name]) for column in table.outputs)


def _tests(table: DecisionTable) -> Iterable[TextLine]:
    if table.tests:
        yield (TEST, GIVEN, EXPECT, NOTE)
    for test in table.tests:
        yield (test.name, flow_yaml(test.given), flow_yaml(expectation_data(test)), test.note)
