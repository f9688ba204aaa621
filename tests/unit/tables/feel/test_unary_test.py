"""The grammar of a cell (DMN 1.5, S-FEEL unary tests): what each form means, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest

from router.tables.feel.unary_test import CellError, Months, parse

MIDDAY = datetime(2026, 3, 12, 12, 0, tzinfo=UTC)

FITS = [
    ("-", "any", None),
    ("-", "number", 5),
    (" - ", "string", ["a"]),
    ("5", "number", 5),
    ("5", "number", 5.0),
    ("5.0", "number", 5),
    ("0.1", "number", 0.1),
    ("0.1", "number", Decimal("0.10")),
    (".5", "number", 0.5),
    ("-5", "number", -5),
    ("- 5", "number", -5),
    ("1e3", "number", 1000),
    ("1.5E-1", "number", 0.15),
    ("9007199254740993", "number", 9007199254740993),
    ('"a"', "string", "a"),
    ('""', "string", ""),
    (r'"say \"hi\""', "string", 'say "hi"'),
    (r'"tab\tslash\\"', "string", "tab\tslash\\"),
    (r'"\u00e9"', "string", "é"),
    (r'"\U01F600"', "string", "😀"),
    ('"a,b"', "string", "a,b"),
    ("true", "boolean", True),
    ("false", "boolean", False),
    ("null", "string", None),
    ("null", "any", None),
    ("< 5", "number", 4.999),
    ("<5", "number", -5),
    ("<= 5", "number", 5),
    ("> -5", "number", 0),
    (">= 5", "number", 5),
    ("= 5", "number", 5),
    ("!= 5", "number", 6),
    ("!= null", "any", 0),
    ('< "m"', "string", "a"),
    ("[1..5]", "number", 1),
    ("[1..5]", "number", 5),
    ("[1..5)", "number", 4.9),
    ("(1..5)", "number", 2),
    ("]1..5[", "number", 2),
    ("]1..5]", "number", 5),
    ("[1..5[", "number", 1),
    ("[ -1.5 .. .5 ]", "number", 0),
    ("[.1...5]", "number", Decimal("0.3")),
    ("[5..5]", "number", 5),
    ('["a".."c"]', "string", "b"),
    ("1, 2, [7..9]", "number", 8),
    ('"a", "b"', "string", "b"),
    ("< 1, > 9", "number", 10),
    ("1, null", "number", None),
    ("not(5)", "number", 6),
    ("not (5, 6)", "number", 7),
    ("not( [1..5) )", "number", 5),
    ("not(null)", "any", "x"),
    ('not("a")', "string", None),
    ('1, "a", true', "any", True),
    ('date("2026-03-12")', "date", date(2026, 3, 12)),
    ('@"2026-03-12"', "date", date(2026, 3, 12)),
    ('>= date("2026-03-12")', "date", date(2026, 12, 1)),
    ('[date("2026-01-01")..date("2026-12-31")]', "date", date(2026, 2, 28)),
    ('date("2028-02-29")', "date", date(2028, 2, 29)),
    ('time("08:30:00")', "time", time(8, 30)),
    ('time("08:30:00.250")', "time", time(8, 30, 0, 250_000)),
    ('time("23:59:00z")', "time", time(23, 59, tzinfo=UTC)),
    ('time("T23:59:00Z")', "time", time(23, 59, tzinfo=UTC)),
    ('@"08:30:00"', "time", time(8, 30)),
    ('time("12:00:00+02:00")', "time", time(10, 0, tzinfo=UTC)),
    ('[time("08:00:00")..time("18:00:00")]', "time", time(12)),
    ('date and time("2026-03-12T12:00:00Z")', "datetime", MIDDAY),
    ('date and time("2026-03-12T12:00:00Z")', "datetime", MIDDAY.astimezone(timezone(timedelta(hours=2)))),
    ('date and time("2026-03-12T13:00:00+01:00")', "datetime", MIDDAY),
    ('date and time("2026-03-12T13:00:00@Europe/Paris")', "datetime", MIDDAY),
    ('date and time("2026-03-12")', "datetime", datetime(2026, 3, 12)),  # noqa: DTZ001 - FEEL has local moments
    ('@"2026-03-12T12:00:00Z"', "datetime", MIDDAY),
    ('duration("P1DT2H")', "days-duration", timedelta(hours=26)),
    ('duration("-PT1.5S")', "days-duration", timedelta(seconds=-1.5)),
    ('@"PT90M"', "days-duration", timedelta(minutes=90)),
    ('> duration("P1D")', "days-duration", timedelta(hours=25)),
    ('duration("P1Y2M")', "months-duration", Months(14)),
    ('@"-P3M"', "months-duration", Months(-3)),
    ('[duration("P1Y")..duration("P2Y")]', "months-duration", Months(18)),
]

MISSES = [
    ("5", "number", 5.000001),
    ("9007199254740993", "number", 9007199254740992.0),
    ("0.3", "number", 0.1 + 0.2),
    ('"a"', "string", "A"),
    ('"a"', "string", "a "),
    ("< 5", "number", 5),
    ("> 5", "number", 5),
    ("!= 5", "number", 5.0),
    ("(1..5]", "number", 1),
    ("[1..5)", "number", 5),
    ("]1..5[", "number", 1),
    ("not(5)", "number", 5),
    ("not(5, [6..8])", "number", 7),
    ("not(null)", "any", None),
    ('time("12:00:00")', "time", time(12, tzinfo=UTC)),
    ('< time("12:00:00")', "time", time(10, tzinfo=UTC)),
    ('< date and time("2027-01-01T00:00:00")', "datetime", MIDDAY),
    ('date("2026-03-12")', "any", datetime(2026, 3, 12)),  # noqa: DTZ001 - a moment is not a date
    ('date and time("2026-03-12T00:00:00")', "any", date(2026, 3, 12)),
    ('duration("P365D")', "any", Months(12)),
    ('duration("P0M")', "any", timedelta(0)),
    ('duration("P0M")', "any", 0),
]

DIFFERENT_TYPES = [
    ("1", True),
    ("0", False),
    ("true", 1),
    ("true", "true"),
    ("5", "5"),
    ('"5"', 5),
    ("null", ""),
    ("null", 0),
    ("null", False),
    ('""', None),
    ("0", None),
    ("false", None),
    ("< 5", None),
    ("< 5", "4"),
    ("< 5", False),
    ("[0..5]", True),
    ("!= 5", "5"),
    ("!= 5", None),
    ('> "a"', 5),
    ("5", {"a": 5}),
    ("5", float("nan")),
    ("< 5", Decimal("NaN")),
    ("!= 5", Decimal("sNaN")),
]


@pytest.mark.parametrize(("text", "column", "value"), FITS)
def test_a_value_fits(text: str, column: str, value: object) -> None:
    assert parse(text, column).matches(value)


@pytest.mark.parametrize(("text", "column", "value"), MISSES)
def test_a_value_does_not_fit(text: str, column: str, value: object) -> None:
    assert not parse(text, column).matches(value)


@pytest.mark.parametrize(("text", "value"), DIFFERENT_TYPES)
def test_values_of_different_types_never_fit(text: str, value: object) -> None:
    assert not parse(text, "any").matches(value)
    assert parse(f"not({text})", "any").matches(value)


def test_a_missing_value_fits_only_anything_null_and_not() -> None:
    cells = ["-", "null", "not(5)", "5", "< 5", "!= 5", "[1..5]", "other"]
    fitting = [text for text in cells if parse(text, "any").matches(None, {"other": 5})]
    assert fitting == ["-", "null", "not(5)"]


def test_infinity_is_larger_than_every_number() -> None:
    assert parse("> 1e6000", "number").matches(float("inf"))
    assert not parse("[0..1e6000]", "number").matches(float("inf"))


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ('"a"', ["b", "a"], True),
        ('"a"', ["b"], False),
        ('"a"', [], False),
        ("-", [], True),
        ("null", [], False),
        ("null", [None], True),
        ("> 5", [1, 9], True),
        ("[1..5]", (7, 8), False),
        ("not(5)", [5, 6], False),
        ("not(5)", [6, 7], True),
        ("not(5)", [], True),
        ("1", [True], False),
        ('"a", 5', [5.0], True),
    ],
)
def test_a_list_fits_if_one_of_its_elements_does(text: str, value: object, fits: bool) -> None:  # noqa: FBT001 - the expectation
    assert parse(text, "any").matches(value) is fits


@pytest.mark.parametrize(
    ("text", "value", "inputs", "fits"),
    [
        ("limit", 5, {"limit": 5}, True),
        ("limit", 5, {"limit": "5"}, False),
        ("limit", 5, {}, False),
        ("limit", None, {}, True),
        ("= limit", 5, {"limit": 5.0}, True),
        ("!= limit", 5, {"limit": 6}, True),
        ("<= upper limit", 5, {"upper limit": 5}, True),
        ("< limit", 5, {"limit": None}, False),
        ("< limit", 5, {"limit": "z"}, False),
        ("[low..high]", 5, {"low": 1, "high": 9}, True),
        ("[low..high]", 5, {"low": 9, "high": 1}, False),
        ("(low..9]", 5, {"low": 5}, False),
        ("not(limit)", 5, {"limit": 6}, True),
        ("7, limit", 5, {"limit": 5}, True),
        ("allowed", 5, {"allowed": [4, 5]}, True),
        ("service.type", "x", {"service.type": "x"}, True),
        ("credit-score", 5, {"credit-score": 5}, True),
    ],
)
def test_a_name_is_the_value_of_another_input(
    text: str,
    value: object,
    inputs: dict[str, object],
    fits: bool,  # noqa: FBT001 - the expectation
) -> None:
    assert parse(text, "any").matches(value, inputs) is fits


def test_a_declared_name_may_have_any_signs() -> None:
    cell = parse("> a + b's", "number", {"a + b's": "number", "a": "number"})
    assert cell.referenced_inputs == {"a + b's"}


REFUSED = [
    ("", "any", "the cell is empty"),
    ("   ", "any", "the cell is empty"),
    ("[1..5", "number", 'interval "[1..5" is not closed'),
    ("(1..5", "number", 'interval "(1..5" is not closed'),
    ("[1..5, 7", "number", 'interval "[1..5" is not closed'),
    ("1..5", "number", 'from "..5" on'),
    ("5]", "number", 'from "]" on'),
    ("[1..]", "number", 'a value is expected where "]" stands'),
    ("[..5]", "number", 'a value is expected where ".." stands'),
    ("[5..1]", "number", 'interval "[5..1]" is empty'),
    ("(5..5]", "number", 'interval "(5..5]" is empty'),
    ('["b".."a"]', "string", "is empty"),
    ('[1.."a"]', "any", "ends of different types"),
    ("[true..false]", "boolean", "neither greater nor smaller"),
    ("[null..5]", "number", "neither greater nor smaller"),
    ("< true", "boolean", "neither greater nor smaller"),
    ("< null", "number", "neither greater nor smaller"),
    ("[1, 2]", "number", "is not an interval"),
    ("(1)", "number", "is not an interval"),
    ("1,", "number", "ends where a value is expected"),
    (",1", "number", "a value is expected"),
    ("1,,2", "number", "a value is expected"),
    ("1 2", "number", 'from "2" on'),
    ("<", "number", "ends where a value is expected"),
    ("== 5", "number", "a value is expected"),
    ("=< 5", "number", "a value is expected"),
    ("<> 5", "number", "a value is expected"),
    ("-, 5", "number", 'where "-" stands'),
    ("not(-)", "number", 'where "-" stands'),
    ("not()", "number", 'where ")" stands'),
    ("not(5", "number", "not( is not closed"),
    ("not(not(5))", "number", "around the whole cell"),
    ("1, not(5)", "number", "around the whole cell"),
    ("not(5), 6", "number", 'from ", 6" on'),
    ("5 + 1", "number", "is not understood"),
    ("a + 1", "number", "is not understood"),
    ("a - 1", "number", 'from "- 1" on'),
    ("? > 5", "number", "is not understood"),
    ("10G", "number", "is not understood"),
    ("٥", "number", "is not understood"),  # noqa: RUF001 - a digit of another script
    ("sum(1)", "number", "is a function"),
    ('"a', "string", "is not closed"),
    ("'a'", "string", "single quotes"),
    (r'"\x41"', "string", "no escape"),
    (r'"\UFFFFFF"', "string", "there is no character"),
    ("5", "string", "5 is a number, the column takes string"),
    ('"a"', "number", '"a" is a string, the column takes number'),
    ("true", "number", "true is a boolean"),
    ("1", "boolean", "1 is a number"),
    ('date("2026-03-12")', "datetime", "is a date, the column takes datetime"),
    ('duration("P1Y")', "days-duration", "is a years-months duration"),
    ('duration("P1D")', "months-duration", "is a days-time duration"),
    ('date("2026-02-30")', "date", "there is no date 2026-02-30"),
    ('date("2027-02-29")', "date", "there is no date 2027-02-29"),
    ('date("2026-3-12")', "date", "is not a date such as"),
    ('date("20260312")', "date", "is not a date such as"),
    ('date("")', "date", "is not a date such as"),
    ("date(2026)", "date", "takes one string in quotes"),
    ('date("2026-03-12"', "date", "takes one string in quotes"),
    ('date("2026-03-12", "x")', "date", "takes one string in quotes"),
    ('time("25:00:00")', "time", "there is no time 25:00:00"),
    ('time("8:00:00")', "time", "is not a time such as"),
    ('time("08:00:00+99:00")', "time", "there is no offset"),
    ('time("08:00:00 Z")', "time", "is not an offset"),
    ('time("08:00:00@Europe/Paris")', "time", "needs a date"),
    ('date and time("2026-03-12T08:00:00@Mars/Base")', "datetime", "there is no time zone"),
    ('date and time("2026-03-12T08:00:00@../../etc/passwd")', "datetime", "there is no time zone"),
    ('duration("P")', "days-duration", "is not a duration"),
    ('duration("P1DT")', "days-duration", "is not a duration"),
    ('duration("PT")', "days-duration", "is not a duration"),
    ('duration("P1Y1D")', "any", "is not a duration"),
    ('duration("1D")', "any", "is not a duration"),
    ('duration("P99999999999D")', "days-duration", "is too long"),
    ('duration("P' + "9" * 5000 + 'Y")', "months-duration", "is too long"),
    ('@"noon"', "any", "is not a date"),
    ("1e99999999999999999999", "number", "is not a number"),
    ("1e7000", "number", "longer than"),
    ("1" * 5000, "number", "longer than 34 digits"),
    ("5", "integer", 'there is no type "integer"'),
]


@pytest.mark.parametrize(("text", "column", "fragment"), REFUSED)
def test_what_is_outside_the_grammar_is_refused_by_name(text: str, column: str, fragment: str) -> None:
    with pytest.raises(CellError) as refused:
        parse(text, column)
    assert fragment in str(refused.value)


def test_an_unknown_name_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(CellError, match='unknown name "limt"; the other inputs are floor, limit'):
        parse("< limt", "number", {"limit": "number", "floor": "number"})


def test_an_input_of_another_type_is_refused() -> None:
    with pytest.raises(CellError, match='input "region" is of type string, the column takes number'):
        parse("< region", "number", {"region": "string"})


def test_a_declared_name_is_not_cut_out_of_a_longer_word() -> None:
    with pytest.raises(CellError, match='unknown name "limited"'):
        parse("limited", "number", {"limit": "number"})
