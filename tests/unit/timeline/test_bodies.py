"""The kept text of a body is bounded and has no secret of a field that is named like one."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.timeline.bodies import MAX_BODY_LENGTH, digest_of, masked_body

SECRET = "hunter2-hunter2"  # noqa: S105 - none


@pytest.mark.parametrize(
    "body",
    [
        {"password": SECRET},
        {"auth": {"accessToken": SECRET}},
        [{"client_secret": SECRET}],
        {"characteristic": [{"name": "adminPassword", "value": SECRET}]},
        {"Authorization": f"Bearer {SECRET}"},
        {"x": [[{"apiKey": [SECRET]}]]},
        f"user=a&password={SECRET}&x=1",
        f'{{"token": "{SECRET}", broken',
        f"api-key: {SECRET}\nhello",
        f"<password>{SECRET}</password>",
        f"token={'x' * 1_000}{SECRET}",
        f'{{"name": "adminPassword", "value": "{SECRET}", broken',
        {"characteristic": [{"name": "adminPassword", "value": SECRET}], "description": "x" * 100_000},
    ],
)
def test_the_value_of_a_field_that_is_named_like_a_secret_is_masked(body: Any) -> None:  # noqa: ANN401 - JSON or text
    text = body if isinstance(body, str) else json.dumps(body)
    kept = masked_body(text.encode())
    assert kept is not None
    assert SECRET not in kept
    assert "***" in kept


def test_other_values_stay() -> None:
    assert masked_body(b'{"name": "line", "value": 3}') == '{"name": "line", "value": 3}'
    assert masked_body(b"") is None
    assert masked_body(None) is None


def test_half_of_a_surrogate_pair_can_be_stored() -> None:
    assert masked_body(b'{"x": "\\ud800"}') == '{"x": "?"}'


@given(body=st.binary(max_size=200))
def test_any_bytes_are_a_text_without_nul(body: bytes) -> None:
    assert "\x00" not in (masked_body(body) or "")
    assert (digest_of(body) is None) == (not body)


def test_a_hostile_text_takes_no_time() -> None:
    began = process_time()
    for text in (b"x" * 1_000_000, b'token="' * 100_000, b"password" * 100_000, b"token:" + b" " * 1_000_000):
        assert masked_body(text)
        assert masked_body(text[:400_000])
    assert process_time() - began < 5.0  # seconds; with a pattern that backtracks it would be minutes


def test_a_long_body_is_shortened_and_a_deep_one_is_masked() -> None:
    assert len(masked_body(b"x" * 100_000) or "") == MAX_BODY_LENGTH + 1
    assert "1" not in (masked_body(b"[" * 500 + b"1" + b"]" * 500) or "")


def test_a_body_is_kept_in_the_charset_that_its_content_type_names() -> None:
    body = '{"state": "läuft"}'.encode("iso-8859-1")
    assert masked_body(body, "application/json; charset=iso-8859-1") == '{"state": "läuft"}'
    assert masked_body(body, "application/json; charset=utf-16") is not None
