"""Strategies for tables with every kind of cell, and for values near those that occur in the cells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from router.tables.feel.unary_test import Cell, CellError, Months, parse
from router.tables.hit_policy import HitPolicy
from router.tables.model import Input, Output, Row
from router.tables.table import DecisionTable

if TYPE_CHECKING:
    from collections.abc import Sequence


class DrawnMode(StrEnum):
    """A string enum, as events contain them."""

    A = "a"


# Cells and values are drawn from the same few values, so that they often match.
LITERALS: dict[str, tuple[str, ...]] = {
    "string": ('"a"', '"b"', '"ab"', '""', '"1"'),
    "number": ("-3", "0", "1", "1.0", "1.5", "7", "9007199254740993", "1" + "0" * 33),
    "boolean": ("true", "false"),
    "date": ('date("2026-03-12")', 'date("2026-03-13")', 'date("2026-05-01")', 'date("0001-01-01")'),
    "time": ('time("08:00:00")', 'time("09:30:00")', 'time("08:00:00Z")', 'time("09:00:00+01:00")'),
    "datetime": (
        'date and time("2026-03-12T00:00:00")',
        'date and time("2026-03-12T00:00:00Z")',
        'date and time("2026-03-12T01:00:00+01:00")',
        'date and time("2026-10-25T02:30:00@Europe/Paris")',
        'date and time("2026-10-25T00:30:00Z")',
    ),
    "days-duration": ('duration("P1D")', 'duration("PT36H")', 'duration("-PT1S")'),
    "months-duration": ('duration("P1Y")', 'duration("P13M")', 'duration("P14M")'),
}
UNORDERED = frozenset({"boolean"})
_PARIS = ZoneInfo("Europe/Paris")


def _moments(zone: tzinfo | None) -> list[datetime]:
    return [
        datetime(2026, 3, 12, 0, 0, tzinfo=zone),
        datetime(2026, 10, 25, 0, 30, tzinfo=zone),
        datetime(2026, 10, 25, 2, 30, tzinfo=zone),
        datetime(2026, 10, 25, 2, 30, tzinfo=zone, fold=1),
    ]


BOUNDARY_VALUES: dict[str, list[object]] = {
    "string": ["a", "b", "ab", "", "1", "aa", "B", DrawnMode.A],
    "number": [
        *(-4, -3, 0, 1, 2, 7, 8, 9007199254740992, 9007199254740993, 9007199254740994, 10**33, 10**400, -(10**400)),
        *(0.5, 1.0, 1.5, float("inf"), float("-inf"), float("nan"), 9007199254740992.0),
        *(Decimal("1.5"), Decimal("1.50"), Decimal("0.1"), Decimal("sNaN"), Decimal("1E+500"), Decimal("Infinity")),
    ],
    "boolean": [True, False],
    "date": [*(date(2026, 3, day) for day in (11, 12, 13, 14)), date(2026, 5, 1), date.min, date.max],
    "time": [
        *(time(7), time(8), time(8, 30), time(9, 30), time(23), time.min),
        *(time(8, tzinfo=timezone(timedelta(hours=hours))) for hours in (-1, 0, 1)),
        time(8, tzinfo=_PARIS),
    ],
    "datetime": [
        *_moments(None), *_moments(timezone(timedelta())), *_moments(timezone(timedelta(hours=1))), *_moments(_PARIS),
        datetime.min, datetime.max.replace(tzinfo=timezone(timedelta(hours=-14))),  # noqa: DTZ901 - the edges are the point
    ],
    "days-duration": [timedelta(days=1), timedelta(hours=36), timedelta(seconds=-1), timedelta(), timedelta.max],
    "months-duration": [Months(12), Months(13), Months(14), Months(0)],
}  # fmt: skip
ANY_VALUES = st.one_of(
    st.text(max_size=3),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.dates(),
    st.times(),
    st.datetimes(),
    st.timedeltas(),
)
UNUSUAL_VALUES: list[object] = [None, {"a": 1}, [[]], [["a"]], [None], [], object()]


def boundary_values(kinds: Sequence[str]) -> st.SearchStrategy[object]:
    """Draw a value of one of these types, mostly one that occurs in cells or its neighbour; or null, or a list."""
    single = st.sampled_from([*(value for kind in kinds for value in BOUNDARY_VALUES[kind]), None]) | ANY_VALUES
    return st.one_of(
        single,
        single,
        st.sampled_from(UNUSUAL_VALUES),
        st.lists(single, max_size=3),
        st.lists(st.lists(single, max_size=2), max_size=2),
    )


@st.composite
def cell_texts(draw: st.DrawFn, kinds: Sequence[str], names: Sequence[str] = ()) -> str:
    """Draw the text of a cell with literals of these types and names of other inputs."""
    if draw(st.integers(0, 3)) == 0:
        return "-"
    parts = draw(st.lists(_conditions(kinds, names), min_size=1, max_size=3))
    content = ", ".join(parts)
    return f"not({content})" if draw(st.integers(0, 3)) == 0 else content


@st.composite
def _conditions(draw: st.DrawFn, kinds: Sequence[str], names: Sequence[str]) -> str:
    kind = draw(st.sampled_from(kinds))
    sign = draw(st.sampled_from(["", "=", "!=", "<", "<=", ">", ">=", "..", "null"]))
    if sign == "null":
        return draw(st.sampled_from(["null", "!= null"]))
    operands = st.sampled_from(LITERALS[kind])
    if names and draw(st.integers(0, 9)) == 0:
        operands = st.sampled_from(names)
    if kind in UNORDERED and sign not in ("", "=", "!="):
        sign = ""
    if sign == "..":
        return f"{draw(st.sampled_from('[('))}{draw(operands)}..{draw(operands)}{draw(st.sampled_from('])'))}"
    return f"{sign} {draw(operands)}"


def _cell(text: str, column_type: str) -> Cell:
    try:
        return parse(text, column_type)
    except CellError:  # the interval is empty, or its ends are of two kinds
        return parse("-", column_type)


@dataclass(frozen=True, slots=True)
class DrawnSearch:
    """A table, and values for its inputs."""

    table: DecisionTable
    values: list[dict[str, object]]


@st.composite
def tables(draw: st.DrawFn, *, policies: Sequence[HitPolicy] = (HitPolicy.FIRST,), most_rows: int = 12) -> DrawnSearch:
    """Draw a table with values for its inputs. Its columns have a type, or mix two types."""
    width = draw(st.integers(1, 4))
    names = [f"in{number}" for number in range(width)]
    kinds = [draw(st.lists(st.sampled_from(sorted(LITERALS)), min_size=1, max_size=2)) for _ in names]
    types = [of_column[0] if len(set(of_column)) == 1 else "any" for of_column in kinds]
    rows = [
        Row(
            id=f"R{number}",
            cells=tuple(
                _cell(draw(cell_texts(of, names)), column_type) for of, column_type in zip(kinds, types, strict=True)
            ),
            outputs={"out": draw(st.integers(0, 2))},
        )
        for number in range(draw(st.integers(1, most_rows)))
    ]
    table = DecisionTable(
        id="drawn",
        version="1",
        inputs=tuple(Input(name=name, type=column_type) for name, column_type in zip(names, types, strict=True)),
        outputs=(Output(name="out", type="number"),),
        policy=draw(st.sampled_from(policies)),
        rows=tuple(rows),
    )
    tried = st.fixed_dictionaries({name: boundary_values(of) for name, of in zip(names, kinds, strict=True)})
    return DrawnSearch(table, draw(st.lists(tried, min_size=1, max_size=8)))


_WORDS = ("a", "b", "ab", "")
_WORD_CELLS = st.lists(st.sampled_from(_WORDS), max_size=2).map(
    lambda words: ", ".join(f'"{word}"' for word in words) or "-"
)
_GIVEN_WORDS = st.sampled_from([*_WORDS, *_WORDS, DrawnMode.A, None, 1, ["a"], ("a", "b"), "a\0b", "\0", "b\0"])


@st.composite
def tables_of_words(draw: st.DrawFn) -> DrawnSearch:
    """Draw a table that compares only strings, and values that are mostly strings."""
    names = [f"in{number}" for number in range(draw(st.integers(2, 5)))]
    rows = draw(st.lists(st.tuples(*[_WORD_CELLS] * len(names)), min_size=1, max_size=12))
    table = DecisionTable(
        id="words",
        version="1",
        inputs=tuple(Input(name=name, type="string") for name in names),
        outputs=(Output(name="out", type="number"),),
        rows=tuple(
            Row(id=f"R{number}", cells=tuple(_cell(text, "string") for text in cells), outputs={"out": number})
            for number, cells in enumerate(rows)
        ),
    )
    return DrawnSearch(
        table, draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, _GIVEN_WORDS)), min_size=1, max_size=8))
    )
