"""A table that is written as DMN loads as the same table."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.tables.feel.literals import read_string
from router.tables.feel.unary_test import Cell, Months, parse
from router.tables.feel.values import TYPES, are_equal, canonical
from router.tables.feel.writer import literal_text, unary_test_text
from router.tables.formats.dmn import model as dmn
from router.tables.formats.dmn.rules import read_output_entry
from router.tables.hit_policy import HitPolicy, hit_policy_problems
from router.tables.model import DEFAULT_ROW, Input, Output, Row
from router.tables.table import DecisionTable
from tests.builders.decision_tables import a_row, a_table

if TYPE_CHECKING:
    from collections.abc import Callable

ZONES = st.none() | st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
NUMBERS = (
    st.integers(-(10**33), 10**33) | st.decimals(-1000, 1000, places=3) | st.sampled_from([0, 1, 5, Decimal("1E-9")])
)
WORDS = st.text(max_size=6) | st.sampled_from(
    ["a", "", "-", "null", "5", 'say "hi"', "back\\slash", "<&>", "\r\n\t", "\ud83d"]
)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "string": WORDS,
    "number": NUMBERS,
    "boolean": st.booleans(),
    "date": st.dates(),
    "time": st.times(timezones=ZONES),
    "datetime": st.datetimes(timezones=ZONES),
    "days-duration": st.timedeltas(),
    "months-duration": st.integers(-5000, 5000).map(Months),
}
VALUES["any"] = st.one_of(*VALUES.values())
NAMES = ["x", "order size", "order", "a.b", "credit-score", "größe", "x's", "in"]
INPUTS = st.fixed_dictionaries(
    {name: st.none() | VALUES["any"] | st.lists(VALUES["any"], max_size=2) for name in NAMES}
)


@given(value=VALUES["any"] | st.none())
def test_a_value_reads_back_from_its_literal(value: object) -> None:
    assert are_equal(read_output_entry(literal_text(value), "any"), canonical(value))


def test_a_lone_half_of_a_character_stays_one() -> None:
    assert literal_text("\ud83d") == '"\\ud83d"'
    assert read_string('"\\ud83d"') == "\ud83d"
    assert read_string('"\\ud83d\\ude00"') == "😀"


def test_a_moment_of_a_named_zone_is_written_with_its_offset() -> None:
    moment = datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Paris"))
    assert literal_text(moment) == 'date and time("2026-07-01T12:00:00+02:00")'


def test_what_no_table_can_hold_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="cannot be written as a literal"):
        literal_text(object())


@st.composite
def cells(draw: st.DrawFn, kind: str, others: dict[str, str]) -> Cell:
    """Draw a cell of a type, as its text."""
    name = st.sampled_from(sorted(name for name, of in others.items() if "any" in (of, kind) or of == kind) or ["null"])
    operand = VALUES[kind].map(literal_text) | name
    equal = st.builds("{}{}".format, st.sampled_from(["", "= ", "!= "]), operand | st.just("null"))
    ordered = st.builds("{} {}".format, st.sampled_from(["<", "<=", ">", ">="]), operand)
    interval = st.builds("{}{}..{}{}".format, st.sampled_from("[(]"), operand, name, st.sampled_from("])["))
    tests = st.lists(equal | ordered | interval if kind not in ("boolean", "any") else equal, min_size=1, max_size=3)
    text = draw(tests.map(", ".join) | tests.map(", ".join).map("not({})".format) | st.just("-"))
    try:
        return parse(text, kind, others)
    except ValueError:  # `< null`, if no other input has the type
        return parse("-", kind)


@st.composite
def tables(draw: st.DrawFn) -> DecisionTable:
    """Draw a whole table. Its columns and rows need not make sense."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    types = {name: draw(st.sampled_from(list(TYPES))) for name in names}
    outputs = draw_outputs(draw)
    rows = [draw_row(draw, place, types, outputs) for place in range(draw(st.integers(0, 4)))]
    defaults = {column.name: draw(st.none() | result(column)) for column in outputs}
    paths = {"date": "a.path", "string": "characteristic[x y]"}
    table = DecisionTable(
        id="a-table",
        version="1",
        note=draw(st.sampled_from(["", "What it is for."])),
        inputs=tuple(Input(name=name, type=kind, path=paths.get(kind, name)) for name, kind in types.items()),
        outputs=outputs,
        policy=draw(st.sampled_from(HitPolicy)),
        rows=tuple(rows),
        default=draw(st.none() | st.just(Row(id=DEFAULT_ROW, outputs=defaults))),
    )  # fmt: skip
    return table if not list(hit_policy_problems(table.policy, table.outputs, table.rows)) else DecisionTable(
        id="a-table", version="1", inputs=table.inputs, outputs=outputs, rows=table.rows, default=table.default
    )  # fmt: skip


