"""No number of a text is changed silently: it is read exactly, kept as it is written, or refused."""

from __future__ import annotations

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.text.exact_numbers import WrittenNumber, inexact_number, is_exact, parse_exactly

NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(allow_nan=False, allow_infinity=False).map(lambda number: f"{number:f}"),
    st.from_regex(r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
)

VALUES = st.none() | st.booleans() | st.text() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, width=16)
DOCUMENTS = st.recursive(
    VALUES.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
BROKEN = [
    b"",
    b"[1e5,]",
    b'["\\ud800", 1e5]',
    b"[1.2.3e5]",
    b"[NaN, 1e5]",
    b"[01e5]",
    b"[1e5" + b"[" * 2000,
    b"\xff[1e5]",
]


@given(st.lists(NUMBERS, max_size=4), st.sampled_from(["[%s]", '{"a": [%s], "b": "1e5, 12345678901234567890"}']))
def test_every_number_is_read_as_the_same_number(numbers: list[str], form: str) -> None:
    parsed = parse_exactly((form % ",".join(numbers)).encode())
    found = parsed["a"] if isinstance(parsed, dict) else parsed
    assert isinstance(found, list)
    assert [Decimal(str(number)) for number in found] == [Decimal(number) for number in numbers]


@pytest.mark.parametrize(
    "literal",
    [
        "12345678901234567890123",
        "18446744073709551616",
        "0.1234567890123456789",
        "1e400",
        "1e-400",
        "1e99999999999999999999",
    ],
)
def test_a_number_that_64_bits_do_not_hold_is_kept_as_written(literal: str) -> None:
    parsed = parse_exactly(f'{{"value": {literal}}}'.encode())
    assert parsed == {"value": WrittenNumber(literal)}


@pytest.mark.parametrize("literal", ["9223372036854775807", "-9223372036854775808", "0.30000000000000004", "1e22"])
def test_a_number_that_64_bits_hold_is_a_number(literal: str) -> None:
    assert not isinstance(parse_exactly(f" {literal}".encode()), str)


@given(DOCUMENTS)
def test_a_document_without_long_numbers_is_read_as_by_any_parser(document: object) -> None:
    text = json.dumps(document)
    assert parse_exactly(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_not_json_is_refused_with_long_numbers_too(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the parser says
        parse_exactly(text)
    with pytest.raises(ValueError):  # noqa: PT011 - as above
        orjson.loads(text)


def test_an_inexact_fraction_of_a_text_is_found() -> None:
    assert inexact_number(b'{"a": "0.1234567890123456789", "b": 0.5}') is None
    assert inexact_number(b'{"a": [0.5, 0.1234567890123456789]}') == "0.1234567890123456789"
    assert is_exact("0.1")
