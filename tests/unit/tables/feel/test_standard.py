"""What matches a cell and what does not, sentence by sentence of the standard (DMN 1.5 §7, §9, §10.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum, StrEnum
from zoneinfo import ZoneInfo

import pytest

from router.tables.feel.unary_test import CellError, Months, parse


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


def zoned(offset: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 3, 12, hour, minute, second, tzinfo=timezone(timedelta(hours=offset)))


LOCAL = datetime(2026, 3, 12, 8, 30)  # noqa: DTZ001 - FEEL has moments without a zone
NOON_UTC = datetime(2026, 3, 12, 12, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")

# cell, type of the column, values that match, values that do not
CELLS: list[tuple[str, str, list[object], list[object]]] = [
    # a dash: irrelevant
    ("-", "any", [None, 0, "", "x", True, [], [None], date(2026, 1, 1), {"a": 1}], []),
    ("\n - \t", "number", [None, "of another type", 5], []),
    # numbers are decimals, whatever their Python type is
    ("5", "number", [5, 5.0, Decimal(5), Decimal("5.000")], [4, 6, 5.5, "5", True, None, [], [4]]),
    ("0", "number", [0, -0.0, Decimal("-0"), Decimal("0E+5")], [False, None, "", "0"]),
    ("1", "number", [1, 1.0], [True, "1", [True]]),
    ("-5", "number", [-5, -5.0], [5, "-5"]),
    ("- 5", "number", [-5], [5]),
    (".5", "number", [0.5, Decimal("0.5")], [5, 0.50001]),
    ("-.5", "number", [-0.5], [0.5]),
    ("007", "number", [7], ["007"]),
    ("0.10", "number", [0.1, Decimal("0.1")], [0.1 + 1e-12]),
    ("0.3", "number", [0.3], [0.1 + 0.2]),
    ("1e3", "number", [1000, 1e3], [999]),
    ("1.5E-1", "number", [0.15], [1.5]),
    ("2E+2", "number", [200], [2]),
    ("3", "number", [Level.HIGH], [2]),
    ("9007199254740993", "number", [9007199254740993], [9007199254740992, float(2**53)]),
    ("0.1234567890123456789012345678901234", "number", [Decimal("0.1234567890123456789012345678901234")], [0.12345]),
    (
        "< 5",
        "number",
        [4, 4.999, -100, Decimal("4.9"), float("-inf")],
        [5, 6, None, "4", False, float("nan"), Decimal("NaN")],
    ),
    ("<=5", "number", [5, 5.0, 4], [5.01, None, True]),
    (">5", "number", [6, 5.0001, float("inf")], [5, None, "6", True]),
    (">= 5", "number", [5, 6], [4.99, None]),
    ("= 5", "number", [5], [6, "5"]),
    ("!= 5", "number", [6, 4.999], [5, 5.0, None, "5", True]),
    ("< -1", "number", [-2], [-1, 0]),
    ("> - 1", "number", [0], [-1]),
    # strings: exact, case-sensitive, with escapes
    ('"red"', "string", ["red", Colour.RED], ["Red", "red ", "", None, 5, [], ["blue"]]),
    ('""', "string", [""], [None, " ", []]),
    ('"a,b"', "string", ["a,b"], ["a", "b"]),
    ('"-"', "string", ["-"], ["", "x", None]),
    ('"null"', "string", ["null"], [None]),
    ('"not(5)"', "string", ["not(5)"], ["6"]),
    ('"[1..5]"', "string", ["[1..5]"], ["3"]),
    (r'"say \"hi\""', "string", ['say "hi"'], ["say hi"]),
    (r'"it\'s"', "string", ["it's"], ["it\\'s"]),
    (r'"a\nb\tc\r"', "string", ["a\nb\tc\r"], [r"a\nb"]),
    (r'"back\\slash"', "string", ["back\\slash"], ["backslash"]),
    (r'"\u0041\u00e9"', "string", ["Aé"], ["AE"]),
    (r'"\uD83D\uDE00"', "string", ["😀"], ["\ud83d\ude00"]),
    (r'"\U01F600"', "string", ["😀"], [""]),
    ('"größe 東京 😀"', "string", ["größe 東京 😀"], ["grösse"]),
    ('< "m"', "string", ["a", "", "Z"], ["m", "z", None, 5]),
    ('>= "b"', "string", ["b", "ba", "c"], ["a", "B", None]),
    ('!= "a"', "string", ["b", ""], ["a", None, 5]),
    ('= "a"', "string", ["a"], ["A"]),
    # booleans are neither numbers nor strings
    ("true", "boolean", [True], [False, 1, "true", None, [], 1.0]),
    ("false", "boolean", [False], [True, 0, "", None]),
    ("!= true", "boolean", [False], [True, None, 0]),
    ("= false", "boolean", [False], [0]),
    ("true, false", "boolean", [True, False], [None, 0, 1]),
    ("not(true)", "boolean", [False, None, 1], [True]),
    # null
    ("null", "any", [None], [0, "", False, [], "null"]),
    ("null", "number", [None], [0]),
    ("null", "date", [None], [date(2026, 1, 1)]),
    ("= null", "string", [None], [""]),
    ("!= null", "any", [0, "", False, date(2026, 1, 1)], [None]),
    ("not(null)", "string", ["", "x"], [None]),
    ('"a", null', "string", ["a", None], ["b"]),
    ('not("a", null)', "string", ["b"], ["a", None]),
    # intervals: every combination of brackets
    ("[1..5]", "number", [1, 5, 3, 1.0], [0.999, 5.001, None, "3", True]),
    ("(1..5)", "number", [1.001, 4.999], [1, 5]),
    ("[1..5)", "number", [1, 4.999], [5, 0]),
    ("(1..5]", "number", [5, 1.001], [1, 6]),
    ("]1..5[", "number", [2], [1, 5]),
    ("]1..5]", "number", [5], [1]),
    ("[1..5[", "number", [1], [5]),
    ("]1..5)", "number", [2], [1, 5]),
    ("(1..5[", "number", [2], [1, 5]),
    ("[ -1.5 .. - .5 ]", "number", [-1, -1.5, -0.5], [0]),
    ("[-5..-1]", "number", [-3], [3]),
    ("[.1...5]", "number", [0.1, 0.5, 0.3], [0, 0.6]),
    ("[5..5]", "number", [5], [4, 6]),
    ("[1e2..1E3]", "number", [100, 500, 1000], [99]),
    ('["a".."c"]', "string", ["a", "b", "c", "bzz"], ["cc", "A", None, 1]),
    ('("a".."c")', "string", ["aa"], ["a", "c"]),
    # a comma means or; not( ) encloses the whole cell
    ("1, 2,3", "number", [1, 2, 3], [4, None]),
    ("< 1, > 9, 5", "number", [0, 10, 5], [1, 9, 4]),
    ("[1..2], [8..9)", "number", [1, 8], [9, 5]),
    ('"a","b"', "string", ["a", "b"], ["a,b", "c"]),
    ("not(1, 2)", "number", [3, None, "1"], [1, 2]),
    ("not (< 5)", "number", [5, 6, None], [4]),
    ("not( [1..5), > 10 )", "number", [5, 10, 0.5], [1, 11]),
    ("not(!= 5)", "number", [5, None, "x"], [6]),
    ('not\n("a")', "string", ["b", None, 1], ["a"]),
    ('1, "a", true, null', "any", [1, "a", True, None], ["1", 0, False, "true"]),
    # lists: a cell matches a list if it matches an element
    ('"a"', "string", [["a"], ["b", "a"], ("a",)], [["b"], [None], [1]]),
    ("> 5", "number", [[1, 9]], [[1, 5], ["9"], [None]]),
    ("[1..5]", "number", [[0, 3]], [[0, 6], [[3]]]),
    ("null", "any", [[None], [1, None]], [[1]]),
    ("true", "boolean", [[False, True]], [[1]]),
    ("not(5)", "number", [[], [6], [None]], [[5], [5, 6]]),
    ("not(null)", "any", [[], [1]], [[None], [1, None]]),
    ("!= 5", "number", [[5, 6]], [[5], []]),
    ('date("2026-03-12")', "date", [[date(2026, 1, 1), date(2026, 3, 12)]], [[LOCAL]]),
    # dates
    ('date("2026-03-12")', "date", [date(2026, 3, 12)], [date(2026, 3, 13), None, "2026-03-12", LOCAL]),
    ('@"2026-03-12"', "date", [date(2026, 3, 12)], ["2026-03-12"]),
    ('= date("2026-03-12")', "date", [date(2026, 3, 12)], [LOCAL]),
    ('!= date("2026-03-12")', "date", [date(2026, 3, 13)], [date(2026, 3, 12), LOCAL, None]),
    ('< date("2026-03-12")', "date", [date(2026, 3, 11)], [date(2026, 3, 12), LOCAL - timedelta(days=9)]),
    ('>= date("2028-02-29")', "date", [date(2028, 2, 29)], [date(2028, 2, 28)]),
    ('[date("2026-01-01")..date("2026-12-31")]', "date", [date(2026, 12, 31)], [date(2027, 1, 1), LOCAL]),
    ('(@"2026-01-01"..@"2026-01-03")', "date", [date(2026, 1, 2)], [date(2026, 1, 1), date(2026, 1, 3)]),
    ('date("0001-01-01"), date("9999-12-31")', "date", [date.min, date.max], [date(2026, 1, 1)]),
    ('not(date("2026-03-12"))', "date", [date(2026, 3, 13), LOCAL, None], [date(2026, 3, 12)]),
    # times: those with a zone are compared in UTC, and never with those without
    ('time("08:30:00")', "time", [time(8, 30)], [time(8, 30, 1), time(8, 30, tzinfo=UTC), None, "08:30:00", LOCAL]),
    ('time("08:30:00.25")', "time", [time(8, 30, 0, 250_000)], [time(8, 30)]),
    ('@"08:30:00"', "time", [time(8, 30)], [time(8, 31)]),
    (
        'time("08:30:00Z")',
        "time",
        [time(8, 30, tzinfo=UTC), time(9, 30, tzinfo=timezone(timedelta(hours=1)))],
        [time(8, 30)],
    ),
    ('time("10:00:00+02:00")', "time", [time(8, tzinfo=UTC)], [time(10, tzinfo=UTC), time(10)]),
    ('time("00:30:00-05:30")', "time", [time(6, tzinfo=UTC)], [time(0, 30, tzinfo=UTC)]),
    (
        '< time("12:00:00+00:00")',
        "time",
        [time(12, 30, tzinfo=timezone(timedelta(hours=1)))],
        [time(12, tzinfo=UTC), time(1)],
    ),
    ('[time("08:00:00")..time("18:00:00"))', "time", [time(8), time(17, 59, 59)], [time(18), time(9, tzinfo=UTC)]),
    ('time("23:59:59.999999")', "time", [time.max], [time(0)]),
    ('time("08:30:00.123456789")', "time", [time(8, 30, 0, 123_456)], [time(8, 30)]),
    # moments: the same instant is the same, whatever the zone
    (
        'date and time("2026-03-12T08:30:00")',
        "datetime",
        [LOCAL],
        [zoned(0, 8, 30), date(2026, 3, 12), None, LOCAL.isoformat()],
    ),
    ('@"2026-03-12T08:30:00"', "datetime", [LOCAL], [zoned(0, 8, 30)]),
    (
        'date and time("2026-03-12T12:00:00Z")',
        "datetime",
        [NOON_UTC, zoned(2, 14), zoned(-5, 7)],
        [zoned(1, 12), LOCAL],
    ),
    ('date and time("2026-03-12T13:00:00@Europe/Paris")', "datetime", [NOON_UTC, zoned(1, 13)], [zoned(2, 13)]),
    ('@"2026-07-12T14:00:00@Europe/Paris"', "datetime", [datetime(2026, 7, 12, 12, tzinfo=UTC)], [NOON_UTC]),
    (
        'date and time("2026-10-25T02:30:00@Europe/Paris")',
        "datetime",
        [datetime(2026, 10, 25, 0, 30, tzinfo=UTC)],
        [datetime(2026, 10, 25, 1, 30, tzinfo=UTC)],
    ),
    ('date and time("2026-03-12")', "datetime", [datetime(2026, 3, 12)], [date(2026, 3, 12)]),  # noqa: DTZ001 - without a zone
    (
        '> date and time("2026-03-12T12:00:00Z")',
        "datetime",
        [zoned(0, 12, 0, 1), zoned(1, 13, 0, 1)],
        [NOON_UTC, LOCAL + timedelta(days=1)],
    ),
    (
        '[@"2026-03-12T00:00:00Z"..@"2026-03-13T00:00:00Z")',
        "datetime",
        [NOON_UTC, zoned(3, 3)],
        [zoned(3, 2, 59), LOCAL],
    ),
    ('date and time("2026-03-12T08:30:00.5")', "datetime", [LOCAL.replace(microsecond=500_000)], [LOCAL]),
    (
        'date and time("2026-03-12T13:00:00Z")',
        "datetime",
        [datetime(2026, 3, 12, 14, tzinfo=PARIS)],
        [datetime(2026, 3, 12, 13, tzinfo=PARIS)],
    ),
    # durations: days and time are another kind than years and months
    (
        'duration("P1D")',
        "days-duration",
        [timedelta(days=1), timedelta(hours=24)],
        [timedelta(hours=23), Months(1), 1, None],
    ),
    ('duration("PT36H")', "days-duration", [timedelta(days=1, hours=12)], [timedelta(days=1)]),
    (
        'duration("P1DT2H3M4.5S")',
        "days-duration",
        [timedelta(days=1, hours=2, minutes=3, seconds=4.5)],
        [timedelta(days=1)],
    ),
    ('duration("PT0S")', "days-duration", [timedelta(0)], [Months(0), 0, None]),
    ('duration("P0D")', "days-duration", [timedelta(0)], [Months(0)]),
    ('duration("-PT90M")', "days-duration", [timedelta(minutes=-90)], [timedelta(minutes=90)]),
    ('@"P2D"', "days-duration", [timedelta(days=2)], ["P2D"]),
    ('< duration("P1D")', "days-duration", [timedelta(hours=1), timedelta(days=-5)], [timedelta(days=1), Months(-1)]),
    ('[duration("PT1H")..@"PT2H"]', "days-duration", [timedelta(hours=1), timedelta(hours=2)], [timedelta(hours=3)]),
    ('duration("P1Y2M")', "months-duration", [Months(14)], [Months(12), timedelta(days=425), 14]),
    ('duration("P12M")', "months-duration", [Months(12)], [Months(1)]),
    ('duration("P1Y")', "months-duration", [Months(12)], [timedelta(days=365)]),
    ('duration("P0M"), duration("P0Y")', "months-duration", [Months(0)], [timedelta(0), 0]),
    ('duration("-P1Y6M")', "months-duration", [Months(-18)], [Months(18)]),
    ('> @"P6M"', "months-duration", [Months(7)], [Months(6), timedelta(days=999)]),
    ('(duration("P1Y")..duration("P2Y")]', "months-duration", [Months(24), Months(13)], [Months(12)]),
    ('duration("PT1.123456789S")', "days-duration", [timedelta(seconds=1.123456)], [timedelta(seconds=1)]),
    (
        '@"2026-03-12T08:30:00.123456789Z"',
        "datetime",
        [zoned(0, 8, 30).replace(microsecond=123_456)],
        [zoned(0, 8, 30)],
    ),
    # a column without a type compares values of one kind only
    ('date("2026-03-12"), date and time("2026-03-12T08:30:00")', "any", [date(2026, 3, 12), LOCAL], [NOON_UTC]),
    (
        '< 5, < "m", < date("2026-03-12")',
        "any",
        [4, "a", date(2026, 1, 1)],
        [5, "m", date(2026, 4, 1), True, None, LOCAL],
    ),
    ("5", "any", [5], ["5", True, object(), {"a": 5}, float("nan"), Decimal("sNaN"), b"5"]),
    ("not(5)", "any", ["5", True, None, float("nan"), {}], [5, 5.0, [5]]),
]

PAIRS = [(text, kind, value, True) for text, kind, fitting, _ in CELLS for value in fitting] + [
    (text, kind, value, False) for text, kind, _, missing in CELLS for value in missing
]

IDS = [f"{place}: {text} and {value!r}" for place, (text, _, value, _) in enumerate(PAIRS)]


@pytest.mark.parametrize(("text", "kind", "value", "fits"), PAIRS, ids=IDS)
def test_a_value_fits_a_cell_as_the_standard_says(text: str, kind: str, value: object, fits: bool) -> None:  # noqa: FBT001 - the expectation
    assert parse(text, kind).matches(value) is fits
    assert parse(text, kind).matches(value, {}) is fits


@pytest.mark.parametrize(("text", "kind", "value", "fits"), PAIRS, ids=IDS)
def test_a_column_without_a_type_decides_as_one_with_a_type(text: str, kind: str, value: object, fits: bool) -> None:  # noqa: FBT001 - the expectation
    assert kind is not None
    assert parse(text, "any").matches(value) is fits


NAMES: list[tuple[str, object, dict[str, object], bool]] = [
    ("limit", 5, {"limit": 5}, True),
    ("limit", 5, {"limit": 6}, False),
    ("< upper limit", 5, {"upper limit": 6}, True),
    ("< upper \n limit", 5, {"upper limit": 6}, True),
    ("[lower limit..upper limit]", 5, {"lower limit": 5, "upper limit": 6}, True),
    ("(lower limit..upper limit]", 5, {"lower limit": 5, "upper limit": 6}, False),
    ("]a..b[", 5, {"a": 4, "b": 6}, True),
    ("[1..b)", 5, {"b": 5}, False),
    ("[a..9]", 5, {"a": 5}, True),
    ("not(limit)", 5, {"limit": 5}, False),
    ("not(a, b)", 5, {"a": 4, "b": 6}, True),
    ("7, limit", 5, {"limit": 5}, True),
    ("!= limit", 5, {"limit": 6}, True),
    ("!= limit", 5, {"limit": "6"}, False),
    ("= limit", "a", {"limit": "a"}, True),
    ("limit", True, {"limit": 1}, False),
    ("limit", None, {"limit": None}, True),
    ("limit", None, {}, True),
    ("< limit", 5, {}, False),
    ("limit", date(2026, 3, 12), {"limit": LOCAL}, False),
    ("< limit", LOCAL, {"limit": LOCAL + timedelta(1)}, True),
    ("< limit", LOCAL, {"limit": NOON_UTC}, False),
    ("allowed", 5, {"allowed": [4, 5]}, True),
    ("allowed", 5, {"allowed": []}, False),
    ("allowed", [1, 5], {"allowed": [4, 5]}, True),
    ("not(allowed)", 5, {"allowed": [4, 5]}, False),
    ("< allowed", 5, {"allowed": [6, 7]}, False),
    ("!= allowed", 5, {"allowed": [6, 7]}, False),
    ("applicant.age", 5, {"applicant": {"age": 5}}, True),
    ("> applicant.limits.low", 5, {"applicant": {"limits": {"low": 4}}}, True),
    ("applicant.age", 5, {"applicant.age": 5}, True),
    ("applicant.age", None, {"applicant": 5}, True),
    ("people.age", 5, {"people": [{"age": 4}, {"age": 5}]}, True),
    ("date of birth", date(2000, 1, 1), {"date of birth": date(2000, 1, 1)}, True),
    ("> time to live", 5, {"time to live": 4}, True),
    ("true north", 5, {"true north": 5}, True),
    ("duration", 5, {"duration": 5}, True),
    ("time", 5, {"time": 5}, True),
    ("größe", 5, {"größe": 5}, True),
    ("利率", 5, {"利率": 5}, True),
    ("_x1", 5, {"_x1": 5}, True),
    ("credit-score", 5, {"credit-score": 5}, True),
    ("applicant's age", 5, {"applicant's age": 5}, True),
]


@pytest.mark.parametrize(("text", "value", "inputs", "fits"), NAMES, ids=range(len(NAMES)))
def test_a_name_is_what_another_input_is(text: str, value: object, inputs: dict[str, object], fits: bool) -> None:  # noqa: FBT001 - the expectation
    assert parse(text, "any").matches(value, inputs) is fits


@pytest.mark.parametrize("written", ["upper limit", "upper  limit", "upper\n\tlimit"])
def test_any_space_will_do_inside_a_declared_name(written: str) -> None:
    cell = parse(f"< {written}", "number", {"upper limit": "number", "upper": "number"})
    assert cell.referenced_inputs == {"upper limit"}
    assert cell.matches(5, {"upper limit": 6})


@pytest.mark.parametrize("name", ["not found", "in", "if any", "date", "time", "between", "P", "x", "not"])
def test_a_declared_name_may_be_a_word_of_the_language(name: str) -> None:
    cell = parse(f"> {name}, 5", "number", {name: "number"})
    assert cell.matches(7, {name: 6})


REFUSED = [
    ("+5", "number"),
    ("5.", "number"),
    ("1_000", "number"),
    ("1,5..2", "number"),
    ("--5", "number"),
    ("-x", "number"),
    ("5 - 1", "number"),
    ("2 * 3", "number"),
    ("a ** 2", "number"),
    ("Infinity + 1", "number"),
    ("? > 5", "number"),
    ("((5))", "number"),
    ("[[1..2]..3]", "number"),
    ("[1..2..3]", "number"),
    ("[1.2]", "number"),
    ("1 or 2", "number"),
    ("> 1 and < 5", "number"),
    ("between 1 and 5", "number"),
    ("in [1..5]", "number"),
    ("not 5", "number"),
    ("not(5), not(6)", "number"),
    ("!(5)", "number"),
    ("!= [1..5]", "number"),
    ("< [1..5]", "number"),
    ("!= -", "number"),
    ("<< 5", "number"),
    (">=", "number"),
    ("{a: 5}", "any"),
    ("if a then b else c", "any"),
    ("contains(x)", "any"),
    ('matches(?, "a")', "any"),
    ("today()", "any"),
    ("a[1]", "any"),
    ("a.b()", "any"),
    ("5; 6", "any"),
    ("// 5", "any"),
    ("5 /* five", "any"),
    ("≤ 5", "number"),
    ("“a”", "string"),
    ("'a'", "string"),
    ('"a" "b"', "string"),
    ('"a" + "b"', "string"),
    (r'"\q"', "string"),
    (r'"\u12"', "string"),
    (r'"\U110000"', "string"),
    ('date("2026-02-29")', "date"),
    ('date("2026-13-01")', "date"),
    ('date("26-01-01")', "date"),
    ('date("-0044-03-15")', "date"),
    ('date("12026-03-12")', "date"),
    ('date("2026-03-12T00:00:00")', "date"),
    ('date("2026-03-12Z")', "date"),
    ('date (" 2026-03-12")', "date"),
    ("date(2026, 3, 12)", "date"),
    ('date(date("2026-03-12"))', "date"),
    ('time("24:00:00")', "time"),
    ('time("08:60:00")', "time"),
    ('time("08:30:60")', "time"),
    ('time("8:30")', "time"),
    ('time("08:30:00+25:00")', "time"),
    ('time("08:30:00.")', "time"),
    ('time("08:30:00@Europe/Paris")', "time"),
    ('date and time("2026-03-12T24:00:00")', "datetime"),
    ('date and time("2026-03-12 08:30:00")', "datetime"),
    ('date and time("2026-03-12T08:30:00@Nowhere/Land")', "datetime"),
    ('date and time("2026-03-12T")', "datetime"),
    ('duration("P1Y1D")', "any"),
    ('duration("P1W")', "any"),
    ('duration("P1.5D")', "any"),
    ('duration("PT")', "any"),
    ('duration("P")', "any"),
    ('duration("+P1D")', "any"),
    ('duration("p1d")', "any"),
    ('duration("PT1M1H")', "any"),
    ('@""', "any"),
    ('@"P"', "any"),
    ("@2026-03-12", "any"),
    ('[date("2026-01-01")..date and time("2026-01-02T00:00:00")]', "any"),
    ('[time("08:00:00")..time("18:00:00Z")]', "time"),
    ('[duration("P1D")..duration("P1Y")]', "any"),
    ('["a"..5]', "any"),
    ("[5..1]", "number"),
    ("[5..5)", "number"),
    ('["b".."a"]', "string"),
    ("[null..5]", "any"),
    ("[true..false]", "any"),
    ("> null", "any"),
    ("<= false", "any"),
    ("5", "string"),
    ('"5"', "number"),
    ('"true"', "boolean"),
    ("1", "boolean"),
    ('"2026-03-12"', "date"),
    ('date("2026-03-12")', "datetime"),
    ('date and time("2026-03-12T00:00:00")', "date"),
    ('time("08:00:00")', "datetime"),
    ('duration("P1M")', "days-duration"),
    ('duration("PT1M")', "months-duration"),
]


@pytest.mark.parametrize(("text", "kind"), REFUSED)
def test_what_is_more_than_a_unary_test_of_the_type_is_refused(text: str, kind: str) -> None:
    with pytest.raises(CellError) as refused:
        parse(text, kind)
    assert str(refused.value)


def test_these_are_many_cases() -> None:
    assert len(PAIRS) + len(NAMES) + len(REFUSED) > 500
