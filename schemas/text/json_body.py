"""Read the JSON body of a request or response: one reader for what systems send, however it arrives."""

from __future__ import annotations

import codecs
import re
from email.message import Message

from schemas.text.exact_numbers import parse_exactly

# Text encodings that older systems still declare; anything else is read as UTF-8.
_CHARSETS = re.compile(
    r"iso[-_]?8859[-_]?\d{1,2}|l(?:atin)?[-_]?\d{1,2}|(?:windows|cp)[-_]?125\d|utf[-_]?(?:16|32)(?:[-_]?[bl]e)?"
    r"|gb(?:k|2312|18030)|big5|shift[-_]jis|euc[-_]?(?:jp|kr)|koi8[-_][ru]"
)
NOT_UTF8 = (
    "it is not in UTF-8, and its Content-Type declares no other charset that is known: send UTF-8 (RFC 8259), or"
    " declare the charset, as in application/json; charset=iso-8859-1"
)
_NOT_ASCII = re.compile("[^\x00-\x7f]")
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


def check_charset(name: str) -> str:
    """Return the name of a charset that bodies are read in.

    Raises:
        ValueError: it is none of those.
    """
    try:
        if _CHARSETS.fullmatch(name.lower()) and codecs.lookup(name):
            return name.lower()
    except LookupError:
        pass
    raise ValueError("must be a charset such as iso-8859-1, windows-1252 or utf-16le; UTF-8 needs none")


def with_charset(content_type: str | None, charset: str) -> str:
    """Return a content type that names a charset: its own, or this one."""
    if content_type and "charset" in content_type.lower():
        return content_type
    return f"{content_type or 'application/json'}; charset={charset}"


def in_ascii(body: bytes) -> bytes:
    r"""Return JSON in UTF-8 with every other character escaped (`\u00e4`): the same in every charset."""
    return body if body.isascii() else _NOT_ASCII.sub(_escape, body.decode()).encode()


def _escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _charset(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    return str(message.get_param("charset", "")).strip().lower()
