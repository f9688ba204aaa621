"""A number agrees with its noun in every sentence."""

from __future__ import annotations

import pytest

from router.runs.measures.bounds import measures_left_out
from router.runs.reports.reasons import bounded_reasons, reasons_left_out
from schemas.counts import count_noun
from schemas.results import Reason


@pytest.mark.parametrize(
    ("number", "words", "text"),
    [
        (0, ("row",), "0 rows"),
        (1, ("row",), "1 row"),
        (1_200, ("row",), "1,200 rows"),
        (1, ("child", "children"), "1 child"),
        (2, ("child", "children"), "2 children"),
        (1, ("byte is", "bytes are"), "1 byte is"),
    ],
)
def test_a_number_and_its_noun(number: int, words: tuple[str, ...], text: str) -> None:
    assert count_noun(number, *words) == text


def test_one_reason_and_one_measure_are_left_out_in_the_singular() -> None:
    assert reasons_left_out(1).message == "1 more reason is left out."  # it was "1 more reasons are"
    assert reasons_left_out(2).message == "2 more reasons are left out."
    assert measures_left_out(1).message.startswith("1 measure is left out: ")


def test_reasons_that_were_left_out_are_counted_on() -> None:
    reasons = (reasons_left_out(1_000), *(Reason(code="X", message=str(number)) for number in range(100)))
    assert any(reason.message == "1001 more reasons are left out." for reason in bounded_reasons(reasons))
