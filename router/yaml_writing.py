"""Write plain data as YAML on one line, with quotes only where YAML needs them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

# Words with single spaces; a letter in front keeps them from being numbers, dates or signs of YAML.
_PLAIN = re.compile(r"[^\W\d_][\w./-]*(?: [\w.(/-][\w.;()/'-]*)*")
# What some reader of YAML, ours or an older one, takes for something else than a word.
_TAKEN = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


class Bare(str):
    """A text that stands without quotes, such as a number or `true`."""

    __slots__ = ()


def in_one_line(data: object) -> str:
    """Write data: mappings, lists, texts, numbers, booleans and null."""
    match data:
        case str():
            return _text(data)
        case Mapping():
            pairs = (f"{_text(str(key))}: {in_one_line(value)}" for key, value in data.items())
            return f"{{{', '.join(pairs)}}}"
        case Sequence():
            return f"[{', '.join(map(in_one_line, data))}]"
        case _:
            return _plain(data)


def _plain(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return _number(value)
    raise TypeError(f"YAML has no writing of ours for {value!r}")


def _number(number: float) -> str:
    if math.isinf(number):
        return "1e999" if number > 0 else "-1e999"  # what a test file wrote to get it
    return str(number)


def _text(text: str) -> str:
    """Write a text: plain where that is the same text, else in the quotes that need the fewest escapes."""
    if isinstance(text, Bare) or (_PLAIN.fullmatch(text) and text.lower() not in _TAKEN):
        return text
    if text.isprintable() and ('"' in text or "\\" in text):
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(sign: str) -> str:
    if sign in _ESCAPES:
        return _ESCAPES[sign]
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"
