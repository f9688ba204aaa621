"""Take a table apart into things with named parts, each as the text that an operator would write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from router.cell_writing import bare_cell
from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import Selector
from router.value_writing import value_text
from router.yaml_writing import in_one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.selection.load import Loaded
    from router.tables.feel.unary_test import Cell
    from router.tables.table import DecisionTable, Input, Output, Row
    from router.tables.test_cases import SavedTest

Kind = Literal["table", "input", "output", "row", "default", "test"]
Part = tuple[str, str]  # what it is, and in which column


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A column, a row, a test … with its parts. Equal things are written equally."""

    kind: Kind
    name: str
    parts: Mapping[Part, str]

    @property
    def key(self) -> tuple[Kind, str]:
        """What makes it the same thing in another version."""
        return self.kind, self.name


def parts_of(loaded: Loaded) -> list[Thing]:
    """Take a table apart, in its own order."""
    if isinstance(loaded, Selector):
        return list(_things(loaded.table, _definitions(loaded)))
    table = loaded.table if isinstance(loaded, OutboundPolicy) else loaded
    return list(_things(table, (_row(row, table) for row in table.rows)))


def _things(table: DecisionTable, rows: Iterator[Thing]) -> Iterator[Thing]:
    about = {("policy", ""): str(table.policy), **_if_said("note", table.note)}
    yield Thing(kind="table", name=table.id, parts=about)
    yield from map(_input, table.inputs)
    yield from map(_output, table.outputs)
    yield from rows
    if table.default is not None:
        yield Thing(kind="default", name="", parts=_results(table.default))
    yield from map(_test, table.tests)


def _definitions(selector: Selector) -> Iterator[Thing]:
    rows = (*selector.table.rows, *selector.inactive)
    inactive = {row.id for row in selector.inactive}
    for row in sorted(rows, key=lambda row: selector.orders[row.id]):
        thing = _row(row, selector.table)
        threshold = selector.thresholds.get(row.id)
        limit = f"{threshold.max} per {value_text(threshold.period)}" if threshold else ""
        switch = {("switched", ""): "off" if row.id in inactive else "on"}
        order = {("order", ""): str(selector.orders[row.id])}
        yield Thing(kind="row", name=row.id, parts={**order, **switch, **thing.parts, **_if_said("threshold", limit)})


def _input(column: Input) -> Thing:
    about = {("path", ""): column.path or column.name, ("type", ""): column.type}
    values = bare_cell(column.allowed) if column.allowed else ""
    return Thing(kind="input", name=column.name, parts={**about, **_if_said("values", values)})


def _output(column: Output) -> Thing:
    values = ", ".join(map(value_text, column.allowed))
    return Thing(kind="output", name=column.name, parts={("type", ""): column.type, **_if_said("values", values)})


def _row(row: Row, table: DecisionTable) -> Thing:
    cells = zip(table.inputs, row.cells, strict=True)
    written = {("cell", column.name): _cell(cell, column, table) for column, cell in cells if not cell.is_any}
    return Thing(kind="row", name=row.id, parts={**written, **_results(row), **_if_said("note", row.note)})


def _cell(cell: Cell, column: Input, table: DecisionTable) -> str:
    return bare_cell(cell, [other.name for other in table.inputs if other is not column])


def _results(row: Row) -> dict[Part, str]:
    return {("output", name): _value(value) for name, value in row.outputs.items()}


def _test(test: SavedTest) -> Thing:
    row = _if_said("expected row", test.row or "")
    expected = {("expected", name): _value(value) for name, value in test.outputs.items()}
    given = {("given", ""): in_one_line(test.given)}
    return Thing(kind="test", name=test.name, parts={**given, **row, **expected, **_if_said("note", test.note)})


def _value(value: object) -> str:
    return "null" if value is None else value_text(value)


def _if_said(what: str, text: str) -> dict[Part, str]:
    return {(what, ""): text} if text else {}
