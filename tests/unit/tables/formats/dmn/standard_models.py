"""Whole decision tables with their expected results, written from the text of the standard (DMN 1.5 §8, §9, §10.3)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import partial

from router.tables.feel.unary_test import Months
from tests.builders.dmn_models import DmnText, an_item

grade_model = partial(
    DmnText,
    inputs="x: number",
    outputs='grade: string {"high", "mid", "low"}',
    rules=('>= 1 => "low"', '>= 2 => "high"', '>= 3 => "mid"', '>= 4 => "low"'),
)
number_model = partial(
    DmnText, inputs="x: number", outputs="n: number", rules=(">= 1 => 10", ">= 2 => 2.5", ">= 3 => -1", ">= 4 => 10")
)
CEST = timezone(timedelta(hours=2))
NOON = datetime(2026, 3, 12, 12, tzinfo=UTC)
LOCAL_NOON = datetime(2026, 3, 12, 12)  # noqa: DTZ001 - FEEL has moments without a zone

MODELS: dict[str, DmnText] = {
    # -- single hits
    "unique, the default": DmnText(
        inputs='customer: string {"business", "private"} | size: number',
        outputs="discount: number",
        rules=('"business" | < 10 => 0.05', '"business" | >= 10 => 0.1', '"private" | - => 0'),
        given=(
            ({"customer": "business", "size": 9}, Decimal("0.05")),
            ({"customer": "business", "size": 10}, Decimal("0.1")),
            ({"customer": "private"}, 0),
            ({"customer": "other", "size": 1}, None),
            ({"customer": "business"}, None),
            ({}, None),
        ),
    ),
    "unique with an overlap": DmnText(
        inputs="x: number",
        outputs="y: string",
        rules=('< 10 => "a"', '> 5 => "b"'),
        given=(({"x": 1}, "a"), ({"x": 20}, "b"), ({"x": 7}, None)),
    ),
    "unique with an overlap and a default": DmnText(
        inputs="x: number",
        outputs='y: string = "z"',
        rules=('< 10 => "a"', '> 5 => "b"'),
        given=(({"x": 7}, None), ({"x": None}, "z"), ({"x": 5}, "a")),
    ),
    "unique, two rows of one output": DmnText(
        inputs="x: number",
        outputs="y: number",
        rules=("< 10 => 1", "> 5 => 1"),
        given=(({"x": 7}, None),),
    ),
    "first": grade_model(policy="FIRST", given=(({"x": 0}, None), ({"x": 1}, "low"), ({"x": 9}, "low"))),
    "first with a rest row": DmnText(
        policy="FIRST",
        inputs="x: number",
        outputs="y: number",
        rules=("< 10 => 1", "< 20 => 2", "- => 3"),
        given=(({"x": 5}, 1), ({"x": 15}, 2), ({"x": 25}, 3), ({"x": None}, 3), ({"x": "5"}, 3)),
    ),
    "any, the same": DmnText(
        policy="ANY",
        inputs="x: number",
        outputs="y: string",
        rules=('< 10 => "a"', '> 5 => "a"', '< 3 => "b"'),
        given=(({"x": 7}, "a"), ({"x": 4}, "a"), ({"x": 2}, None), ({"x": None}, None)),
    ),
    "any, several outputs": DmnText(
        policy="ANY",
        inputs="x: number",
        outputs="a: number | b: string",
        rules=('> 1 => 1 | "p"', '> 2 => 1 | "p"', '> 3 => 1 | "q"'),
        given=(({"x": 3}, {"a": 1, "b": "p"}), ({"x": 4}, None)),
    ),
    "any, numbers written in two ways": DmnText(
        policy="ANY",
        inputs="x: number",
        outputs="a: number",
        rules=("> 1 => 1.50", "> 2 => 1.5"),
        given=(({"x": 3}, Decimal("1.5")),),
    ),
    "any with null": DmnText(
        policy="ANY",
        inputs="x: number",
        outputs="a: number",
        rules=("> 1 => null", "> 2 => null", "> 3 => 0"),
        given=(({"x": 3}, None), ({"x": 4}, None)),
    ),
    "priority": grade_model(
        policy="PRIORITY", given=(({"x": 1}, "low"), ({"x": 2}, "high"), ({"x": 4}, "high"), ({"x": 0}, None))
    ),
    "priority with a default": DmnText(
        policy="PRIORITY",
        inputs="x: number",
        outputs='y: string {"a", "b"} = "b"',
        rules=('> 1 => "b"', '> 2 => "a"'),
        given=(({"x": 3}, "a"), ({"x": 2}, "b"), ({"x": 0}, "b")),
    ),
    "priority of numbers, not by size": DmnText(
        policy="PRIORITY",
        inputs="x: number",
        outputs="y: number {5, 9, 1}",
        rules=("> 0 => 1", "> 1 => 9", "> 2 => 5"),
        given=(({"x": 1}, 1), ({"x": 2}, 9), ({"x": 3}, 5)),
    ),
    "priority, column by column": DmnText(
        policy="PRIORITY",
        inputs="x: number",
        outputs='a: string {"p", "q"} | b: number {2, 1}',
        rules=('> 0 => "q" | 2', '> 1 => "p" | 1', '> 2 => "p" | 2'),
        given=(({"x": 1}, {"a": "q", "b": 2}), ({"x": 2}, {"a": "p", "b": 1}), ({"x": 3}, {"a": "p", "b": 2})),
    ),
    "priority with a column without values": DmnText(
        policy="PRIORITY",
        inputs="x: number",
        outputs='note: string | grade: string {"A", "B"}',
        rules=('> 0 => "first" | "B"', '> 1 => "second" | "A"'),
        given=(({"x": 2}, {"note": "second", "grade": "A"}),),
    ),
    "priority of dates": DmnText(
        policy="PRIORITY",
        inputs="x: number",
        outputs='d: date {date("2027-01-01"), date("2026-01-01")}',
        rules=('> 0 => date("2026-01-01")', '> 1 => @"2027-01-01"'),
        given=(({"x": 2}, date(2027, 1, 1)), ({"x": 1}, date(2026, 1, 1))),
    ),
    # -- several hits
    "rule order": grade_model(
        policy="RULE ORDER", given=(({"x": 4}, ["low", "high", "mid", "low"]), ({"x": 1}, ["low"]), ({"x": 0}, []))
    ),
    "rule order with a default": DmnText(
        policy="RULE ORDER",
        inputs="x: number",
        outputs='y: string = "none"',
        rules=('> 1 => "a"', '> 2 => "b"'),
        given=(({"x": 3}, ["a", "b"]), ({"x": 0}, ["none"])),
    ),
    "rule order, several outputs": DmnText(
        policy="RULE ORDER",
        inputs="x: number",
        outputs="a: number | b: boolean",
        rules=("> 1 => 1 | true", "> 2 => 2 | false"),
        given=(({"x": 3}, [{"a": 1, "b": True}, {"a": 2, "b": False}]), ({"x": 0}, [])),
    ),
    "output order": grade_model(
        policy="OUTPUT ORDER", given=(({"x": 4}, ["high", "mid", "low", "low"]), ({"x": 1}, ["low"]), ({"x": 0}, []))
    ),
    "output order, column by column": DmnText(
        policy="OUTPUT ORDER",
        inputs="x: number",
        outputs='a: string {"p", "q"} | b: number {2, 1}',
        rules=('> 0 => "q" | 1', '> 0 => "p" | 1', '> 0 => "q" | 2', '> 0 => "p" | 2'),
        given=(({"x": 1}, [{"a": a, "b": b} for a in "pq" for b in (2, 1)]),),
    ),
    "collect": grade_model(policy="COLLECT", given=(({"x": 3}, ["low", "high", "mid"]), ({"x": 0}, []))),
    "collect, several outputs": DmnText(
        policy="COLLECT",
        inputs="x: number",
        outputs="a: number | b: number",
        rules=("- => 1 | 2", "- => 3 | 4"),
        given=(({}, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]),),
    ),
    "collect with repetitions": DmnText(
        policy="COLLECT",
        inputs="x: number",
        outputs="a: number",
        rules=("- => 1", "- => 1", "- => 1"),
        given=(({}, [1, 1, 1]),),
    ),
    "sum": number_model(
        policy="COLLECT SUM",
        given=(({"x": 1}, 10), ({"x": 2}, Decimal("12.5")), ({"x": 4}, Decimal("21.5")), ({"x": 0}, None)),
    ),
    "sum of tenths": DmnText(
        policy="COLLECT SUM",
        inputs="x: number",
        outputs="n: number",
        rules=("- => 0.1", "- => 0.2"),
        given=(({}, Decimal("0.3")),),
    ),
    "sum with a default": DmnText(
        policy="COLLECT SUM",
        inputs="x: number",
        outputs="n: number = 0",
        rules=("> 1 => 5", "> 2 => 6"),
        given=(({"x": 3}, 11), ({"x": 0}, 0)),
    ),
    "minimum": number_model(policy="COLLECT MIN", given=(({"x": 2}, Decimal("2.5")), ({"x": 4}, -1), ({"x": 0}, None))),
    "maximum": number_model(policy="COLLECT MAX", given=(({"x": 2}, 10), ({"x": 4}, 10), ({"x": 0}, None))),
    "count": number_model(policy="COLLECT COUNT", given=(({"x": 2}, 2), ({"x": 4}, 4), ({"x": 0}, 0), ({}, 0))),
    "count of strings": grade_model(policy="COLLECT COUNT", given=(({"x": 4}, 4), ({"x": 0}, 0))),
    # -- outputs
    "several outputs": DmnText(
        inputs="x: number",
        outputs="rate: number | text: string | ok: boolean | none: Any",
        rules=('> 0 => -1.5 | "a \\"b\\"" | true | null', '<= 0 => 0 | "" | false | "x"'),
        given=(
            ({"x": 1}, {"rate": Decimal("-1.5"), "text": 'a "b"', "ok": True, "none": None}),
            ({"x": 0}, {"rate": 0, "text": "", "ok": False, "none": "x"}),
        ),
    ),
    "several outputs with defaults": DmnText(
        inputs="x: number",
        outputs='a: number = 1 | b: string = "d"',
        rules=('> 0 => 2 | "e"',),
        given=(({"x": 1}, {"a": 2, "b": "e"}), ({"x": 0}, {"a": 1, "b": "d"})),
    ),
    "a default for one of two outputs": DmnText(
        inputs="x: number",
        outputs="a: number = 1 | b: string",
        rules=('> 0 => 2 | "e"',),
        given=(({"x": 0}, {"a": 1, "b": None}),),
    ),
    "outputs of every type": DmnText(
        inputs="",
        outputs="d: date | t: time | m: date and time | s: days and time duration | y: years and months duration",
        rules=('=> date("2026-03-12") | time("08:30:00") | @"2026-03-12T12:00:00Z" | duration("-P1DT1H") | @"P1Y2M"',),
        given=(
            (
                {},
                {
                    "d": date(2026, 3, 12),
                    "t": time(8, 30),
                    "m": NOON,
                    "s": timedelta(days=-1, hours=-1),
                    "y": Months(14),
                },
            ),
        ),
    ),
    "null as the decision": DmnText(
        inputs="x: number",
        outputs="y: number = 7",
        rules=("1 => null",),
        given=(({"x": 1}, None), ({"x": 2}, 7)),
    ),
    "only a default": DmnText(inputs="x: number", outputs="y: number = 7", rules=(), given=(({"x": 1}, 7), ({}, 7))),
    "no rule at all": DmnText(
        policy="COLLECT COUNT", inputs="x: number", outputs="y: number", rules=(), given=(({"x": 1}, 0),)
    ),
    "no input at all": DmnText(inputs="", outputs="y: number", rules=("=> 5",), given=(({}, 5), ({"z": 1}, 5))),
    # -- types of inputs
    "booleans": DmnText(
        inputs="a: boolean | b: boolean",
        outputs="y: string",
        rules=('true | true => "both"', 'true | false => "a"', 'false | - => "no"', 'null | - => "unknown"'),
        given=(
            ({"a": True, "b": True}, "both"),
            ({"a": True, "b": False}, "a"),
            ({"a": False}, "no"),
            ({}, "unknown"),
            ({"a": 1, "b": 1}, None),
            ({"a": "true"}, None),
        ),
    ),
    "dates": DmnText(
        inputs="d: date",
        outputs="q: number",
        rules=(
            '[date("2026-01-01")..date("2026-04-01")) => 1',
            '[@"2026-04-01"..@"2026-07-01") => 2',
            '>= date("2026-07-01") => 3',
            '< date("2026-01-01") => 0',
        ),
        given=(
            ({"d": date(2026, 3, 31)}, 1),
            ({"d": date(2026, 4, 1)}, 2),
            ({"d": date(2030, 1, 1)}, 3),
            ({"d": date(1999, 1, 1)}, 0),
            ({"d": "2026-03-31"}, None),
            ({"d": LOCAL_NOON}, None),
            ({"d": None}, None),
        ),
    ),
    "times": DmnText(
        inputs="t: time",
        outputs="y: string",
        rules=('[time("08:00:00")..time("18:00:00")) => "day"', '< time("08:00:00"), >= time("18:00:00") => "night"'),
        given=(
            ({"t": time(8)}, "day"),
            ({"t": time(18)}, "night"),
            ({"t": time(7, 59, 59)}, "night"),
            ({"t": time(9, tzinfo=UTC)}, None),
        ),
    ),
    "times with a zone": DmnText(
        inputs="t: time",
        outputs="y: string",
        rules=('< time("12:00:00Z") => "before"', '>= time("12:00:00Z") => "after"'),
        given=(
            ({"t": time(13, tzinfo=CEST)}, "before"),
            ({"t": time(14, tzinfo=CEST)}, "after"),
            ({"t": time(1)}, None),
        ),
    ),
    "moments": DmnText(
        inputs="m: date and time",
        outputs="y: string",
        rules=(
            '< date and time("2026-03-12T12:00:00Z") => "before"',
            'date and time("2026-03-12T14:00:00+02:00") => "then"',
            '> date and time("2026-03-12T13:00:00@Europe/Paris") => "after"',
        ),
        given=(
            ({"m": NOON}, "then"),
            ({"m": NOON - timedelta(seconds=1)}, "before"),
            ({"m": NOON.astimezone(CEST)}, "then"),
            ({"m": NOON + timedelta(microseconds=1)}, "after"),
            ({"m": LOCAL_NOON}, None),
            ({"m": date(2026, 3, 12)}, None),
        ),
    ),
    "days and time": DmnText(
        inputs="s: days and time duration",
        outputs="y: string",
        rules=(
            '<= duration("PT4H") => "gold"',
            '(duration("PT4H")..duration("P1D")] => "silver"',
            '> duration("P1D") => "late"',
        ),
        given=(
            ({"s": timedelta(hours=4)}, "gold"),
            ({"s": timedelta(hours=24)}, "silver"),
            ({"s": timedelta(days=2)}, "late"),
            ({"s": timedelta(hours=-1)}, "gold"),
            ({"s": Months(1)}, None),
            ({"s": 4}, None),
        ),
    ),
    "years and months": DmnText(
        inputs="y: years and months duration",
        outputs="r: number",
        rules=('< duration("P1Y") => 1', 'duration("P12M") => 2', '> duration("P1Y") => 3'),
        given=(
            ({"y": Months(11)}, 1),
            ({"y": Months(12)}, 2),
            ({"y": Months(13)}, 3),
            ({"y": timedelta(days=365)}, None),
        ),
    ),
    "no type: anything, each with its own kind": DmnText(
        policy="FIRST",
        inputs="x",
        outputs="kind: string",
        rules=(
            'null => "null"',
            'true, false => "boolean"',
            '< 0, >= 0 => "number"',
            'date("2026-03-12") => "date"',
            '>= "" => "string"',
            'duration("P1D") => "days"',
            'duration("P1M") => "months"',
            '- => "other"',
        ),
        given=(
            ({}, "null"),
            ({"x": False}, "boolean"),
            ({"x": 0}, "number"),
            ({"x": Decimal("-.5")}, "number"),
            ({"x": ""}, "string"),
            ({"x": "0"}, "string"),
            ({"x": date(2026, 3, 12)}, "date"),
            ({"x": LOCAL_NOON}, "other"),
            ({"x": timedelta(1)}, "days"),
            ({"x": Months(1)}, "months"),
            ({"x": object()}, "other"),
            ({"x": []}, "other"),
            ({"x": ["a"]}, "string"),
        ),
    ),
    "the type Any": DmnText(
        inputs="x: Any",
        outputs="y: Any",
        rules=('5 => "five"', '"5" => 5', "true => null"),
        given=(({"x": 5}, "five"), ({"x": "5"}, 5), ({"x": True}, None), ({"x": 1}, None)),
    ),
    "every operator": DmnText(
        policy="COLLECT",
        inputs="x: number",
        outputs="op: string",
        rules=(
            '< 5 => "<"',
            '<= 5 => "<="',
            '> 5 => ">"',
            '>= 5 => ">="',
            '= 5 => "="',
            '!= 5 => "!="',
            '5 => "5"',
            'not(5) => "not"',
        ),
        given=(
            ({"x": 4}, ["<", "<=", "!=", "not"]),
            ({"x": 5}, ["<=", ">=", "=", "5"]),
            ({"x": 6}, [">", ">=", "!=", "not"]),
            ({"x": None}, ["not"]),
            ({"x": "5"}, ["not"]),
            ({"x": True}, ["not"]),
            ({"x": 5.0}, ["<=", ">=", "=", "5"]),
        ),
    ),
    "every bracket": DmnText(
        policy="COLLECT",
        inputs="x: number",
        outputs="i: string",
        rules=(
            '[1..3] => "[]"',
            '(1..3) => "()"',
            '[1..3) => "[)"',
            '(1..3] => "(]"',
            ']1..3[ => "]["',
            ']1..3] => "]]"',
            '[1..3[ => "[["',
        ),
        given=(
            ({"x": 1}, ["[]", "[)", "[["]),
            ({"x": 3}, ["[]", "(]", "]]"]),
            ({"x": 2}, ["[]", "()", "[)", "(]", "][", "]]", "[["]),
            ({"x": 0}, []),
            ({"x": None}, []),
        ),
    ),
    "null in every place": DmnText(
        policy="COLLECT",
        inputs="x: number",
        outputs="c: string",
        rules=(
            '- => "-"',
            'null => "null"',
            'not(null) => "not(null)"',
            '!= null => "!= null"',
            '= null => "= null"',
            '5, null => "5, null"',
            'not(5) => "not(5)"',
            '!= 5 => "!= 5"',
            '[0..9] => "[0..9]"',
            '< 5 => "< 5"',
        ),
        given=(
            ({"x": None}, ["-", "null", "= null", "5, null", "not(5)"]),
            ({}, ["-", "null", "= null", "5, null", "not(5)"]),
            ({"x": 5}, ["-", "not(null)", "!= null", "5, null", "[0..9]"]),
        ),
    ),
    "lists": DmnText(
        policy="COLLECT",
        inputs="tags: string",
        outputs="y: string",
        rules=('"a" => "a"', '"b", "c" => "b or c"', 'not("a") => "no a"', 'null => "null"', '- => "-"'),
        given=(
            ({"tags": ["a", "b"]}, ["a", "b or c", "-"]),
            ({"tags": []}, ["no a", "-"]),
            ({"tags": ["c"]}, ["b or c", "no a", "-"]),
            ({"tags": "a"}, ["a", "-"]),
            ({"tags": [None]}, ["no a", "null", "-"]),
            ({"tags": ("x",)}, ["no a", "-"]),
        ),
    ),
    "lists of numbers": DmnText(
        policy="COLLECT",
        inputs="n: number",
        outputs="y: string",
        rules=('> 10 => "big"', '[1..3] => "small"', 'not(> 10) => "none big"'),
        given=(({"n": [2, 20]}, ["big", "small"]), ({"n": [5]}, ["none big"]), ({"n": [True, "20"]}, ["none big"])),
    ),
    # -- names
    "another input": DmnText(
        policy="FIRST",
        inputs="amount: number | limit: number",
        outputs="y: string",
        rules=('<= limit | - => "within"', '- | null => "no limit"', '- | - => "above"'),
        given=(
            ({"amount": 5, "limit": 5}, "within"),
            ({"amount": 6, "limit": 5}, "above"),
            ({"amount": 6}, "no limit"),
            ({"amount": "5", "limit": 5}, "above"),
        ),
    ),
    "names with spaces": DmnText(
        inputs="order size: number | minimum order size: number | order: number",
        outputs="y: boolean",
        rules=(">= minimum order size | - | - => true", "< minimum  order   size | - | - => false"),
        given=(({"order size": 5, "minimum order size": 5}, True), ({"order size": 4, "minimum order size": 5}, False)),
    ),
    "an interval of names": DmnText(
        policy="FIRST",
        inputs="x: number | low: number | high: number",
        outputs="y: string",
        rules=('[low..high) | - | - => "in"', '- | - | - => "out"'),
        given=(
            ({"x": 1, "low": 1, "high": 2}, "in"),
            ({"x": 2, "low": 1, "high": 2}, "out"),
            ({"x": 2, "low": 9, "high": 1}, "out"),
            ({"x": 2, "low": None, "high": 3}, "out"),
        ),
    ),
    "a list by its name": DmnText(
        policy="FIRST",
        inputs="country: string | blocked",
        outputs="ok: boolean",
        rules=("blocked | - => false", "- | - => true"),
        given=(
            ({"country": "X", "blocked": ["X", "Y"]}, False),
            ({"country": "Z", "blocked": ["X"]}, True),
            ({"country": "Z", "blocked": []}, True),
            ({"country": "X", "blocked": "X"}, False),
        ),
    ),
    "not of a name": DmnText(
        inputs="a: string | b: string",
        outputs="y: string",
        rules=('not(b) | - => "differ"', 'b | - => "same"'),
        given=(({"a": "p", "b": "q"}, "differ"), ({"a": "p", "b": "p"}, "same"), ({"a": "p"}, "differ"), ({}, "same")),
    ),
    "dates by name": DmnText(
        inputs="due: date | paid: date",
        outputs="late: boolean",
        rules=("- | > due => true", "- | <= due => false"),
        given=(
            ({"due": date(2026, 3, 1), "paid": date(2026, 3, 2)}, True),
            ({"due": date(2026, 3, 1), "paid": date(2026, 3, 1)}, False),
            ({"due": date(2026, 3, 1), "paid": LOCAL_NOON}, None),
        ),
    ),
    "paths": DmnText(
        inputs="applicant.age: number | applicant.address.country: string",
        outputs="y: string",
        rules=('>= 18 | "DE" => "yes"', '< 18 | - => "no"'),
        given=(
            ({"applicant": {"age": 18, "address": {"country": "DE"}}}, "yes"),
            ({"applicant": {"age": 17}}, "no"),
            ({"applicant.age": 17}, "no"),
            ({"applicant": None}, None),
            ({"applicant": {"age": 18, "address": "DE"}}, None),
        ),
    ),
    "names of other scripts": DmnText(
        inputs="größe: number | 利率: number",
        outputs="résultat: string",
        rules=('> 利率 | - => "größer"', '<= 利率 | - => "kleiner"'),
        given=(({"größe": 5, "利率": 4}, "größer"), ({"größe": 4, "利率": 4}, "kleiner")),
    ),
    "a variable that no column tests": DmnText(
        inputs="x: number",
        outputs="y: string",
        rules=('[low..high] => "in"', '< low, > high => "out"'),
        items='<inputData name="low"><variable name="low" typeRef="number"/></inputData>\n<inputData name="high"/>\n',
        given=(({"x": 5, "low": 1, "high": 9}, "in"), ({"x": 10, "low": 1, "high": 9}, "out"), ({"x": 5}, None)),
    ),
    "a path into a variable that no column tests": DmnText(
        inputs="x: number",
        outputs="y: boolean",
        rules=("<= customer.limit => true", "> customer.limit => false"),
        items='<itemDefinition name="tCustomer"><itemComponent name="limit"><typeRef>number</typeRef></itemComponent>'
        "</itemDefinition>\n"
        '<inputData name="customer"><variable name="customer" typeRef="tCustomer"/></inputData>\n',
        given=(
            ({"x": 5, "customer": {"limit": 5}}, True),
            ({"x": 6, "customer": {"limit": 5}}, False),
            ({"x": 6}, None),
        ),
    ),
    "one expression in two columns": DmnText(
        inputs="x: number | x: number",
        outputs="y: boolean",
        rules=(">= 1 | <= 5 => true", "< 1 | - => false"),
        given=(({"x": 3}, True), ({"x": 0}, False), ({"x": 6}, None)),
    ),
    # -- allowed values and types of the model
    "a type of the model": DmnText(
        inputs="risk: tRisk",
        outputs="y: tGrade",
        policy="PRIORITY",
        rules=('"low" => "B"', '"low", "high" => "A"'),
        items=an_item("tRisk", "string", '"low", "high"') + an_item("tGrade", "string", '"A", "B"'),
        given=(({"risk": "low"}, "A"), ({"risk": "high"}, "A"), ({"risk": "other"}, None)),
    ),
    "a type of a type": DmnText(
        inputs="n: tPercent",
        outputs="y: boolean",
        rules=("> 50 => true", "<= 50 => false"),
        items=an_item("tPercent", "tAmount", "[0..100]") + an_item("tAmount", "number"),
        given=(({"n": 51}, True), ({"n": 50}, False), ({"n": "51"}, None)),
    ),
    "a list type": DmnText(
        inputs="tags: tTags",
        outputs="y: boolean",
        policy="FIRST",
        rules=('"urgent" => true', "- => false"),
        items=an_item("tTags", "string", is_list=True),
        given=(({"tags": ["x", "urgent"]}, True), ({"tags": ["x"]}, False), ({"tags": []}, False)),
    ),
    "values of an output as a range": DmnText(
        inputs="x: number",
        outputs="y: number {[0..10]}",
        rules=("> 0 => 5",),
        given=(({"x": 1}, 5),),
    ),
    "whitespace and line ends": DmnText(
        inputs=" order\n size : number",
        outputs="y: string",
        rules=('\n  [1 ..\n 5 ]\t => "a"', ' not( 1,\n [2 .. 5] ) => "b"'),
        given=(({"order size": 3}, "a"), ({"order size": 9}, "b")),
    ),
    "strings with signs of XML": DmnText(
        inputs="s: string",
        outputs="y: string",
        rules=('"<a & b>" => "</text>"', '"\\u003ca\\tb" => "&amp;"'),
        given=(({"s": "<a & b>"}, "</text>"), ({"s": "<a\tb"}, "&amp;")),
    ),
    "a large table of mixed columns": DmnText(
        policy="FIRST",
        inputs="type: string | region: string | priority: number | planned: boolean",
        outputs="queue: string | days: number",
        rules=(
            '"created", "started" | "DE", "AT" | [1..3) | true => "dach" | 1',
            '"created" | not("DE", "AT") | < 3 | - => "world" | 2',
            'not("aborted") | - | >= 3 | false => "slow" | 9',
            '"aborted" | - | - | - => "drop" | 0',
        ),
        given=(
            ({"type": "started", "region": "AT", "priority": 2, "planned": True}, {"queue": "dach", "days": 1}),
            ({"type": "created", "region": "FR", "priority": 2}, {"queue": "world", "days": 2}),
            ({"type": "created", "priority": 0}, {"queue": "world", "days": 2}),
            ({"type": None, "priority": 3, "planned": False}, {"queue": "slow", "days": 9}),
            ({"type": "aborted"}, {"queue": "drop", "days": 0}),
            ({"type": "started", "region": "AT", "priority": 3, "planned": True}, None),
        ),
    ),
}
