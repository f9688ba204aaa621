"""The value of a measure is never changed silently, whatever its size."""

from __future__ import annotations

import pytest

from schemas.run_document import JsonText
from tests.builders.spokes import a_notification, a_spoke


def read(value: str) -> tuple[object, list[str]]:
    body = f'{{"id": "X", "state": "completed", "testMeasure": [{{"id": "TM1", "value": {{"value": {value}}}}}]}}'
    report = a_spoke().read_callback(a_notification(body.encode()))
    return report.measures[0].value, [reason.code for reason in report.reasons]


@pytest.mark.parametrize("literal", ["12345678901234567891", "-9223372036854775809", "0.1234567890123456789", "1e400"])
def test_a_value_that_64_bits_do_not_hold_is_kept_as_text_and_told(literal: str) -> None:
    assert read(literal) == (literal, ["NUMBER_NOT_EXACT"])


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775808", 2.0**63),
        ("0.1", 0.1),
        ("1e3", 1000.0),
        ("0.50", 0.5),
    ],
)
def test_a_value_that_64_bits_hold_is_a_number(literal: str, value: float) -> None:
    assert read(literal) == (value, [])


def test_a_nested_number_that_64_bits_do_not_hold_is_kept_as_text_and_told() -> None:
    value, codes = read('{"a": [12345678901234567890123, 18446744073709551615]}')
    assert value == JsonText(json_text='{"a":["12345678901234567890123",18446744073709551615]}')
    assert codes == ["NUMBER_NOT_EXACT"]
