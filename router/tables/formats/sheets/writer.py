"""Write a table as lines of cells: the lines above its rows, a line for each row, and its saved tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.formats.entries import shortest_cell_text
from router.tables.formats.sheets.cells import output_list_text, output_text
from router.tables.formats.sheets.grid import (
    ACTIVE,
    COLUMNS,
    EXPECT,
    GIVEN,
    MAX,
    NOTE,
    ORDER,
    PATH,
    PERIOD,
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
    from collections.abc import Iterable, Sequence

    from router.tables.formats.document import TableDocument
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
    head = [(document.kind, table.id), *([("policy", str(table.policy))] if document.has_policy else [])]
    before, after = ((ORDER, ACTIVE), (MAX, PERIOD)) if document.extras else ((), ())
    return _sheet_content([*head, *_note(table)], table, (_row(row, document) for row in document.rows), before, after)


def _note(table: DecisionTable) -> list[TextLine]:
    return [(NOTE, table.note)] if table.note else []


def _sheet_content(
    head: Sequence[TextLine], table: DecisionTable, rows: Iterable[TextLine], before: TextLine, after: TextLine
) -> SheetContent:
    lines = [*head, (), *_column_lines(table, before, after)]
    names = len(lines)
    lines.append((ROW, *before, *_column_names(table), *after, NOTE))
    lines.extend(rows)
    if table.default is not None:
        blank = ("",) * (len(before) + len(table.inputs))
        lines.append((DEFAULT_ROW, *blank, *_outputs(table.default, table)))
    return SheetContent(table=tuple(lines), heading_line=names, tests=tuple(_tests(table)))


def _column_names(table: DecisionTable) -> TextLine:
    return (*(column.name for column in table.inputs), *(column.name for column in table.outputs))


def _column_lines(table: DecisionTable, before: TextLine, after: TextLine) -> list[TextLine]:
    own, ins, outs = ("",) * len(before), table.inputs, table.outputs
    end = ("",) * (len(after) + 1)
    allowed = [shortest_cell_text(column.allowed) if column.allowed else "" for column in ins]
    allowed += [output_list_text(column.allowed) for column in outs]
    return [
        (COLUMNS, *own, *(WHEN for _ in ins), *(THEN for _ in outs), *end),
        (PATH, *own, *(column.path or column.name for column in ins), *("" for _ in outs), *end),
        (TYPE, *own, *(column.type for column in ins), *(column.type for column in outs), *end),
        (VALUES, *own, *allowed, *end),
    ]


def _row(row: Row, document: TableDocument) -> TextLine:
    before, after = _extras(document.extra_data(row)) if document.extras else ((), ())
    return (row.id, *before, *_input_entries(row, document.table), *_outputs(row, document.table), *after, row.note)


def _extras(data: Mapping[str, object]) -> tuple[TextLine, TextLine]:
    limit = data.get("threshold")
    after = (str(limit["max"]), str(limit["period"])) if isinstance(limit, Mapping) else ("", "")
    return (str(data["order"]), "true" if data.get("active", True) else "false"), after


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
