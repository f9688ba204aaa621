"""Read JSON leniently: whatever a system sends, the result is a value of the expected type or nothing."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeGuard

import orjson

from consumers.spokes.conventions.body_limits import check_values
from consumers.spokes.port import NotUnderstoodError
from schemas.run_document import JsonText
from schemas.text.exact_numbers import WrittenNumber
from schemas.text.json_body import NOT_UTF8, read_json_body

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from schemas.run_document import JsonValue
    from schemas.text.json_types import Json

_LONG_LIMIT = 2**63  # Avro's long
_MAX_FLOAT_DIGITS = 300
_CHARSET_HINT = "; media_types.charset of its profile can say it for a system that does not"
_MAX_WRAPPERS = 5  # objects around one value
UNIT_FIELDS = ("unitOfMeasure", "unit", "units", "uom")
_TRUTH_VALUES = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_WRAPPER_FIELDS = frozenset({"value", "alias", "name", "id", "type", "valueType", *UNIT_FIELDS})


def parse_json(body: bytes, content_type: str | None) -> object:
    """Parse a body.

    Raises:
        NotUnderstoodError: it is not JSON, or has too many values.
    """
    check_values(body)
    try:
        return read_json_body(body, content_type)
    except ValueError as error:
        hint = _CHARSET_HINT if NOT_UTF8 in str(error) else ""
        raise NotUnderstoodError(f"the body is not JSON: {error}{hint}") from None


def first_text(thing: Mapping[str, object], *keys: str) -> str | None:
    """Return the first of these fields that holds a text or a number, as text; None if it is empty."""
    for key in keys:
        value = thing.get(key)
        if value is not None and (found := as_text(value)):
            return found
    return None


def as_text(value: object) -> str | None:
    """Return a text or a number as text; None if it is empty."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    # Databases refuse NUL in a text.
    return str(value).replace("\x00", "").strip() or None


def as_number(value: object) -> float | None:
    """Read a finite number, also from a text: ServiceNow sends "0.0001"."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def as_whole_number(value: object) -> int | None:
    """Read a whole number that 64 bits hold, also from a text; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        found = Decimal(str(value).strip())  # a float holds 53 bits
    except InvalidOperation:
        return None
    # An exponent without bounds would make a number of as many digits.
    return int(found) if found.is_finite() and abs(found) < _LONG_LIMIT and found % 1 == 0 else None


def as_truth_value(value: object) -> bool | None:
    """Read a truth value, also as a text or number: ServiceNow sends "0"."""
    if isinstance(value, bool):
        return value
    return _TRUTH_VALUES.get((as_text(value) or "").casefold())


def as_moment(value: object, *, needs_zone: bool = False) -> datetime | None:
    """Read RFC 3339, or `YYYY-MM-DD HH:MM:SS`, as UTC unless the text has to name its time zone."""
    try:
        found = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
        if found is None or (needs_zone and found.tzinfo is None):
            return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def wrapped_in(value: object) -> Iterator[Json]:
    """Return the objects that a value is wrapped in, from outside: `{value, alias}`, or `{value, unit}`.

    An object with other fields than those is a value itself, except the outermost one, which is a Characteristic.
    """
    for depth in range(_MAX_WRAPPERS):
        if not isinstance(value, dict) or "value" not in value or (depth and not _is_wrapper(value)):
            return
        yield value
        value = value["value"]


def unwrapped(value: object) -> object:
    """Return the value that stands in such objects."""
    if not isinstance(value, dict):  # nearly always
        return value
    wrappers = [*wrapped_in(value)]
    return wrappers[-1]["value"] if wrappers else value


def _is_wrapper(value: Json) -> bool:
    return all(key in _WRAPPER_FIELDS or key.startswith("@") for key in value)


def as_mapping(value: object) -> Json:
    """Return the object, or an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    """Return the list; a single value is a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def as_json_value(value: object) -> JsonValue:
    """Convert any JSON value to one that our events can carry; a number that 64 bits do not hold becomes a text.

    Raises:
        NotUnderstoodError: it is nested too deeply.
    """
    if isinstance(value, WrittenNumber) or _is_long(value):
        return _long_number(str(value))
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, (list, dict)):
        return _to_json_text(value)
    return value if value is None or isinstance(value, (bool, int, float)) else None


def _to_json_text(value: object) -> JsonText:
    try:
        return JsonText(json_text=orjson.dumps(value).decode())
    except TypeError:
        raise NotUnderstoodError("a value is nested too deeply") from None


def is_changed(value: object) -> bool:
    """Return whether a value has a number that 64 bits do not hold, which `as_json_value` keeps as text."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (list, dict)):
            waiting += one.values() if isinstance(one, dict) else one
        elif isinstance(one, WrittenNumber) and (one is not value or isinstance(as_json_value(one), str)):
            return True
    return _is_long(value) and isinstance(as_json_value(value), str)


def _is_long(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not -_LONG_LIMIT <= value < _LONG_LIMIT


def _long_number(literal: str) -> float | str:
    """Return a number that 64 bits do not hold as a float if that is the same number, else as text."""
    if len(literal) > _MAX_FLOAT_DIGITS or not literal.lstrip("-").isdigit():
        return literal
    return float(literal) if int(float(literal)) == int(literal) else literal
