"""The value of a measure is never changed silently, whatever its size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schemas.run_document import JsonText
from tests.builders.spokes import a_notification, a_spoke

if TYPE_CHECKING:
    from router.runs.reports.report import ExternalMeasure
    from schemas.results import Reason


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


def read_measure(parts: str) -> tuple[ExternalMeasure, list[Reason]]:
    body = f'{{"id": "X", "state": "completed", "testMeasure": [{{"id": "TM1", "value": 1, {parts}}}]}}'
    report = a_spoke().read_callback(a_notification(body.encode()))
    return report.measures[0], list(report.reasons)


@pytest.mark.parametrize(
    ("parts", "named"),
    [
        ('"accuracy": "±0.1"', "accuracy '±0.1'"),
        ('"accuracy": true', "accuracy 'true'"),
        ('"accuracy": "0.1234567890123456789"', "accuracy '0.1234567890123456789'"),
        ('"captureDateTime": "31/01/2026 09:35"', "captureDateTime '31/01/2026 09:35'"),
        ('"captureDateTime": 1767225600000', "captureDateTime '1767225600000'"),
        ('"captureDateTime": "2026-06-30T23:59:60Z"', "captureDateTime"),
        ('"unitOfMeasure": ["ms"]', "unitOfMeasure '[\"ms\"]'"),
        ('"metricName": {"en": "rx"}', "metricName"),
        ('"ruleViolation": [{"id": "r", "numberOfAllowedCrossing": "many"}]', "numberOfAllowedCrossing 'many'"),
        ('"ruleViolation": [{"id": "r", "numberOfAllowedCrossing": 2.5}]', "numberOfAllowedCrossing '2.5'"),
        ('"ruleViolation": [{"id": "r", "conformanceTargetUpper": {"max": 5}}]', "conformanceTargetUpper"),
        ('"ruleViolation": [{"id": "r", "tolerancePeriod": {"amount": 2.5, "units": "s"}}]', "amount '2.5'"),
        ('"ruleViolation": [{"id": "r", "appliedConsequence": [{"repeatAction": "maybe"}]}]', "repeatAction 'maybe'"),
    ],
)
def test_fault_a_part_of_a_measure_that_cannot_be_read_is_not_left_out_silently(parts: str, named: str) -> None:
    _, (reason,) = read_measure(parts)
    assert (reason.code, reason.property_path) == ("MEASURE_UNREADABLE", "/testMeasure/0")
    assert named in reason.message


def test_fault_a_nul_in_a_value_which_no_database_takes_is_not_left_out_silently() -> None:
    assert read(r'"a\u0000b"') == ("ab", ["MEASURE_UNREADABLE"])


@pytest.mark.parametrize(
    "parts",
    [
        '"accuracy": "", "captureDateTime": " ", "unitOfMeasure": null, "metricName": ""',
        '"accuracy": {"value": "0.10"}, "captureDateTime": "2026-01-31 09:35:43", "unitOfMeasure": {"unit": "ms"}',
        '"ruleViolation": [{"id": "r", "tolerancePeriod": {"units": "s"}, "numberOfAllowedCrossing": ""}]',
        '"ruleViolation": [{"id": "r", "tolerancePeriod": "soon", "conformanceComparatorExact": "0"}]',
    ],
)
def test_a_measure_that_is_read_as_it_is_written_has_no_reason(parts: str) -> None:
    assert read_measure(parts)[1] == []


@pytest.mark.parametrize("number", [9007199254740993, "9007199254740995", -(2**63) + 1, "12.0", 7])
def test_fault_a_whole_number_of_more_than_53_bits_keeps_its_last_digits(number: int | str) -> None:
    written = f'"{number}"' if isinstance(number, str) else number
    measure, reasons = read_measure(f'"ruleViolation": [{{"id": "r", "numberOfAllowedCrossing": {written}}}]')
    assert measure.rule_violation[0].number_of_allowed_crossing == int(str(number).removesuffix(".0"))
    assert reasons == []


@pytest.mark.parametrize("nothing", ['"false"', '"None"', '" no "', '"n/a"', "false", "[{}]", '["none", null]', "0"])
def test_fault_a_word_for_no_violation_is_none(nothing: str) -> None:
    measure, _ = read_measure(f'"ruleViolation": {nothing}')
    assert measure.rule_violation == ()


@pytest.mark.parametrize("violation", ['"too low"', '["too low"]'])
def test_fault_a_violation_that_is_a_text_keeps_it(violation: str) -> None:
    measure, _ = read_measure(f'"ruleViolation": {violation}')
    assert [each.name for each in measure.rule_violation] == ["too low"]