def draw_outputs(draw: Callable[[st.SearchStrategy[object]], object]) -> tuple[Output, ...]:
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=2))
    assert isinstance(kinds, list)
    listed = [draw(st.just([]) | st.lists(VALUES[kind].map(canonical), min_size=1, max_size=3)) for kind in kinds]
    return tuple(
        Output(name=f"out {place}", type=kind, allowed=tuple(values) if isinstance(values, list) else ())
        for place, (kind, values) in enumerate(zip(kinds, listed, strict=True))
    )


def result(column: Output) -> st.SearchStrategy[object]:
    return st.sampled_from(column.allowed) if column.allowed else VALUES[column.type].map(canonical)


def draw_row(draw: st.DrawFn, place: int, types: dict[str, str], outputs: tuple[Output, ...]) -> Row:
    return Row(
        id=f"{draw(st.sampled_from(['R', '', 'rule-']))}{place}",
        cells=tuple([draw(cells(kind, {n: k for n, k in types.items() if n != name})) for name, kind in types.items()]),
        outputs={column.name: draw(result(column)) for column in outputs},
        note=draw(st.sampled_from(["", "a note", "<&>", "ein Satz."])),
    )


def round_trip(table: DecisionTable) -> DecisionTable:
    (again,) = dmn.read_model(dmn.write_model(table).encode(), "again.dmn").values()
    return again


@settings(deadline=None, max_examples=60)
@given(table=tables())
def test_columns_rows_and_policy_come_back(table: DecisionTable) -> None:
    again = round_trip(table)
    assert (again.id, again.note, again.policy) == (table.id, table.note, table.policy)
    assert (again.inputs, again.outputs) == (table.inputs, table.outputs)
    assert [(row.id, row.note, dict(row.outputs)) for row in again.rows] == [
        (row.id, row.note, dict(row.outputs)) for row in table.rows
    ]
    assert [[unary_test_text(cell) for cell in row.cells] for row in again.rows] == [
        [unary_test_text(cell) for cell in row.cells] for row in table.rows
    ]
    assert (again.default and dict(again.default.outputs)) == (table.default and dict(table.default.outputs))


@settings(deadline=None, max_examples=60)
@given(table=tables(), inputs=st.lists(INPUTS, min_size=1, max_size=5))
def test_it_decides_the_same(table: DecisionTable, inputs: list[dict[str, object]]) -> None:
    again = round_trip(table)
    assert [again.evaluate(values) for values in inputs] == [table.evaluate(values) for values in inputs]


def test_a_table_of_an_operator_keeps_its_paths_and_its_row_ids() -> None:
    table = a_table([a_row("10", "spec: fibre-line, speed: '[100..1000)'"), a_row("R11", "mode: ONDEMAND")])
    again = round_trip(table)
    assert [column.path for column in again.inputs] == [column.path for column in table.inputs]
    assert [row.id for row in again.rows] == ["10", "R11"]
    assert again.inputs[1].allowed is not None
    assert unary_test_text(again.inputs[1].allowed) == '"ONDEMAND", "PROACTIVE"'


def test_a_note_with_a_sign_that_xml_cannot_carry_is_written_without_it() -> None:
    row = Row(id="R1", outputs={"y": 1}, note="a\x00b")
    table = DecisionTable(id="t", version="1", inputs=(), outputs=(Output(name="y", type="number"),), rows=(row,))
    assert round_trip(table).rows[0].note == "a\ufffdb"


def test_an_export_names_the_newest_version_of_dmn_and_its_inputs() -> None:
    text = dmn.write_model(a_table([a_row("R1", "spec: a")]))
    assert text.startswith(
        "<?xml version='1.0' encoding='UTF-8'?>\n<definitions xmlns=\"https://www.omg.org/spec/DMN/20230324/"
    )
    assert '<inputData id="data-1" name="spec">' in text
    assert text.count("<requiredInput") == 5
    assert dmn.write_model(a_table([a_row("R1", "spec: a")])) == text


def test_a_date_column_is_a_date_again() -> None:
    cell = parse('[date("2026-01-01")..date("2026-12-31")]', "date")
    table = DecisionTable(
        id="t",
        version="1",
        inputs=(Input(name="d", type="date"),),
        outputs=(Output(name="t", type="time"),),
        rows=(Row(id="R1", cells=(cell,), outputs={"t": time(8)}),),
    )
    assert round_trip(table).evaluate({"d": date(2026, 5, 5)}) == time(8)
