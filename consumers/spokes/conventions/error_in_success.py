"""Recognise an error that a system answers under a status of success."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ERRORS = ("error", "errors", "fault", "Error", "Fault", "exception")
_ERROR_TEXTS = ("errorMessage", "error_message", "errorDescription", "error_description", "errorCode", "error_code")
_STATUSES = ("status", "statusCode", "status_code", "httpStatus", "httpStatusCode", "httpCode")
_SUCCESS = ("success", "ok", "isSuccess", "successful")
_OUTCOMES = ("status", "result", "outcome")
_FAILURES = frozenset({"failure", "failed", "fail", "error", "nok", "ko", "unsuccessful"})
_DESCRIPTIONS = ("reason", "message", "description", "detail", "errorMessage")
_GOOD_CODES = ("0", "00", "000", "0000", "ok", "success", "successful", "accepted", "done")
_FIRST_ERROR = 400  # of the HTTP statuses, which RFC 9457 repeats in the body
_MAX_LENGTH = 200  # characters that are quoted


def error_in(body: Mapping[str, object]) -> str | None:
    """Return what an answer says of an error; None if it is none. The caller knows that it shows no run."""
    for key in _ERRORS:
        if _says_something(body.get(key)):
            return _quoted(body[key])
    for key in _SUCCESS:
        if _text(body.get(key)) == "false":
            return f"{key}: false"
    for key in _ERROR_TEXTS:
        if _text(body.get(key)) not in {"", "none", "null", *_GOOD_CODES}:
            return _quoted({name: body[name] for name in (*_ERROR_TEXTS, *_DESCRIPTIONS) if name in body})
    for key in (*_OUTCOMES, *_STATUSES[1:]):
        if _text(body.get(key)) in _FAILURES or (key in _STATUSES and _is_error_status(body.get(key))):
            return _quoted({name: body[name] for name in (key, *_DESCRIPTIONS) if name in body})
    return _described(body)


def _described(body: Mapping[str, object]) -> str | None:
    """Return the error of TMF630: a code with a reason or message, unless the code means success."""
    said = [_text(body.get(name)) for name in _DESCRIPTIONS]
    description = next((text for text in said if text), None)
    if description is None:
        return None
    if _text(body.get("title")) and _text(body.get("detail")):  # RFC 9457
        return description[:_MAX_LENGTH]
    code = _text(body.get("code"))
    is_good = code in _GOOD_CODES or (code[:1] == "2" and len(code) == len("200") and code.isdigit())
    if not code or is_good or "success" in code or ("success" in description and "unsuccess" not in description):
        return None
    return f"{code}, {description}"[:_MAX_LENGTH]


def _says_something(error: object) -> bool:
    waiting = [error]
    while waiting:  # and not by recursion: who answers chooses the depth
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.values()
        elif bool(one) if isinstance(one, list) else _text(one) not in {"", "0", "false", "none", "null"}:
            return True
    return False


def _is_error_status(status: object) -> bool:
    text = _text(status)
    return len(text) == len("400") and text.isdigit() and int(text) >= _FIRST_ERROR


def _text(value: object) -> str:
    return "" if value is None or isinstance(value, (dict, list)) else str(value).strip().casefold()


def _quoted(error: object) -> str:
    """Return the first texts in an error, in one line."""
    if isinstance(error, dict):
        texts = [str(value) for value in error.values() if value is not None and not isinstance(value, (dict, list))]
        return ", ".join(texts)[:_MAX_LENGTH] or "an error"
    if isinstance(error, list):
        return "an error" if not error or isinstance(error[0], list) else _quoted(error[0])
    return str(error)[:_MAX_LENGTH]
