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

from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


# Bounds, so that a system that responds with a web page does not fill topics and rows with it.
_MOST_REASONS = 10

_LONGEST_MESSAGE = 500

_LONGEST_CODE = 64

_SAID = ("reason", "message", "title", "detail", "error_description")


def reasons_in(answer: HttpResponse) -> tuple[Reason, ...]:
    """Read the reasons from an error body: at least one, at most ten, each of bounded length.

    Known shapes: TMF630 `{code, reason, message}`, MEF lists of `{code, reason, message, propertyPath}`,
    both also under `error` or `errors`, RFC 9457 problems; anything else becomes a short excerpt.
    """
    items = _items(answer.body)
    reasons = [_reason(item, answer.status) for item in items[:_MOST_REASONS]]
    if len(items) > _MOST_REASONS:
        reasons[-1] = _plain(answer.status, f"and {len(items) - _MOST_REASONS + 1} more reasons")
    return tuple(reasons) or (_plain(answer.status, _phrase(answer.status)),)


def _items(body: bytes) -> list[object]:
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return [text] if (text := _excerpt(body)) else []
    inner = _unwrapped(parsed)
    return inner if isinstance(inner, list) else [inner] if inner not in (None, {}, "") else []


def _unwrapped(parsed: object) -> object:
    if not isinstance(parsed, dict):
        return parsed
    inner = parsed.get("errors") or parsed.get("error")
    return inner if isinstance(inner, (dict, list)) else parsed


def _reason(item: object, status: int) -> Reason:
    if not isinstance(item, dict):
        return _plain(status, _short(item if isinstance(item, str) else _json(item)))
    path = item.get("propertyPath")
    return Reason(
        code=_code(item.get("code")) or f"HTTP_{status}",
        message=_message(item) or _phrase(status),
        property_path=_short(path) if isinstance(path, str) else None,
    )


def _message(item: dict[str, object]) -> str:
    said = dict.fromkeys(text for key in _SAID if isinstance(text := item.get(key), str) and text.strip())
    return _short(": ".join(said) or _json(item))


def _code(told: object) -> str:
    # The reference implementation sends numbers.
    return _short(str(told))[:_LONGEST_CODE] if isinstance(told, (str, int)) and not isinstance(told, bool) else ""


def _plain(status: int, message: str) -> Reason:
    return Reason(code=f"HTTP_{status}", message=message or _phrase(status))


def _phrase(status: int) -> str:
    try:
        return f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answered {status}"


def _excerpt(body: bytes) -> str:
    return _short(body[: 4 * _LONGEST_MESSAGE].decode(errors="replace"))


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _short(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * _LONGEST_MESSAGE])
    line = " ".join(printable.split())
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[: _LONGEST_MESSAGE - 1]}…"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResponse:
    """The call ended without a response. `perhaps_sent` is False only if that is proven."""

    perhaps_sent: bool
    what: str  # a sentence without secrets, e.g. "connection refused by 127.0.0.1:8701"
    certificate: bool = False  # the certificate is not valid: a matter of configuration, not an outage


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

_BY_ID = (Purpose.CHANGE, Purpose.CANCEL, Purpose.READ)

_ALL = tuple(Purpose)


# What a status means for calls of these purposes. Success codes come from the profile and are checked first.
_ROWS = (
    ((400, 422), _WRITES, Verdict.REFUSED),
    # Not the run is wrong here but the look-up.
    ((400, 422), (Purpose.LOOK_UP, Purpose.READ), Verdict.CONFIGURATION),
    ((401, 402, 403, 406, 407, 411, 415, 417, 421, 426, 428, 505, 511), _ALL, Verdict.CONFIGURATION),
    ((404, 410), (Purpose.SEND, Purpose.LOOK_UP), Verdict.CONFIGURATION),
    ((404, 410), _BY_ID, Verdict.LOST),
    # A system without PATCH refuses the change; the run that it executes continues.
    ((405, 501), (Purpose.CHANGE, Purpose.CANCEL), Verdict.REFUSED),
    ((405, 501), (Purpose.SEND, Purpose.LOOK_UP, Purpose.READ), Verdict.CONFIGURATION),
    ((409, 412), _WRITES, Verdict.CONFLICT),
    ((409, 412), (Purpose.LOOK_UP, Purpose.READ), Verdict.TRANSIENT),
    # With these a system says that it has not started.
    ((423, 425, 429, 503, 507), _ALL, Verdict.TRANSIENT),
    # A system that fails while working may have accepted the run before, and a gateway in between cannot know.
    ((408, 500, 502, 504), (Purpose.SEND,), Verdict.AMBIGUOUS),
    ((408, 500, 502, 504), _REPEATABLE, Verdict.TRANSIENT),
    # "See other" means that the POST was accepted, and that its result is elsewhere.
    ((303,), (Purpose.SEND,), Verdict.AMBIGUOUS),
)

TABLE: Mapping[tuple[Purpose, int], Verdict] = {
    (purpose, status): verdict for statuses, purposes, verdict in _ROWS for status in statuses for purpose in purposes
}


# Statuses that no row names, by their first digit: (SEND, the others).
_UNLISTED: Mapping[int, tuple[Verdict, Verdict]] = {
    2: (Verdict.AMBIGUOUS, Verdict.ACCEPTED),
    3: (Verdict.CONFIGURATION, Verdict.CONFIGURATION),
    4: (Verdict.REFUSED, Verdict.REFUSED),
}

_OTHERWISE = (Verdict.AMBIGUOUS, Verdict.TRANSIENT)

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


def _verdict(purpose: Purpose, status: int, success: frozenset[int]) -> Verdict:
    if status in success:
        return Verdict.ACCEPTED
    unlisted = _UNLISTED.get(status // 100, _OTHERWISE)
    return TABLE.get((purpose, status)) or unlisted[purpose is not Purpose.SEND]


def _meaning_of_silence(purpose: Purpose, reply: NoResponse) -> ResponseMeaning:
    if reply.certificate:
        return ResponseMeaning(
            verdict=Verdict.CONFIGURATION, reasons=(_reason_of_silence("CERTIFICATE_INVALID", reply),)
        )
    unsure = purpose is Purpose.SEND and reply.perhaps_sent
    verdict = Verdict.AMBIGUOUS if unsure else Verdict.TRANSIENT
    return ResponseMeaning(verdict=verdict, reasons=(_reason_of_silence("NO_ANSWER", reply),))


def _reason_of_silence(code: str, reply: NoResponse) -> Reason:
    return Reason(code=code, message=reply.what)


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the wait that a Retry-After header asks for, in seconds; None if the header is neither seconds nor a date.

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
