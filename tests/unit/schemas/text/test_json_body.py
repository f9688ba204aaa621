"""What one reader of bodies reads, every reader reads: callbacks, responses, and error bodies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.inbound.callback_parser import callback_event_id, parse_callback
from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import parse_json
from router.responses import HttpResponse, reasons_in
from schemas.text.json_body import check_charset, in_ascii, read_json_body, with_charset

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TEXT = (
    '{"eventId": "é-1", "eventTime": "x", "event": {"serviceTest": {"id": "Prüfung-1"}}, '
    '"code": "E1", "message": "schön"}'
)
BODIES: Mapping[str, tuple[bytes, str | None]] = {
    "utf-8": (TEXT.encode(), "application/json"),
    "no content type": (TEXT.encode(), None),
    "byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), "application/json"),
    "byte order mark and another charset": (b"\xef\xbb\xbf" + TEXT.encode(), "application/json; charset=ISO-8859-1"),
    "iso-8859-1": (TEXT.encode("iso-8859-1"), "application/json;charset=ISO-8859-1"),
    "quoted charset": (TEXT.encode("iso-8859-1"), 'application/json; Charset="iso-8859-1"'),
    "iso-8859-15": (TEXT.encode("iso-8859-15"), "application/json; charset=iso-8859-15"),
    "windows-1252": (TEXT.encode("windows-1252"), "application/json; charset=windows-1252"),
    "utf-16": (TEXT.encode("utf-16"), "application/json; charset=utf-16"),
    "utf-16 that is only marked": (TEXT.encode("utf-16"), "application/json"),
    "utf-16le": (TEXT.encode("utf-16-le"), "application/json; charset=utf-16le"),
    "unknown charset": (TEXT.encode(), "application/json; charset=klingon"),
}


@pytest.mark.parametrize(("body", "content_type"), BODIES.values(), ids=BODIES)
def test_callbacks_responses_and_errors_are_read_alike(body: bytes, content_type: str | None) -> None:
    assert parse_json(body, content_type) == read_json_body(TEXT.encode(), None)
    received = parse_callback("fibre-lab", body, event_in_path="", content_type=content_type, at=NOW)
    assert (received.external_id, received.event_id) == ("Prüfung-1", "é-1")
    assert callback_event_id(received.model_copy(update={"event_id": None}), "fallback") != "fallback"
    headers = {"content-type": content_type} if content_type else {}
    (reason,) = reasons_in(HttpResponse(status=400, headers=headers, body=body))
    assert (reason.code, reason.message) == ("E1", "schön")


def test_an_id_of_more_than_64_bits_is_read_exactly() -> None:
    body = b'{"event": {"serviceTest": {"id": 12345678901234567890123}}}'
    received = parse_callback("fibre-lab", body, event_in_path="", content_type=None, at=NOW)
    assert received.external_id == "12345678901234567890123"


@pytest.mark.parametrize("charset", ["ISO-8859-1", "windows-1252", "utf-16le", "gb18030", "euc-kr", "koi8-r"])
def test_a_charset_that_a_profile_names_is_one_that_is_read(charset: str) -> None:
    text = "fine" if charset in {"euc-kr", "koi8-r"} else "Prüfung"
    body = f'{{"name": "{text}"}}'.encode(charset)
    assert read_json_body(body, with_charset(None, check_charset(charset))) == {"name": text}


@pytest.mark.parametrize("charset", ["", "utf-8", "utf-7", "klingon", "iso-8859-99", "rot13", "latin1\n"])
def test_another_charset_is_refused(charset: str) -> None:
    with pytest.raises(ValueError, match="must be a charset such as iso-8859-1"):
        check_charset(charset)


def test_a_declared_charset_counts_more_than_that_of_the_profile() -> None:
    assert with_charset("application/json; charset=utf-8", "iso-8859-1") == "application/json; charset=utf-8"


@given(value=st.dictionaries(st.text(max_size=5), st.text(max_size=20)))
def test_what_is_sent_in_ascii_is_the_same_json(value: dict[str, str]) -> None:
    body = in_ascii(orjson.dumps(value))
    assert body.isascii()
    assert orjson.loads(body) == value


def test_what_a_system_says_in_an_undeclared_charset_is_answered_with_the_field_of_its_profile() -> None:
    with pytest.raises(NotUnderstoodError, match=r"declare the charset.*; media_types\.charset of its profile can"):
        parse_json(TEXT.encode("iso-8859-1"), "application/json")
