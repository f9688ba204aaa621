"""Classify the response of an external system (the table of domain facts, section 8.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson

from schemas.json_body import read_json_body
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


# Bounds, so that a system that responds with a web page does not fill topics and rows with it.
_MAX_REASONS = 10

_MAX_MESSAGE_LENGTH = 500

_MAX_CODE_LENGTH = 64

_MESSAGE_KEYS = ("reason", "message", "title", "detail", "error_description")


def reasons_in(response: HttpResponse) -> tuple[Reason, ...]:
    """Read the reasons from an error body: at least one, at most ten, each of bounded length.

    Known shapes: TMF630 `{code, reason, message}`, MEF lists of `{code, reason, message, propertyPath}`,
    both also under `error` or `errors`, RFC 9457 problems; anything else becomes a short excerpt.
    """
    items = _error_items(response)
    reasons = [_reason_from_item(item, response.status) for item in items[:_MAX_REASONS]]
    if len(items) > _MAX_REASONS:
        reasons[-1] = _http_reason(response.status, f"and {len(items) - _MAX_REASONS + 1} more reasons")
    return tuple(reasons) or (_http_reason(response.status, _status_message(response.status)),)


def _error_items(response: HttpResponse) -> list[object]:
    try:
        parsed = read_json_body(response.body, response.headers.get("content-type"))
    except ValueError:
        return [text] if (text := _excerpt(response.body)) else []
    inner = _unwrap_errors(parsed)
    return inner if isinstance(inner, list) else [inner] if inner not in (None, {}, "") else []


def _unwrap_errors(parsed: object) -> object:
    if not isinstance(parsed, dict):
        return parsed
    inner = parsed.get("errors") or parsed.get("error")
    return inner if isinstance(inner, (dict, list)) else parsed


def _reason_from_item(item: object, status: int) -> Reason:
    if not isinstance(item, dict):
        return _http_reason(status, _to_line(item if isinstance(item, str) else _to_json(item)))
    path = item.get("propertyPath")
    return Reason(
        code=_code_text(item.get("code")) or f"HTTP_{status}",
        message=_message_of_item(item) or _status_message(status),
        property_path=_to_line(path) if isinstance(path, str) else None,
    )


def _message_of_item(item: dict[str, object]) -> str:
    said = dict.fromkeys(text for key in _MESSAGE_KEYS if isinstance(text := item.get(key), str) and text.strip())
    return _to_line(": ".join(said) or _to_json(item))


def _code_text(code: object) -> str:
    # The reference implementation sends numbers.
    return _to_line(str(code))[:_MAX_CODE_LENGTH] if isinstance(code, (str, int)) and not isinstance(code, bool) else ""


def _http_reason(status: int, message: str) -> Reason:
    return Reason(code=f"HTTP_{status}", message=message or _status_message(status))


def _status_message(status: int) -> str:
    try:
        return f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answered {status}"


def _excerpt(body: bytes) -> str:
    return _to_line(body[: 4 * _MAX_MESSAGE_LENGTH].decode(errors="replace"))


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _to_line(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _MAX_MESSAGE_LENGTH])
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_MESSAGE_LENGTH else f"{line[: _MAX_MESSAGE_LENGTH - 1]}…"


_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class Purpose(StrEnum):
    """What a call is for; the same status means different things to a POST and to a PATCH."""

    SEND = "send"
    CHANGE = "change"
    CANCEL = "cancel"
    LOOK_UP = "lookUp"
    READ = "read"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """An HTTP response. Header names are lower case; `body` is bounded by the client."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def says_nothing(response: HttpResponse) -> bool:
    """Return whether a response has no content: an empty body, or JSON without anything in it."""
    return response.body.strip(b" \t\r\n\xef\xbb\xbf") in {b"", b"null", b"{}", b"[]", b'""'}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResponse:
    """The call ended without a response. `perhaps_sent` is False only if that is proven."""

    perhaps_sent: bool
    cause: str  # a sentence without secrets, e.g. "connection refused by 127.0.0.1:8701"
    certificate_invalid: bool = False  # the certificate is not valid: a matter of configuration, not an outage


class Verdict(StrEnum):
    """What a response means for the call that it answers."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # a refusal: a result, never a retry
    TRANSIENT = "transient"  # certainly not done; retry later
    AMBIGUOUS = "ambiguous"  # perhaps done: look up before another POST
    CONFLICT = "conflict"  # 409: exists already, or the state forbids the change
    CONFIGURATION = "configuration"  # wrong address, credentials or certificate: retry slowly, report it
    LOST = "lost"  # 404 for an id that the system issued


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseMeaning:
    """A verdict with its details: reasons for people, and the seconds to wait if the system asks for them."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    retry_after: float | None = None  # seconds


_WRITES = (Purpose.SEND, Purpose.CHANGE, Purpose.CANCEL)

