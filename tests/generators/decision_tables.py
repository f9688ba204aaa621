"""Strategies for decision tables and selectors of every kind, with words that file formats may read as another type."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from router.selection.partial_facts import facts_from_example
from router.selection.spoke_selector import SpokeSelector, Threshold, decide_selector
from router.tables.decision import Decision, decide
from router.tables.feel.literals import quote
from router.tables.feel.unary_test import Cell, Months, parse
from router.tables.feel.values import with_fixed_offset
from router.tables.feel.writer import value_text
from router.tables.hit_policy import HitPolicy, hit_policy_problems
from router.tables.model import DEFAULT_ROW, NO_ROW, Input, Output, Row, SavedTest
from router.tables.table import DecisionTable

AMBIGUOUS_TEXTS = [
    "true", "null", "007", "1-2", "=x", "+1", "-", "--", "@x", "'", "'=x", '"', '""', "a, b", "not(a)", "[1..5]",
    "in progress", "größe", "12.5", "1e5", "no", "~", " a", "a ", "two\nlines", "tab\there", "# x", "a: b", "{a}",
    "*a", "&a", "back\\slash", '\\"', "a;b", "2026-03-12", "08:30", "TRUE", "naïve 漢字 🙂", "_x0041_",
    "<b>&amp;</b>", "date", "row", "priority", "0x10",
]  # fmt: skip
NAMES = ["spec", "priority", "in progress", "größe", "a-b", "date of order", "x/y"]
characters = st.characters(codec="utf-8", exclude_characters="\0")  # no run document accepts NUL
texts = st.sampled_from(AMBIGUOUS_TEXTS) | st.sampled_from(NAMES) | st.text(characters, min_size=1, max_size=8)
notes = st.just("") | texts.map(str.strip)
zones = st.sampled_from([None, UTC, timezone(timedelta(hours=-5, minutes=-30))])
# At the end of summer time, a moment of a named zone equals none of another zone in Python (PEP 495).
moments = st.datetimes(timezones=zones | st.just(ZoneInfo("Europe/Paris")), allow_imaginary=False).map(
    with_fixed_offset
)
numbers = st.integers(-(10**20), 10**20) | st.decimals(Decimal(-1000), Decimal(1000), places=3, allow_nan=False).map(
    lambda number: int(number) if number == number.to_integral_value() else number
)

VALUES: dict[str, st.SearchStrategy[object]] = {
    "string": texts,
    "number": numbers,
    "boolean": st.booleans(),
    "date": st.dates(),
    "time": st.times(timezones=zones),
    "datetime": moments,
    "days-duration": st.timedeltas(timedelta(days=-1000), timedelta(days=1000)),
    "months-duration": st.integers(-50, 50).map(Months),
}
FUNCTIONS = {
    "date": "date", "time": "time", "datetime": "date and time",
    "days-duration": "duration", "months-duration": "duration",
}  # fmt: skip
ORDERED = ("number", "date", "days-duration", "months-duration")


def literal(column_type: str, value: object) -> str:
    """Return a value as the literal of a cell."""
    text = value_text(value)
    if column_type == "string":
        return quote(text)
    return f'{FUNCTIONS[column_type]}("{text}")' if column_type in FUNCTIONS else text


def literals(column_type: str) -> st.SearchStrategy[str]:
    """Draw literals of a type."""
    return VALUES[column_type].map(lambda value: literal(column_type, value))


@st.composite
def conditions(draw: st.DrawFn, column_type: str, names: list[str]) -> str:
    """Draw one alternative of a cell."""
    kinds = ["equal", "different", "null", *(["above", "between"] if column_type in ORDERED else []), *names]
    match draw(st.sampled_from(kinds)):
        case "equal":
            return draw(literals(column_type))
        case "different":
            return f"!= {draw(literals(column_type))}"
        case "null":
            return "null"
        case "above":
            return f">{draw(st.sampled_from(['', '= ']))}{draw(literals(column_type))}"
        case "between":
            low, high = sorted([draw(VALUES[column_type]), draw(VALUES[column_type])])  # type: ignore[type-var]
            return f"[{literal(column_type, low)}..{literal(column_type, high)}]"
        case name:
            return name


@st.composite
def cells(draw: st.DrawFn, column: Input, others: dict[str, str]) -> Cell:
    """Draw a cell that is valid in its column."""
    column_type = column.type
    if column.allowed is not None:
        allowed = st.sampled_from([found.text for found in column.allowed.equality_literals])
        return parse(draw(st.just("-") | allowed), column_type, others)
    if column_type == "any":
        column_type = draw(st.sampled_from(sorted(VALUES)))
    same_type = [name for name, other in others.items() if other == column_type]
    listed = st.lists(conditions(column_type, same_type), min_size=1, max_size=3).map(", ".join)
    text = draw(st.just("-") | listed | listed.map("not({})".format))
    return parse(text, column.type, others)


@st.composite
def inputs(draw: st.DrawFn) -> tuple[Input, ...]:
    """Draw input columns."""
    return tuple(draw(_input(name)) for name in draw(st.lists(st.sampled_from(NAMES), max_size=4, unique=True)))


@st.composite
def _input(draw: st.DrawFn, name: str) -> Input:
    column_type = draw(st.sampled_from([*VALUES, "any"]))
    path = draw(st.sampled_from([f"characteristic[{name}]", "characteristic[a, b].c"]))
    column = Input(name=name, type=column_type, path=path)
    if column_type == "any" or not draw(st.booleans()):
        return column
    listed = draw(st.lists(literals(column_type), min_size=1, max_size=3))
    return replace(column, allowed=parse(", ".join(listed), column_type, {}))


@st.composite
def outputs(draw: st.DrawFn) -> tuple[Output, ...]:
    """Draw output columns."""
    columns = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)):
        column_type = draw(st.sampled_from(sorted(VALUES)))
        allowed = st.just(()) | st.lists(VALUES[column_type], min_size=1, max_size=3).map(tuple)
        columns.append(Output(name=name, type=column_type, allowed=draw(allowed)))
    return tuple(columns)


@st.composite
def results(draw: st.DrawFn, columns: tuple[Output, ...]) -> dict[str, object]:
    """Draw a value for every output."""
    return {c.name: draw(st.sampled_from(c.allowed) if c.allowed else VALUES[c.type]) for c in columns}


@st.composite
def rows(draw: st.DrawFn, row_id: str, ins: tuple[Input, ...], outs: tuple[Output, ...]) -> Row:
    """Draw a row."""
    types = {column.name: column.type for column in ins}
    drawn = [draw(cells(c, {name: kind for name, kind in types.items() if name != c.name})) for c in ins]
    return Row(id=row_id, cells=tuple(drawn), outputs=draw(results(outs)), note=draw(notes))


fact_documents = st.fixed_dictionaries(
    {},
    optional={
        "test_specification": st.fixed_dictionaries({"id": texts.filter(str.strip)}),
        "priority": st.integers(0, 5),
        "has_children": st.booleans(),
        "characteristic": st.dictionaries(
            st.sampled_from(NAMES),
            texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.floats(-9, 9) | st.lists(texts, max_size=2),
        ),
    },
)
row_ids = st.lists(
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,6}", fullmatch=True), min_size=1, max_size=4, unique=True
)


@st.composite
def tables(draw: st.DrawFn) -> DecisionTable:
    """Draw a decision table whose saved tests pass."""
    ins, outs = draw(inputs()), draw(outputs())
    ids = [row_id for row_id in draw(row_ids) if row_id not in (DEFAULT_ROW, NO_ROW)] or ["R1"]
    default = draw(st.none() | results(outs))
    table = DecisionTable(
        id=draw(st.sampled_from(["a-table", "007", "true", "1-2"])),
        version="",
        note=draw(notes),
        policy=draw(st.sampled_from(HitPolicy)),
        inputs=ins,
        outputs=outs,
        rows=tuple(draw(rows(row_id, ins, outs)) for row_id in ids),
        default=None if default is None else Row(id=DEFAULT_ROW, outputs=default),
    )
    if any(hit_policy_problems(table.policy, table.outputs, table.rows)):
        table = replace(table, policy=HitPolicy.FIRST)
    return replace(table, tests=draw(st.lists(_tests(table), max_size=2).map(tuple)))


@st.composite
def _tests(draw: st.DrawFn, table: DecisionTable | SpokeSelector) -> SavedTest:
    given = draw(fact_documents)
    known = facts_from_example(given)
    decided = decide_selector(table, known) if isinstance(table, SpokeSelector) else decide(table, known)
    hit = decided if isinstance(decided, Decision) else None
    row = draw(st.sampled_from([", ".join(row.id for row in hit.rows), None])) if hit else NO_ROW
    expected = dict(hit.outputs) if hit and (row is None or draw(st.booleans())) else {}
    name = draw(texts.map(str.strip).filter(bool))
    return SavedTest(name=name, given=given, facts=known, row=row, outputs=expected, note=draw(notes), line=0)


thresholds = st.none() | st.builds(
    Threshold, max=st.integers(1, 10**6), period=st.timedeltas(timedelta(seconds=1), timedelta(days=400))
)


@st.composite
def selectors(draw: st.DrawFn) -> SpokeSelector:
    """Draw a selector whose saved tests pass."""
    drawn = draw(tables())
    outs = (Output(name="spoke", type="string"),)
    spokes = texts.map(lambda word: {"spoke": word})
    ordered = tuple(replace(row, outputs=draw(spokes)) for row in drawn.rows)
    orders = draw(
        st.lists(st.integers(-5, 10**6), min_size=len(ordered), max_size=len(ordered), unique=True).map(sorted)
    )
    active = [draw(st.booleans()) for _ in ordered]
    limits = {row.id: found for row in ordered if (found := draw(thresholds))}
    default = None if drawn.default is None else Row(id=DEFAULT_ROW, outputs=draw(spokes))
    kept = tuple(row for row, is_active in zip(ordered, active, strict=True) if is_active)
    table = replace(drawn, policy=HitPolicy.FIRST, outputs=outs, rows=kept, default=default, tests=())
    selector = SpokeSelector(
        table=table,
        orders={row.id: order for row, order in zip(ordered, orders, strict=True)},
        thresholds=limits,
        inactive=tuple(row for row, is_active in zip(ordered, active, strict=True) if not is_active),
    )
    saved = draw(st.lists(_tests(selector), max_size=2).map(tuple))
    return replace(selector, table=replace(table, tests=saved))


def without_version(found: object) -> DecisionTable | SpokeSelector:
    """Return a table or selector without the version, which names the text that it was loaded from."""
    if isinstance(found, SpokeSelector):
        return replace(found, table=replace(found.table, version=""))
    assert isinstance(found, DecisionTable)
    return replace(found, version="")
