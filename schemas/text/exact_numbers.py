"""Notice numbers of a text that 64 bits do not hold: reading them as a float or an int would change them."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import NoReturn

import orjson

_MAX_SHOWN = 60  # characters of a number in a sentence
_MAX_WHOLE_DIGITS = 20  # of 2**64, as of -2**63 with its sign
# A number of at least 16 digits, or with an exponent; anything shorter is exact.
_LONG_NUMBER = re.compile(rb"(?<=[\[:,\s])-?(?:[0-9.]{16,}|[0-9.]+[eE])[0-9.eE+-]*")
# What such a number has, and a text may have too, in a text with one digit and one exponent. Found ten times as fast.
_ONE_DIGIT = bytes.maketrans(b"123456789.E", b"0000000000e")
_LONG_DIGITS, _EXPONENT = b"0" * 16, b"0e"


class WrittenNumber(str):
    """A number that 64 bits do not hold, as it was written."""

    __slots__ = ()


def is_exact(literal: str) -> bool:
    """Return whether a float (IEEE 754 binary64) that is read from this text is written as the same number."""
    value = float(literal)
    try:
        return isfinite(value) and Decimal(literal) == Decimal(repr(value))
    except InvalidOperation:  # an exponent beyond all bounds
        return False


def inexact_number_sentence(literal: str) -> str:
    """Return what is wrong with a number that `is_exact` refuses, and what to do."""
    shown = literal if len(literal) <= _MAX_SHOWN else f"{literal[: _MAX_SHOWN - 1]}…"
    return f"64 bits do not hold the number {shown} exactly: send it as text, or with fewer digits"


def parse_exactly(text: bytes) -> object:
    """Parse JSON in UTF-8; a number that 64 bits do not hold becomes a `WrittenNumber`.

    Raises:
        ValueError: it is not JSON.
    """
    if not may_hold_inexact_numbers(text):
        return orjson.loads(text)
    orjson.loads(_LONG_NUMBER.sub(b"0", text))  # which is stricter than `json`
    try:
        return json.loads(text, parse_int=_whole, parse_float=_fraction, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def may_hold_inexact_numbers(text: bytes) -> bool:
    """Return whether a JSON text in UTF-8 has a number that is long enough to be a `WrittenNumber`."""
    digits = text.translate(_ONE_DIGIT)
    return (_LONG_DIGITS in digits or _EXPONENT in digits) and _LONG_NUMBER.search(text) is not None


def inexact_number(text: bytes) -> str | None:
    """Return the first fraction of a JSON text that a float does not hold; None if there is none, or no JSON."""
    if not may_hold_inexact_numbers(text):
        return None
    found: list[str] = []

    def note(literal: str) -> float:
        if not is_exact(literal):
            found.append(literal)
        return 0.0

    try:
        json.loads(text, parse_float=note, parse_int=lambda _: 0)
    except (ValueError, RecursionError):
        return None
    return found[0] if found else None


def _whole(literal: str) -> int | WrittenNumber:
    value = int(literal) if len(literal) <= _MAX_WHOLE_DIGITS else None
    return value if value is not None and -(2**63) <= value < 2**64 else WrittenNumber(literal)


def _fraction(literal: str) -> float | WrittenNumber:
    return float(literal) if is_exact(literal) else WrittenNumber(literal)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")
