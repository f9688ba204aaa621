"""Read an output entry of a DMN table: one literal, and nothing that would have to be computed."""

from __future__ import annotations

import re

from router.tables.feel.lexer import Token, without_comments
from router.tables.feel.unary_test import CellError, parse

_STRING = Token.STRING.value
_LITERAL = re.compile(
    rf"null|true|false|{Token.NUMBER.value}|@?{_STRING}|[a-z][a-z\s]*\(\s*{_STRING}\s*\)", re.DOTALL
)  # a call is looked at more closely when it is read


def read_output(text: str, column_type: str) -> object:
    """Read the value of an output entry; `null` is a value.

    Raises:
        CellError: it is no literal, or one of another type.
    """
    text = without_comments(text).strip()
    if not text:
        raise CellError("has no value; write null if nothing is what it means")
    if not _LITERAL.fullmatch(text):
        raise CellError(f'{text} is no literal; write a value such as 5, true, null, date("2026-03-12") or "text"')
    (literal,) = parse(text, column_type).literals
    return literal.value