_REPEATABLE = (Purpose.CHANGE, Purpose.CANCEL, Purpose.LOOK_UP, Purpose.READ)

_WITH_EXTERNAL_ID = (Purpose.CHANGE, Purpose.CANCEL, Purpose.READ)

_ALL_PURPOSES = tuple(Purpose)


# What a status means for calls of these purposes. Success codes come from the profile and are checked first.
_VERDICTS_BY_STATUS = (
    ((400, 422), _WRITES, Verdict.REFUSED),
    # Not the run is wrong here but the look-up.
    ((400, 422), (Purpose.LOOK_UP, Purpose.READ), Verdict.CONFIGURATION),
    ((401, 402, 403, 406, 407, 411, 415, 417, 421, 426, 428, 505, 511), _ALL_PURPOSES, Verdict.CONFIGURATION),
    ((404, 410), (Purpose.SEND, Purpose.LOOK_UP), Verdict.CONFIGURATION),
    ((404, 410), _WITH_EXTERNAL_ID, Verdict.LOST),
    # A system without PATCH refuses the change; the run that it executes continues.
    ((405, 501), (Purpose.CHANGE, Purpose.CANCEL), Verdict.REFUSED),
    ((405, 501), (Purpose.SEND, Purpose.LOOK_UP, Purpose.READ), Verdict.CONFIGURATION),
    ((409, 412), _WRITES, Verdict.CONFLICT),
    ((409, 412), (Purpose.LOOK_UP, Purpose.READ), Verdict.TRANSIENT),
    # A system sends these when it has not started to process the request.
    ((423, 425, 429, 503, 507), _ALL_PURPOSES, Verdict.TRANSIENT),
    # A system that fails while working may have accepted the run before, and a gateway in between cannot know.
    ((408, 500, 502, 504), (Purpose.SEND,), Verdict.AMBIGUOUS),
    ((408, 500, 502, 504), _REPEATABLE, Verdict.TRANSIENT),
    # "See other" means that the POST was accepted, and that its result is elsewhere.
    ((303,), (Purpose.SEND,), Verdict.AMBIGUOUS),
)

VERDICTS: Mapping[tuple[Purpose, int], Verdict] = {
    (purpose, status): verdict
    for statuses, purposes, verdict in _VERDICTS_BY_STATUS
    for status in statuses
    for purpose in purposes
}


# Statuses that no row names, by their first digit: (SEND, the others).
_VERDICTS_BY_CLASS: Mapping[int, tuple[Verdict, Verdict]] = {
    2: (Verdict.AMBIGUOUS, Verdict.ACCEPTED),
    3: (Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    4: (Verdict.REFUSED, Verdict.REFUSED),
}

_DEFAULT_VERDICTS = (Verdict.AMBIGUOUS, Verdict.TRANSIENT)

_ACCEPTED = ResponseMeaning(verdict=Verdict.ACCEPTED)


def classify(
    purpose: Purpose, reply: HttpResponse | NoResponse, success: frozenset[int], *, now: datetime
) -> ResponseMeaning:
    """Return what the response to a call means; `success` are the statuses that mean success for this system."""
    if isinstance(reply, NoResponse):
        return _meaning_of_silence(purpose, reply)
    verdict = _verdict(purpose, reply.status, success)
    header = reply.headers.get("retry-after")
    if verdict is Verdict.ACCEPTED and header is None:
        return _ACCEPTED
    return ResponseMeaning(
        verdict=verdict,
        reasons=() if verdict is Verdict.ACCEPTED else reasons_in(reply),
        retry_after=retry_after_seconds(header, now),
    )


def _verdict(purpose: Purpose, status: int, success_codes: frozenset[int]) -> Verdict:
    if status in success_codes:
        return Verdict.ACCEPTED
    unlisted = _VERDICTS_BY_CLASS.get(status // 100, _DEFAULT_VERDICTS)
    return VERDICTS.get((purpose, status)) or unlisted[purpose is not Purpose.SEND]


def _meaning_of_silence(purpose: Purpose, reply: NoResponse) -> ResponseMeaning:
    if reply.certificate_invalid:
        return ResponseMeaning(
            verdict=Verdict.CONFIGURATION, reasons=(_reason_of_silence("CERTIFICATE_INVALID", reply),)
        )
    unsure = purpose is Purpose.SEND and reply.perhaps_sent
    verdict = Verdict.AMBIGUOUS if unsure else Verdict.TRANSIENT
    return ResponseMeaning(verdict=verdict, reasons=(_reason_of_silence("NO_ANSWER", reply),))


def _reason_of_silence(code: str, reply: NoResponse) -> Reason:
    return Reason(code=code, message=reply.cause)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the seconds to wait that a Retry-After header asks for; None if it is neither seconds nor a date.

    Source: RFC 9110, section 10.2.3.
    """
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - now).total_seconds())
