"""Write a table as lines of cells: its head, a line for each row, and its saved tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import Selector
from router.tables.feel.writer import value_text
from router.tables.formats.entries import bare_cell
from router.tables.formats.sheets.cells import bare_result, bare_results
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
from router.tables.formats.yaml_writer import expected_of, in_one_line, rows_by_order
from router.tables.table import DEFAULT_ROW

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from router.tables.formats.yaml_writer import Writable
    from router.tables.table import DecisionTable, Row

Line = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSheets:
    """The lines of a table; `names` is the number of the line above its rows. No `tests`: there are none."""

    table: tuple[Line, ...]
    names: int
    tests: tuple[Line, ...]


def write_sheets(table: Writable) -> WrittenSheets:
    """Write a table in full; what is written loads as an equal table."""
    match table:
        case OutboundPolicy():
            return write_sheets(table.table)
        case Selector():
            head = [("selector", table.table.id), *_note(table.table)]
            return _sheets(head, table.table, _definitions(table), (ORDER, ACTIVE), (MAX, PERIOD))
        case _:
            head = [("table", table.id), ("policy", str(table.policy)), *_note(table)]
            return _sheets(head, table, (_row(row, table) for row in table.rows), (), ())


def _note(table: DecisionTable) -> list[Line]:
    return [(NOTE, table.note)] if table.note else []


def _sheets(
    head: Sequence[Line], table: DecisionTable, rows: Iterable[Line], before: Line, after: Line
) -> WrittenSheets:
    lines = [*head, (), *_about_columns(table, before, after)]
    names = len(lines)
    lines.append((ROW, *before, *_names(table), *after, NOTE))
    lines.extend(rows)
    if table.default is not None:
        blank = ("",) * (len(before) + len(table.inputs))
        lines.append((DEFAULT_ROW, *blank, *_results(table.default, table)))
    return WrittenSheets(table=tuple(lines), names=names, tests=tuple(_tests(table)))


def _names(table: DecisionTable) -> Line:
    return (*(column.name for column in table.inputs), *(column.name for column in table.outputs))


def _about_columns(table: DecisionTable, before: Line, after: Line) -> list[Line]:
    own, ins, outs = ("",) * len(before), table.inputs, table.outputs
    end = ("",) * (len(after) + 1)
    allowed = [bare_cell(column.allowed) if column.allowed else "" for column in ins]
    allowed += [bare_results(column.allowed) for column in outs]
    return [
        (COLUMNS, *own, *(WHEN for _ in ins), *(THEN for _ in outs), *end),
        (PATH, *own, *(column.path or column.name for column in ins), *("" for _ in outs), *end),
        (TYPE, *own, *(column.type for column in ins), *(column.type for column in outs), *end),
        (VALUES, *own, *allowed, *end),
    ]


def _row(row: Row, table: DecisionTable, before: Line = (), after: Line = ()) -> Line:
    return (row.id, *before, *_cells(row, table), *_results(row, table), *after, row.note)


def _definitions(selector: Selector) -> Iterable[Line]:
    inactive = {row.id for row in selector.inactive}
    for row in rows_by_order(selector):
        limit = selector.thresholds.get(row.id)
        before = (str(selector.orders[row.id]), "false" if row.id in inactive else "true")
        after = (str(limit.max), value_text(limit.period)) if limit else ("", "")
        yield _row(row, selector.table, before, after)


def _cells(row: Row, table: DecisionTable) -> Line:
    names = [column.name for column in table.inputs]
    written = zip(names, row.cells, strict=True)
    return tuple(bare_cell(cell, [other for other in names if other != name]) for name, cell in written)


def _results(row: Row, table: DecisionTable) -> Line:
    return tuple(bare_result(row.outputs[column.name]) for column in table.outputs)


def _tests(table: DecisionTable) -> Iterable[Line]:
    if table.tests:
        yield (TEST, GIVEN, EXPECT, NOTE)
    for test in table.tests:
        yield (test.name, in_one_line(test.given), in_one_line(expected_of(test)), test.note)
