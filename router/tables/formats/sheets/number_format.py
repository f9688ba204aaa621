"""Write a number as Excel shows it, for the formats whose result is certain."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

_GENERAL = frozenset({"", "general", "@"})
_MAX_GENERAL = 10**11  # from which on the format General writes a whole number with an exponent
_GENERAL_DIGITS = 10  # significant digits of a fraction that the format General shows
# Colours, room for a character, and filling: they change nothing of the number.
_WITHOUT_EFFECT = re.compile(
    r"\[(?:Black|Blue|Cyan|Green|Magenta|Red|White|Yellow|Color ?[0-9]{1,2})\]|_.|\*.", re.IGNORECASE
)
_DIGITS = re.compile(
    r"(?P<sign>-?)(?P<whole>[#0?][#0?,]*[#0?]|[#0?])?(?P<scale>,*)(?:\.(?P<fraction>[0#?]*))?(?P<percent>%?)"
)
_MAX_FORMAT_LENGTH = 255  # Excel's own limit
_MAX_SECTIONS = 4


def shown_number(number: float, number_format: str) -> str | None:
    """Return what Excel shows for a number in a format; None if the format has anything but digits.

    The separator of thousands is a comma, that of decimals a dot. Source: ECMA-376, part 1, 18.8.31.
    """
    if number_format.strip().lower() in _GENERAL:
        return _in_general(number)
    if len(number_format) > _MAX_FORMAT_LENGTH:
        return None
    sections = number_format.split(";")
    if len(sections) > _MAX_SECTIONS:
        return None
    section, is_negative = _section(number, sections)
    pattern = _WITHOUT_EFFECT.sub("", section).strip()
    if not pattern:
        return ""
    match = _DIGITS.fullmatch(pattern)
    if match is None or not (match["whole"] or match["fraction"]):
        return None
    text = _digits(abs(number), match)
    return f"-{text}" if is_negative or match["sign"] else text


def _in_general(number: float) -> str:
    if number == int(number):
        return str(int(number)) if abs(number) < _MAX_GENERAL else _with_exponent(number)
    shown = f"{number:.{_GENERAL_DIGITS}g}"
    return repr(number) if float(shown) == number else shown


def _with_exponent(number: float) -> str:
    """Return 1.23457E+11 for 123456789012."""
    mantissa, _, exponent = f"{number:.5E}".partition("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{exponent}"


def _section(number: float, sections: list[str]) -> tuple[str, bool]:
    """Return the section of a format that applies to a number, and whether Excel writes a minus by itself."""
    if number < 0 and len(sections) > 1:
        return sections[1], False
    if number == 0 and len(sections) > 2:  # noqa: PLR2004 - the third section is that of zero
        return sections[2], False
    return sections[0], number < 0


def _digits(number: float, match: re.Match[str]) -> str:
    whole, fraction = match["whole"] or "", match["fraction"] or ""
    exact = Decimal(repr(number)) * (100 if match["percent"] else 1) / Decimal(1000) ** len(match["scale"])
    rounded = exact.quantize(Decimal(1).scaleb(-len(fraction)), ROUND_HALF_UP)
    integer, _, decimals = f"{rounded:f}".partition(".")
    integer = integer.zfill(whole.count("0"))
    if "," in whole:
        integer = f"{int(integer):,}" if len(integer) <= len(str(int(integer))) else integer
    optional = len(fraction) - len(fraction.rstrip("#?"))
    while optional and decimals.endswith("0"):
        decimals, optional = decimals[:-1], optional - 1
    return integer + (f".{decimals}" if decimals else "") + match["percent"]
