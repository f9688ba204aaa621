"""Two values of one kind compare as in Python, and values of different kinds never compare."""

from __future__ import annotations

import operator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from router.tables.feel.unary_test import Months, parse
from router.tables.feel.writer import literal_text

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
ZONES = st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours)))
DAYS = st.dates(date(2026, 1, 1), date(2026, 1, 4))
FIRST, LAST = datetime(2026, 1, 1), datetime(2026, 1, 3)  # noqa: DTZ001 - the strategies add the zones
KINDS: list[tuple[bool, st.SearchStrategy[Any]]] = [  # whether the kind has an order
    (True, st.integers(-3, 3) | st.decimals(-3, 3, places=1) | st.sampled_from([0.5, -0.5, 3.0])),
    (True, st.text("ab", max_size=2)),
    (True, DAYS),
    (True, st.times(time(8), time(9))),
    (True, st.times(time(8), time(9), timezones=ZONES)),
    (True, st.datetimes(FIRST, LAST)),
    (True, st.datetimes(FIRST, LAST, timezones=ZONES)),
    (True, st.integers(-2, 2).map(lambda hours: timedelta(hours=hours))),
    (True, st.integers(-2, 2).map(Months)),
    (False, st.booleans()),
]


def exact(value: Any) -> Any:  # noqa: ANN401 - any value
    return Decimal(str(value)) if isinstance(value, float) else value


@given(data=st.data(), how=st.sampled_from(sorted(OPERATORS)))
def test_values_of_one_kind_compare_as_they_do_in_python(data: st.DataObject, how: str) -> None:
    has_order, values = data.draw(st.sampled_from(KINDS))
    if not has_order and how not in ("=", "!="):
        how = "="
    here, there = exact(data.draw(values)), data.draw(values)
    assert parse(f"{how} {literal_text(here)}", "any").matches(there) is OPERATORS[how](exact(there), here)
    assert parse(f"{how} other", "any").matches(there, {"other": here}) is OPERATORS[how](exact(there), here)


@given(data=st.data(), how=st.sampled_from(sorted(OPERATORS)))
def test_values_of_two_kinds_never_compare(data: st.DataObject, how: str) -> None:
    one, other = data.draw(st.lists(st.sampled_from(range(len(KINDS))), min_size=2, max_size=2, unique=True))
    here, there = exact(data.draw(KINDS[one][1])), data.draw(KINDS[other][1])
    assert not parse(f"{how} other", "any").matches(there, {"other": here})
    if KINDS[one][0] or how in ("=", "!="):
        assert not parse(f"{how} {literal_text(here)}", "any").matches(there)


@given(data=st.data())
def test_an_interval_holds_what_lies_between_its_ends(data: st.DataObject) -> None:
    _, values = data.draw(st.sampled_from([kind for kind in KINDS if kind[0]]))
    low, high = sorted([exact(data.draw(values)), exact(data.draw(values))])
    value = exact(data.draw(values))
    inside = parse("[low..high]", "any").matches(value, {"low": low, "high": high})
    assert inside is (low <= value <= high)
    assert parse(f"[{literal_text(low)}..{literal_text(high)}]", "any").matches(value) is inside
    if low != high:
        assert parse(f"({literal_text(low)}..{literal_text(high)})", "any").matches(value) is (low < value < high)
