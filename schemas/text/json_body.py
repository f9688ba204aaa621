"""Read the JSON body of a request or response: one reader for what systems send, however it arrives."""

from __future__ import annotations

import codecs
import re
from email.message import Message

from schemas.text.exact_numbers import parse_exactly

# Text encodings that older systems still declare; anything else is read as UTF-8.
_CHARSETS = re.compile(
    r"iso[-_]?8859[-_]?\d{1,2}|l(?:atin)?[-_]?\d{1,2}|(?:windows|cp)[-_]?125\d|utf[-_]?(?:16|32)(?:[-_]?[bl]e)?"
)
NOT_UTF8 = (
    "it is not in UTF-8, and its Content-Type declares no other charset that is known: send UTF-8 (RFC 8259), or"
    " declare the charset, as in application/json; charset=iso-8859-1"
)
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_json_body(body: bytes, content_type: str | None) -> object:
    """Parse a body; a byte order mark wins over the charset of its content type.

    Raises:
        ValueError: it is not JSON.
    """
    return parse_utf8(to_utf8(body, content_type))


def parse_utf8(text: bytes) -> object:
    """Parse JSON as `to_utf8` returns it.

    Raises:
        ValueError: it is not JSON, or not in UTF-8 because it did not say in which charset it is.
    """
    try:
        return parse_exactly(text)
    except ValueError as error:
        if is_utf8(text):
            raise
        raise ValueError(NOT_UTF8) from error


def is_utf8(text: bytes) -> bool:
    """Return whether a text is in UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def to_utf8(body: bytes, content_type: str | None) -> bytes:
    """Return a body in UTF-8, without a byte order mark.

    Raises:
        ValueError: it is not in the charset that it names.
    """
    if body.startswith(codecs.BOM_UTF8):
        return body[len(codecs.BOM_UTF8) :]
    if body.startswith(_UTF_16_MARKS):
        return body.decode("utf-16").encode()
    charset = _charset(content_type) if content_type and "charset" in content_type.lower() else ""
    if not _CHARSETS.fullmatch(charset):
        return body
    try:
        return body.decode(charset).encode()
    except LookupError:  # a number that no encoding has
        return body


def _charset(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    return str(message.get_param("charset", "")).strip().lower()
