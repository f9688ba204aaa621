"""Properties that hold for every cell and every value."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.tables.feel.lexer import quote_bare_words
from router.tables.feel.literals import quote, read_string
from router.tables.feel.unary_test import CellError, Months, parse
from router.tables.feel.values import TYPES, canonical, kind_of

if TYPE_CHECKING:
    from decimal import Decimal

numbers = st.one_of(
    st.integers(), st.floats(), st.decimals(allow_nan=True), st.integers(-20, 20), st.sampled_from([0, 1, 0.5])
)
zones = st.none() | st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.text(max_size=5),
    st.sampled_from(["a", "b", "1", "true", ""]),
    st.dates(),
    st.times(timezones=zones),
    st.datetimes(timezones=zones),
    st.timedeltas(),
    st.integers().map(Months),
)
values = scalars | st.lists(scalars, max_size=3)

LITERALS = [
    '"a"', '"b"', '""', "0", "1", "-3", "0.5", "7", "true", "false", "null", "other",
    'date("2026-03-12")', 'time("08:00:00")', 'time("08:00:00Z")', 'date and time("2026-03-12T00:00:00")',
    'date and time("2026-03-12T00:00:00Z")', 'duration("P1D")', 'duration("P1Y")',
]  # fmt: skip
literals = st.sampled_from(LITERALS)
ends = st.integers(-20, 20)


@st.composite
def intervals(draw: st.DrawFn) -> str:
    low = draw(ends)
    high = low + draw(st.integers(1, 9))
    return f"{draw(st.sampled_from('[(]'))}{low}..{high}{draw(st.sampled_from('])['))}"


comparisons = st.builds("{} {}".format, st.sampled_from(["<", "<=", ">", ">="]), ends)
equalities = st.builds("{}{}".format, st.sampled_from(["", "= ", "!= "]), literals)
positives = st.lists(equalities | comparisons | intervals(), min_size=1, max_size=3).map(", ".join)
pieces = st.sampled_from([*LITERALS, *"[]()<>=!,-.\"'@?+*\\ ", "..", "not(", "not", "date(", '@"', "1", "a b"])
cell_like = st.text(max_size=30) | st.lists(pieces, max_size=8).map("".join)


@settings(deadline=None)
@given(text=cell_like, column=st.sampled_from(sorted(TYPES)), value=values)
@example(text='@"T"', column="any", value=None)
@example(text="date(", column="any", value=None)
@example(text='duration("PT' + "9" * 400 + '.5S")', column="any", value=None)
@example(text='date and time("0001-01-01T00:00:00+14:00")', column="any", value=datetime.min)  # noqa: DTZ901 - the edge is the point
def test_a_text_is_a_cell_or_a_cell_error_and_never_anything_else(text: str, column: str, value: object) -> None:
    with suppress(CellError):
        assert parse(text, column).matches(value, {}) in (True, False)


@given(text=positives, value=values, other=values)
def test_not_is_the_opposite_of_its_content(text: str, value: object, other: object) -> None:
    inputs = {"other": other}
    assert parse(f"not({text})", "any").matches(value, inputs) is not parse(text, "any").matches(value, inputs)


@given(texts=st.lists(equalities | comparisons | intervals(), min_size=1, max_size=3), value=values, other=values)
def test_a_comma_is_an_or(texts: list[str], value: object, other: object) -> None:
    inputs = {"other": other}
    together = parse(", ".join(texts), "any").matches(value, inputs)
    assert together is any(parse(text, "any").matches(value, inputs) for text in texts)


@given(low=ends, size=st.integers(1, 9), value=numbers | scalars)
def test_an_interval_is_its_two_comparisons(low: int, size: int, value: object) -> None:
    high = low + size
    for opening, above in (("[", ">="), ("(", ">"), ("]", ">")):
        for closing, below in (("]", "<="), (")", "<"), ("[", "<")):
            inside = parse(f"{opening}{low}..{high}{closing}", "number").matches(value)
            above_low = parse(f"{above} {low}", "number").matches(value)
            assert inside is (above_low and parse(f"{below} {high}", "number").matches(value))


@given(bound=ends, value=numbers)
def test_a_number_is_below_at_or_above_a_bound_and_nothing_else(bound: int, value: object) -> None:
    held = [parse(f"{sign} {bound}", "number").matches(value) for sign in ("<", "=", ">")]
    is_number = canonical(value) == canonical(value) and kind_of(canonical(value)) is kind_of(1)
    assert sum(held) == (1 if is_number else 0)


@given(text=positives, value=scalars, other=scalars)
def test_a_list_fits_exactly_if_an_element_does(text: str, value: object, other: object) -> None:
    cell = parse(text, "any")
    inputs = {"other": other}
    assert cell.matches([value], inputs) is cell.matches(value, inputs)
    assert not cell.matches([], inputs)


@given(words=st.text())
def test_a_quoted_string_reads_back_as_itself(words: str) -> None:
    assert read_string(quote(words)) == words
    assert parse(quote(words), "string").matches(words)


@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**20), max_value=10**20))
def test_a_number_equals_its_own_writing(number: Decimal) -> None:
    assert parse(f"{number:f}", "number").matches(number)


@given(day=st.dates(), clock=st.times(), moment=st.datetimes(timezones=zones))
def test_a_date_and_a_time_equal_their_own_writing(day: date, clock: time, moment: datetime) -> None:
    assert parse(f'date("{day.isoformat()}")', "date").matches(day)
    assert parse(f'time("{clock.isoformat()}")', "time").matches(clock)
    assert parse(f'date and time("{moment.isoformat()}")', "datetime").matches(moment)


# Ligatures and full-width letters are refused as look-alikes of what a keyboard types.
look_alikes = "".join(map(chr, (*range(0xFB00, 0xFB07), *range(0xFF01, 0xFF5F))))
letters = st.characters(categories=["L", "Nd"], include_characters="-_./:", exclude_characters=look_alikes)
words = st.text(letters, min_size=1, max_size=8)


@settings(max_examples=200)
@given(items=st.lists(words, min_size=1, max_size=3))
def test_bare_words_mean_themselves(items: list[str]) -> None:
    bare = [item for item in items if item.strip("-.0123456789") and ".." not in item]
    bare = [item for item in bare if item not in ("null", "true", "false") and not item[0].isdigit()]
    cell_text = ", ".join(bare) or "x"
    cell = parse(quote_bare_words(cell_text, ()), "string")
    assert all(cell.matches(item) for item in bare)


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("fibre-line", '"fibre-line"'),
        ("created, started", '"created", "started"'),
        ("in progress", '"in progress"'),
        ("not(aborted, failed)", 'not("aborted", "failed")'),
        ("not found", '"not found"'),
        ("!= a", '!= "a"'),
        ("[a..f)", '["a".."f")'),
        ('"a, b", c', '"a, b", "c"'),
        ("-", "-"),
        ("null, a", 'null, "a"'),
        ("region, b", 'region, "b"'),
        ("a\\b", '"a\\\\b"'),
    ],
)
def test_quotes_are_put_around_bare_words_only(written: str, means: str) -> None:
    assert quote_bare_words(written, {"region"}) == means


def test_a_moment_of_a_named_zone_is_its_instant_also_in_the_hour_that_comes_twice() -> None:
    second = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1)
    cell = parse('date and time("2026-10-25T01:30:00Z")', "datetime")
    assert cell.matches(second)
    assert not cell.matches(second.replace(fold=0))
