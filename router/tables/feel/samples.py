"""Find a value that lies strictly between two others of the same kind, if there is one."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING, Any

from router.tables.feel.values import Months, ValueKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)  # the default context would round to 28 digits
_HALF = Decimal("0.5")
_MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60_000_000
_DAY = 24 * 60 * _MINUTE
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# A time in UTC may fall on the day before or after; then another offset can express it.
_OFFSETS = (0, 12 * 60, -12 * 60, 24 * 60 - 1, 1 - 24 * 60)

# One value of each kind, for use where any value will do.
SAMPLES: Mapping[ValueKind, object] = {
    ValueKind.STRING: "something else",
    ValueKind.NUMBER: 0,
    ValueKind.BOOLEAN: True,
    ValueKind.DATE: date(2000, 1, 1),
    ValueKind.TIME: time(12),
    ValueKind.ZONED_TIME: time(12, tzinfo=UTC),
    ValueKind.ZONED_DATETIME: _EPOCH,
    ValueKind.DATETIME: _EPOCH.replace(tzinfo=None),
    ValueKind.DAYS: timedelta(days=1),
    ValueKind.MONTHS: Months(1),
}


def value_between(kind: ValueKind, low: object, high: object) -> object:
    """Return a value of a kind above `low` and below `high`; None if there is none. A bound of None is no bound."""
    if kind is ValueKind.NUMBER:
        return _number_between(low, high)
    if kind is ValueKind.STRING:
        return _string_between(low, high)
    countable = _COUNTABLE_KINDS.get(kind)
    return None if countable is None else _countable_between(countable, low, high)


def _number_between(low: Any, high: Any) -> object:  # noqa: ANN401 - whole numbers and decimals compare with each other
    if low is None or high is None:
        return _add_exactly(high, -1) if low is None else _add_exactly(low, 1)
    if isinstance(low, int) and low + 1 < high:
        return low + 1
    return _EXACT.multiply(_EXACT.add(Decimal(low), Decimal(high)), _HALF)


def _add_exactly(number: int | Decimal, step: int) -> int | Decimal:
    return number + step if isinstance(number, int) else _EXACT.add(number, Decimal(step))


def _string_between(low: Any, high: Any) -> object:  # noqa: ANN401 - texts
    candidates = [SAMPLES[ValueKind.STRING], *(["", " "] if low is None else [low + end for end in ("x", " ", "\0")])]
    return next((text for text in candidates if (low is None or low < text) and (high is None or text < high)), None)


class _CountableKind:
    """A kind whose values can be numbered.

    `to_number` returns the number of a value, `from_number` the value of a number. `steps` are the distances from a
    bound that are tried, the roundest first.
    """

    def __init__(
        self, count: Callable[[Any], int], value: Callable[[int], object], *, steps: tuple[int, ...] = (1,)
    ) -> None:
        self.to_number = count
        self.from_number = value
        self.steps = steps


def _countable_between(kind: _CountableKind, low: object, high: object) -> object:
    first = None if low is None else kind.to_number(low)
    last = None if high is None else kind.to_number(high)
    for number in _numbers_between(first, last, kind.steps):
        try:
            return kind.from_number(number)
        except (OverflowError, ValueError):
            continue  # outside of Python's calendar
    return None


def _numbers_between(first: int | None, last: int | None, steps: tuple[int, ...]) -> Iterator[int]:
    """Yield numbers strictly between two, at the largest distance in `steps` first."""
    for step in steps:
        if first is not None and (last is None or first + step < last):
            yield first + step
        if last is not None and (first is None or last - step > first):
            yield last - step


def _microseconds_of_day(value: time) -> int:
    """Return the microseconds since midnight, in UTC if the time has a zone."""
    since = timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    return (since - (value.utcoffset() or timedelta())) // _MICROSECOND


def _time(count: int) -> time:
    if not 0 <= count < _DAY:
        raise ValueError("outside of the day")
    return (datetime.min + count * _MICROSECOND).time()  # noqa: DTZ901 - only its clock is used


def _zoned_time(count: int) -> time:
    for minutes in _OFFSETS:
        if 0 <= count + minutes * _MINUTE < _DAY:
            return _time(count + minutes * _MINUTE).replace(tzinfo=timezone(timedelta(minutes=minutes)))
    raise ValueError("outside of the day everywhere")


_TIME_STEPS = (60 * _MINUTE, _MINUTE, 1_000_000, 1)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)

_COUNTABLE_KINDS: Mapping[ValueKind, _CountableKind] = {
    ValueKind.DATE: _CountableKind(lambda value: value.toordinal(), date.fromordinal),
    ValueKind.TIME: _CountableKind(_microseconds_of_day, _time, steps=_TIME_STEPS),
    ValueKind.ZONED_TIME: _CountableKind(_microseconds_of_day, _zoned_time, steps=_TIME_STEPS),
    ValueKind.DATETIME: _CountableKind(
        lambda value: (value - _NAIVE_EPOCH) // _MICROSECOND,
        lambda count: _NAIVE_EPOCH + count * _MICROSECOND,
        steps=(_DAY, *_TIME_STEPS),
    ),
    ValueKind.ZONED_DATETIME: _CountableKind(
        lambda value: (value - _EPOCH) // _MICROSECOND,
        lambda count: _EPOCH + count * _MICROSECOND,
        steps=(_DAY, *_TIME_STEPS),
    ),
    ValueKind.DAYS: _CountableKind(
        lambda value: value // _MICROSECOND, lambda count: count * _MICROSECOND, steps=(_DAY, *_TIME_STEPS)
    ),
    ValueKind.MONTHS: _CountableKind(lambda value: value.count, Months),
}
