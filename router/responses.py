"""Classify the response of an external system (the table of domain facts, section 8.2)."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING

from router.error_bodies import read_error_body
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping


# A response that counts as success and cannot be read: whether the call had an effect is unknown.
RESPONSE_UNREADABLE = "RESPONSE_UNREADABLE"
ACCEPTED_FOR_LATER = HTTPStatus.ACCEPTED  # the body may show what holds until then
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


def says_success(response: HttpResponse | NoResponse) -> bool:
    """Return whether the system certainly answered with success (2xx), whatever can be read of it."""
    if isinstance(response, NoResponse):
        return response.was_accepted
    return HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES


def says_nothing(response: HttpResponse) -> bool:
    """Return whether a response has no content: an empty body, or JSON without anything in it."""
    return response.body.strip(b" \t\r\n\xef\xbb\xbf") in {b"", b"null", b"{}", b"[]", b'""'}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoResponse:
    """The call ended without a response. `perhaps_sent` is False only if that is proven."""

    perhaps_sent: bool
    cause: str  # a sentence without secrets, e.g. "connection refused by 127.0.0.1:8701"
    certificate_invalid: bool = False  # the certificate is not valid: a matter of configuration, not an outage
    lacks_credentials: bool = False  # there was no access token to call with
    was_accepted: bool = False  # its head said so (2xx), but its body did not arrive


def reasons_in(response: HttpResponse) -> tuple[Reason, ...]:
    """Read the reasons from an error body: at least one, at most ten, each of bounded length."""
    return read_error_body(response.body, response.headers.get("content-type"), response.status)


class Verdict(StrEnum):
    """What a response means for the call that it answers."""

    ACCEPTED = "accepted"
    REFUSED = "refused"  # a refusal: a result, never a retry
    TRANSIENT = "transient"  # certainly not done; retry later
    AMBIGUOUS = "ambiguous"  # perhaps done: ask the system before another POST, PATCH or cancellation
    CONFLICT = "conflict"  # 409: exists already, or the state forbids the change
    CONFIGURATION = "configuration"  # wrong address, credentials or certificate: retry slowly, report it
    LOST = "lost"  # 404 for an id that the system issued


class DeclaredMeaning(StrEnum):
    """What a profile says that a status means at its system."""

    BUSY = "busy"  # it processes nothing at the moment
    TRANSIENT = "transient"  # nothing was done; this call can be repeated
    REFUSED = "refused"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseMeaning:
    """A verdict with its details: reasons for people, and the seconds to wait if the system asks for them."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    retry_after: float | None = None  # seconds
    declared: DeclaredMeaning | None = None  # what the profile says of this status


_WRITES = (Purpose.SEND, Purpose.CHANGE, Purpose.CANCEL)

_READS = (Purpose.LOOK_UP, Purpose.READ)

_REPEATABLE = (Purpose.CHANGE, Purpose.CANCEL, *_READS)

_WITH_EXTERNAL_ID = (Purpose.CHANGE, Purpose.CANCEL, Purpose.READ)

_ALL_PURPOSES = tuple(Purpose)


# What a status means for calls of these purposes. Success codes come from the profile and are checked first.
_VERDICTS_BY_STATUS = (
    ((400, 413, 416, 418, 422, 424, 451), _WRITES, Verdict.REFUSED),
    # Not the run is wrong here but the look-up.
    ((400, 413, 416, 418, 422, 424, 451), _READS, Verdict.CONFIGURATION),
    # The server did not perform the request, whatever it is about, until an operator corrects what was sent.
    ((401, 402, 403, 407, 411, 414, 415, 421, 426, 428, 431, 505, 511), _ALL_PURPOSES, Verdict.CONFIGURATION),
    # nginx: the client certificate is not accepted or missing, or plain HTTP was sent to a TLS port.
    ((495, 496, 497), _ALL_PURPOSES, Verdict.CONFIGURATION),
    # Frameworks find out after they have performed a request that they cannot write its result as was asked (406). We
    # send no Expect, so 417 comes from something in between.
    ((406, 417), _WRITES, Verdict.AMBIGUOUS),
    ((406, 417), _READS, Verdict.CONFIGURATION),
    ((404, 410), (Purpose.SEND, Purpose.LOOK_UP), Verdict.CONFIGURATION),
    ((404, 410), _WITH_EXTERNAL_ID, Verdict.LOST),
    # A system without PATCH refuses the change; the run that it executes continues.
    ((405, 501), (Purpose.CHANGE, Purpose.CANCEL), Verdict.REFUSED),
    ((405, 501), (Purpose.SEND, *_READS), Verdict.CONFIGURATION),
    ((409, 412), _WRITES, Verdict.CONFLICT),
    ((409, 412), _READS, Verdict.TRANSIENT),
    # A system sends these when it has not started to process the request.
    ((423, 425, 429, 503, 507), _ALL_PURPOSES, Verdict.TRANSIENT),
    # A system that fails while working may have accepted the run before, and a gateway in between cannot know. A proxy
    # says 460 or 499 when it believes that we did not wait for the answer.
    ((408, 460, 499, 500, 502, 504), (Purpose.SEND,), Verdict.AMBIGUOUS),
    ((408, 460, 499, 500, 502, 504), _REPEATABLE, Verdict.TRANSIENT),
)

