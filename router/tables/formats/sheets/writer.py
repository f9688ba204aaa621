"""Write a table as lines of cells: the lines above its rows, a line for each row, and its saved tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.tables.formats.entries import bare_cell
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

Line = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetContent:
    """The lines of a table and of its saved tests. `heading_line` is the number of the line above the rows, from 0."""

    table: tuple[Line, ...]
    heading_line: int
    tests: tuple[Line, ...]


def write_sheets(document: TableDocument) -> SheetContent:
    """Return the lines of a table, which load as an equal table."""
    table = document.table
    head = [(document.kind, table.id), *([("policy", str(table.policy))] if document.has_policy else [])]
    before, after = ((ORDER, ACTIVE), (MAX, PERIOD)) if document.extras else ((), ())
    return _sheets([*head, *_note(table)], table, (_row(row, document) for row in document.rows), before, after)


def _note(table: DecisionTable) -> list[Line]:
    return [(NOTE, table.note)] if table.note else []


def _sheets(
    head: Sequence[Line], table: DecisionTable, rows: Iterable[Line], before: Line, after: Line
) -> SheetContent:
    lines = [*head, (), *_column_lines(table, before, after)]
    names = len(lines)
    lines.append((ROW, *before, *_names(table), *after, NOTE))
    lines.extend(rows)
    if table.default is not None:
        blank = ("",) * (len(before) + len(table.inputs))
        lines.append((DEFAULT_ROW, *blank, *_outputs(table.default, table)))
    return SheetContent(table=tuple(lines), heading_line=names, tests=tuple(_tests(table)))


def _names(table: DecisionTable) -> Line:
    return (*(column.name for column in table.inputs), *(column.name for column in table.outputs))


def _column_lines(table: DecisionTable, before: Line, after: Line) -> list[Line]:
    own, ins, outs = ("",) * len(before), table.inputs, table.outputs
    end = ("",) * (len(after) + 1)
    allowed = [bare_cell(column.allowed) if column.allowed else "" for column in ins]
    allowed += [output_list_text(column.allowed) for column in outs]
    return [
        (COLUMNS, *own, *(WHEN for _ in ins), *(THEN for _ in outs), *end),
        (PATH, *own, *(column.path or column.name for column in ins), *("" for _ in outs), *end),
        (TYPE, *own, *(column.type for column in ins), *(column.type for column in outs), *end),
        (VALUES, *own, *allowed, *end),
    ]


def _row(row: Row, document: TableDocument) -> Line:
    before, after = _extras(document.extra_data(row)) if document.extras else ((), ())
    return (row.id, *before, *_cells(row, document.table), *_outputs(row, document.table), *after, row.note)


def _extras(data: Mapping[str, object]) -> tuple[Line, Line]:
    limit = data.get("threshold")
    after = (str(limit["max"]), str(limit["period"])) if isinstance(limit, Mapping) else ("", "")
    return (str(data["order"]), "true" if data.get("active", True) else "false"), after


def _cells(row: Row, table: DecisionTable) -> Line:
    names = [column.name for column in table.inputs]
    written = zip(names, row.cells, strict=True)
    return tuple(bare_cell(cell, [other for other in names if other != name]) for name, cell in written)


def _outputs(row: Row, table: DecisionTable) -> Line:
    return tuple(output_text(row.outputs[column.name]) for column in table.outputs)


def _tests(table: DecisionTable) -> Iterable[Line]:
    if table.tests:
        yield (TEST, GIVEN, EXPECT, NOTE)
    for test in table.tests:
        yield (test.name, flow_yaml(test.given), flow_yaml(expectation_data(test)), test.note)
