"""What is kept of the body of a call: a digest, or its text with secrets masked."""

from __future__ import annotations

import hashlib
import json
import re

from schemas.text.json_body import to_utf8

MAX_BODY_LENGTH = 16_000  # characters of a body that is kept
MASK = "***"
_DIGEST_LENGTH = 32  # hexadecimal digits
_MAX_DEPTH = 50
_MAX_SEARCHED = 4 * MAX_BODY_LENGTH  # characters of a text that is no JSON
_MAX_PARSED = 500_000  # bytes; secrets are not found reliably in a part of a JSON text
_SECRET_NAME = re.compile(
    r"passw|secret|token|credential|authori[sz]ation|api[-_ ]?key|private[-_ ]?key|cookie", re.IGNORECASE
)
# Without repetition that backtracks: the text is an outsider's. After the name comes its value (of a form, a header, an
# XML element or JSON that is broken), or the field of its value.
_SECRET_TEXT = re.compile(
    rf"(?i)((?:{_SECRET_NAME.pattern})[\w-]{{0,40}}[\"']?\s{{0,5}}(?:[:=>]|,\s{{0,5}}\"value\"\s{{0,5}}:)\s{{0,5}})"
    r"(\"(?:[^\"\\]|\\.){0,4000}\"|'[^']{0,4000}'|[^\n&,;<>]{1,4000})"
)


def digest_of(body: bytes | None) -> str | None:
    """Return the digest of a body; None if there is none."""
    return hashlib.sha256(body).hexdigest()[:_DIGEST_LENGTH] if body else None


def is_secret_name(name: str) -> bool:
    """Return whether a field, a header or a parameter is named like a secret."""
    return _SECRET_NAME.search(name) is not None


def masked_body(body: bytes | None, content_type: str | None = None) -> str | None:
    """Return the text of a body, shortened, without the values of fields that are named like secrets."""
    if not body:
        return None
    # JSON may name half of a surrogate pair, which no database stores.
    text = _masked_text(_in_utf8(body, content_type)).encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_BODY_LENGTH else f"{text[:MAX_BODY_LENGTH]}…"


def _in_utf8(body: bytes, content_type: str | None) -> bytes:
    try:
        return to_utf8(body, content_type)
    except ValueError:  # not in the charset that it names
        return body


def _masked_text(body: bytes) -> str:
    if len(body) > _MAX_PARSED:
        return f"({len(body)} bytes: only the digest is kept)"
    text = body.decode(errors="replace").replace("\x00", "")
    try:
        return json.dumps(_masked(json.loads(text), 0), ensure_ascii=False)
    except (ValueError, RecursionError):
        return _SECRET_TEXT.sub(rf"\1{MASK}", text[:_MAX_SEARCHED])


def _masked(value: object, depth: int) -> object:
    if depth > _MAX_DEPTH:
        return MASK
    if isinstance(value, list):
        return [_masked(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    # A characteristic has its name in one field and its value in another.
    hides_value = any(isinstance(value.get(key), str) and _SECRET_NAME.search(value[key]) for key in ("name", "key"))
    return {
        name: MASK if _SECRET_NAME.search(name) or (hides_value and name == "value") else _masked(item, depth + 1)
        for name, item in value.items()
    }