VERDICTS: Mapping[tuple[Purpose, int], Verdict] = {
    (purpose, status): verdict
    for statuses, purposes, verdict in _VERDICTS_BY_STATUS
    for status in statuses
    for purpose in purposes
}


# nginx writes 495, 496 and 497 as 400.
_NGINX_TLS_PAGES = (
    b"<title>400 The SSL certificate error</title>",
    b"<title>400 No required SSL certificate was sent</title>",
    b"<title>400 The plain HTTP request was sent to HTTPS port</title>",
)

# Statuses that no row names, by their first digit (RFC 9110, section 15): SEND, changes and cancellations, reads. A
# redirect may follow a request that was performed: a web framework sends the browser to what a form has created. A 2xx
# that is no success code of the method says that something was done, and not that it is what was asked for.
_VERDICTS_BY_CLASS: Mapping[int, tuple[Verdict, Verdict, Verdict]] = {
    2: (Verdict.AMBIGUOUS, Verdict.AMBIGUOUS, Verdict.ACCEPTED),
    3: (Verdict.AMBIGUOUS, Verdict.AMBIGUOUS, Verdict.CONFIGURATION),
    4: (Verdict.REFUSED, Verdict.REFUSED, Verdict.CONFIGURATION),
}

_DEFAULT_VERDICTS = (Verdict.AMBIGUOUS, Verdict.TRANSIENT, Verdict.TRANSIENT)

_NOT_DONE = (Verdict.REFUSED, Verdict.TRANSIENT, Verdict.CONFIGURATION)

_ACCEPTED = ResponseMeaning(verdict=Verdict.ACCEPTED)


_VERDICTS_BY_DECLARATION: Mapping[DeclaredMeaning, Verdict] = {
    DeclaredMeaning.BUSY: Verdict.TRANSIENT,
    DeclaredMeaning.TRANSIENT: Verdict.TRANSIENT,
    DeclaredMeaning.REFUSED: Verdict.REFUSED,
    DeclaredMeaning.CONFIGURATION: Verdict.CONFIGURATION,
}


def classify(
    purpose: Purpose,
    reply: HttpResponse | NoResponse,
    success: frozenset[int],
    *,
    now: datetime,
    declared: DeclaredMeaning | None = None,
) -> ResponseMeaning:
    """Return what the response to a call means; `success` are the statuses that mean success for this system.

    `declared` is what the system's profile says of this status: it counts more than the table, unless the status means
    success or the response to a POST shows a run. A read cannot be refused.
    """
    if isinstance(reply, NoResponse):
        return _meaning_of_silence(purpose, reply)
    if reply.status in success or (declared is DeclaredMeaning.REFUSED and purpose in _READS):
        declared = None
    if declared is not None:
        verdict = _VERDICTS_BY_DECLARATION[declared]
    else:
        verdict = Verdict.CONFIGURATION if _refuses_connection(reply) else _verdict(purpose, reply.status, success)
    if purpose is Purpose.SEND and verdict in _NOT_DONE and _shows_run(reply):
        verdict = Verdict.AMBIGUOUS
    header = reply.headers.get("retry-after")
    if verdict is Verdict.ACCEPTED and header is None:
        return _ACCEPTED
    return ResponseMeaning(
        verdict=verdict,
        reasons=() if verdict is Verdict.ACCEPTED else reasons_in(reply),
        retry_after=retry_after_seconds(header, now),
        declared=declared,
    )


def _refuses_connection(reply: HttpResponse) -> bool:
    """Return whether a 400 is nginx's page about the TLS connection, which no request of ours got past."""
    return reply.status == HTTPStatus.BAD_REQUEST and any(page in reply.body[:500] for page in _NGINX_TLS_PAGES)


def _shows_run(reply: HttpResponse) -> bool:
    """Return whether the response to a POST shows a run in spite of its status: its address, or its id and state."""
    if "location" in reply.headers:
        return True
    body = reply.body.removeprefix(BOM_UTF8).strip()
    if not body.startswith(b"{") or (b'"id"' not in body and b'"href"' not in body):
        return False
    try:
        shown = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return any(shown.get(key) for key in ("id", "href")) and any(shown.get(key) for key in ("state", "name"))


def _verdict(purpose: Purpose, status: int, success_codes: frozenset[int]) -> Verdict:
    if status in success_codes:
        return Verdict.ACCEPTED
    unlisted = _VERDICTS_BY_CLASS.get(status // 100, _DEFAULT_VERDICTS)
    place = 0 if purpose is Purpose.SEND else 2 if purpose in _READS else 1
    return VERDICTS.get((purpose, status)) or unlisted[place]


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
