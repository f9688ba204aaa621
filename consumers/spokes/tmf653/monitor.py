"""Follow the `Location` of a run that was accepted without an id: to the run, or to a monitor that names it (TMF630).

A monitor is a resource about the processing of a request. Once that is over it names the run: by a redirect, in
`Location`, in `sourceHref`, or in the response that it keeps. If the processing has failed, the monitor says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from consumers.spokes.conventions.http_conventions import ID
from consumers.spokes.port import Call
from consumers.spokes.tmf653.identities import MAX_HREF_LENGTH, MAX_ID_LENGTH, last_segment, unless_too_long
from consumers.spokes.tmf653.lenient_json import as_list, as_mapping, first_text, parse_json
from consumers.spokes.tmf653.replies import to_report
from router.error_bodies import read_error_body
from router.responses import ACCEPTED_FOR_LATER, Purpose
from router.runs.reports.report import ExternalReport
from schemas.results import Reason
from schemas.text.shown_json import shown_json
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumers.spokes.conventions.http_conventions import Paths
    from consumers.spokes.tmf653.replies import Spellings
    from router.responses import HttpResponse
    from schemas.text.json_types import Json

REDIRECTS = frozenset({301, 302, 303, 307, 308})
PROCESSING_FAILED = "PROCESSING_FAILED"
_FAILED_STATES = frozenset({"failed", "rejected", "error", "cancelled", "canceled", "aborted", "terminatedwitherror"})
_FIRST_ERROR = 400  # of the statuses of HTTP
_SAYS_WHY = frozenset({"code", "reason", "message", "title", "detail", "errors", "error"})
_MAX_STATE_LENGTH = 100
RUN_FIELDS = ("testSpecification", "relatedService", "testMeasure")


def follow_call(base_url: str, href: str) -> Call | None:
    """Return the GET of an address; None unless it is at the system itself."""
    try:
        base, found = urlsplit(base_url), urlsplit(href[:MAX_HREF_LENGTH])
        is_path = not found.scheme and not found.netloc
        same = is_path or (found.scheme, found.netloc.lower()) == (base.scheme, base.netloc.lower())
    except ValueError:
        return None
    if not same or not found.path.startswith("/") or found.path.startswith("//") or not found.path.isprintable():
        return None
    path = f"{found.path}?{found.query}" if found.query else found.path
    return Call(purpose=Purpose.LOOK_UP, method="GET", path=path, from_root=True, also_success=REDIRECTS)


def run_id_in(paths: Paths, href: str) -> str | None:
    """Return the id that an address has if it is the address of a run."""
    before, _, after = paths.run.partition(ID)
    try:
        path = urlsplit(href[:MAX_HREF_LENGTH]).path.rstrip("/")
    except ValueError:
        return None
    if after and not path.endswith(after):
        return None
    above, slash, run_id = path.removesuffix(after).rpartition("/")
    return unless_too_long(last_segment(slash + run_id), MAX_ID_LENGTH) if f"{above}/".endswith(before) else None


def read_followed(spellings: Spellings, paths: Paths, response: HttpResponse) -> ExternalReport | str | None:
    """Return the run that an answer shows or names, the address where to ask next, or nothing yet.

    A monitor whose processing has failed leads to the report that the run is rejected, with its reasons.

    Raises:
        NotUnderstoodError: the body is not JSON.
    """
    location = response.headers.get("location")
    if location:
        return _named(paths, location) or location
    body = as_mapping(parse_json(response.body, response.headers.get("content-type"))) if response.body.strip() else {}
    if first_text(body, "id") and any(field in body for field in RUN_FIELDS):
        return to_report(spellings, body)
    if (failed := _failure(body)) is not None:
        return failed
    found = (_named(paths, address) for address in _addresses(body))
    return next((each for each in found if each is not None), None)


def _failure(monitor: Json) -> ExternalReport | None:
    """Return that the run is rejected, if the monitor says that its processing has failed."""
    raw_state = first_text(monitor, "state", "status") or ""
    kept = as_mapping(monitor.get("response"))
    status = _status_of(kept)
    if "".join(filter(str.isalpha, raw_state)).casefold() not in _FAILED_STATES and status < _FIRST_ERROR:
        return None
    reasons = _reasons(monitor, kept, max(status, _FIRST_ERROR), raw_state or f"answered with {status}")
    raw_state = unless_too_long(raw_state, _MAX_STATE_LENGTH) or RunState.REJECTED
    return ExternalReport(external_id=None, state=RunState.REJECTED, raw_state=raw_state, reasons=reasons)


def _reasons(monitor: Json, kept: Json, status: int, outcome: str) -> tuple[Reason, ...]:
    """Return why the processing failed: by the response that the monitor keeps, else by what it says itself."""
    errors = as_list(monitor.get("errorMessage"))
    own = {"errors": errors} if errors else {name: monitor[name] for name in _SAYS_WHY & monitor.keys()}
    body = _body_of(kept) or own
    if body:
        return read_error_body(shown_json(body).encode(), "application/json", status)
    message = f"The external system accepted the run, and ended its processing as {outcome[:_MAX_STATE_LENGTH]}."
    return (Reason(code=PROCESSING_FAILED, message=message),)


def _status_of(kept: Json) -> int:
    text = first_text(kept, "statusCode", "status") or ""
    return int(text) if text.isdecimal() and len(text) == len("404") else 0


def _named(paths: Paths, address: str) -> ExternalReport | None:
    run_id = run_id_in(paths, address)
    href = unless_too_long(address, MAX_HREF_LENGTH)
    return ExternalReport(external_id=run_id, href=href) if run_id else None


def _addresses(monitor: Json) -> Iterator[str]:
    """Yield the addresses that a monitor names."""
    kept = as_mapping(monitor.get("response"))
    for header in map(as_mapping, as_list(kept.get("headers") or kept.get("header"))):
        if str(header.get("name")).lower() == "location" and (value := first_text(header, "value")):
            yield value
    places = (monitor, as_mapping(monitor.get("resource")), as_mapping(monitor.get("serviceTest")), _body_of(kept))
    for place in places:
        if address := first_text(place, "sourceHref", "href"):
            yield address


def _body_of(kept: Json) -> Json:
    body = kept.get("body")
    if not isinstance(body, str):
        return as_mapping(body)
    try:
        return as_mapping(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {}


def is_elsewhere(paths: Paths, response: HttpResponse) -> bool:
    """Return whether an answer names the address of something else than a run, as a 202 does."""
    location = response.headers.get("location")
    if response.status != ACCEPTED_FOR_LATER and response.body.strip():
        return False
    return bool(location) and run_id_in(paths, location or "") is None
