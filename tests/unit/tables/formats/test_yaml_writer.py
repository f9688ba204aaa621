"""A table that is written as YAML loads as the same table, whatever strings it contains."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.selection.fact_model import RUN_FACTS
from router.selection.load import document_of, load_any
from router.selection.outbound_policy import OutboundPolicy
from router.selection.selector_file import load_selector
from router.tables.diagnostics import TableErrors
from router.tables.feel.literals import read_date, read_datetime, read_duration, read_time
from router.tables.feel.unary_test import Months, parse
from router.tables.feel.values import canonical
from router.tables.feel.writer import value_text
from router.tables.formats.entries import shortest_cell_text
from router.tables.formats.loader import load_table
from router.tables.formats.yaml_writer import flow_yaml, write_yaml
from tests.builders.decision_tables import a_file, a_row
from tests.generators.decision_tables import moments, selectors, tables, texts, without_version

if TYPE_CHECKING:
    from router.selection.spoke_selector import SpokeSelector
    from router.tables.table import DecisionTable

SHIPPED = sorted((Path(__file__).parents[4] / "southbound/defaults/tables").glob("*.yaml"))


@settings(deadline=None)
@given(table=tables())
def test_a_table_reads_back_as_itself(table: DecisionTable) -> None:
    assert without_version(load_table(write_yaml(document_of(table)), "t.yaml", RUN_FACTS)) == table


@settings(deadline=None)
@given(selector=selectors())
def test_a_selector_reads_back_as_itself(selector: SpokeSelector) -> None:
    assert without_version(load_selector(write_yaml(document_of(selector)), "s.yaml")) == selector


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_table_reads_back_as_itself(path: Path) -> None:
    loaded = load_any(path.read_text(encoding="utf-8"), path.name)
    again = load_any(write_yaml(document_of(loaded)), path.name)
    assert write_yaml(document_of(again)) == write_yaml(document_of(loaded))
    inner, inner_again = (one.table if isinstance(one, OutboundPolicy) else one for one in (loaded, again))
    assert without_version(inner) == without_version(inner_again)


def test_a_row_is_one_line_as_an_operator_would_write_it() -> None:
    row = a_row("R10", 'spec: "fibre-line, not in use", priority: 5, speed: "[100..1000)"')
    lines = write_yaml(document_of(load_table(a_file([row], more="note: Ours.\n"), "t.yaml", RUN_FACTS))).splitlines()
    assert lines[:6] == [
        "table: a-table",
        "policy: first",
        "note: Ours.",
        "inputs:",
        "  - {name: spec, path: test_specification.id, type: string}",
        "  - {name: mode, path: mode, type: string, values: [ONDEMAND, PROACTIVE]}",
    ]
    assert lines[-1] == (
        '  - {id: R10, when: {spec: "fibre-line, not in use", priority: 5, speed: "[100..1000)"},'
        " then: {hierarchical: true, payload: per-run}}"
    )


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ('"created", "in progress"', "created, in progress"),
        ('not("a")', "not(a)"),
        ('!= "a"', "!= a"),
        ('"a, b", "c"', '"a, b", c'),
        ('"mode", mode', '"mode", mode'),
        ('"null"', '"null"'),
        ("null", "null"),
        ('"true"', "true"),
        ('"true", "b"', '"true", b'),
        ('"-"', '"-"'),
        ('" a"', '" a"'),
    ],
)
def test_quotes_stand_only_where_a_cell_would_mean_something_else_without(cell: str, written: str) -> None:
    assert shortest_cell_text(parse(cell, "string", {"mode": "string"}), ["mode"]) == written


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (Decimal("0.10"), "0.10"),
        (date(2026, 3, 12), "2026-03-12"),
        (time(8, 30), "08:30:00"),
        (datetime(2026, 3, 12, 8, 30, tzinfo=UTC), "2026-03-12T08:30:00+00:00"),
        (datetime(2026, 3, 12, 8, 30, tzinfo=ZoneInfo("Europe/Paris")), "2026-03-12T08:30:00+01:00"),
        (timedelta(0), "P0D"),
        (timedelta(days=1, hours=2, minutes=3, seconds=4.5), "P1DT2H3M4.5S"),
        (timedelta(seconds=-30), "-PT30S"),
        (Months(0), "P0M"),
        (Months(-14), "-P1Y2M"),
        (Months(24), "P2Y"),
    ],
)
def test_a_value_is_written_as_its_column_reads_it(value: object, text: str) -> None:
    assert value_text(value) == text


@given(value=st.dates() | st.times() | moments | st.timedeltas() | st.integers(-(10**6), 10**6).map(Months))
def test_dates_times_and_durations_read_back_as_themselves(value: object) -> None:
    readers = {date: read_date, time: read_time, datetime: read_datetime}
    assert readers.get(type(value), read_duration)(value_text(value)) == canonical(value)


@given(word=texts | st.text())
def test_any_name_and_note_reads_back_as_itself(word: str) -> None:
    from ruamel.yaml import YAML  # noqa: PLC0415 - as the reader of tables reads

    assert YAML(typ="safe", pure=True).load(f"a: {flow_yaml({'k': word, word: [word]})}")["a"][word] == [word]


def test_what_is_no_plain_data_is_not_written_as_if_it_were() -> None:
    with pytest.raises(TypeError, match="cannot be written as YAML"):
        flow_yaml(object())


def test_a_character_that_json_escapes_in_two_halves_is_one() -> None:
    table = load_table(a_file([a_row("R1", 'spec: "\\ud83d\\ude00"')]), "t", RUN_FACTS)
    assert table.rows[0].cells[0].matches("\U0001f600")


def test_half_a_character_is_refused_with_its_line() -> None:
    with pytest.raises(TableErrors, match=r"t:\d+: half a character stands here"):
        load_table(a_file([a_row("R1", 'spec: "\\ud83d"')]), "t", RUN_FACTS)
