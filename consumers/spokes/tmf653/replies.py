"""Read the responses of a TMF653 system about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.fields import CHILDREN, OUR_OWNER, RUN_ID
from consumers.spokes.tmf653.lenient_json import items, mapping, parse, text
from consumers.spokes.tmf653.measures import read_measures
from router.runs.reports import ExternalReport
from router.runs.states import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.spokes.tmf653.lenient_json import Json
    from router.responses import HttpResponse
    from schemas.vocabulary import RunState

    Spellings = Mapping[str, RunState]

_DEEPEST = 50  # levels of children that are read from one answer
_PARTIAL = 206


def read_reply(spellings: Spellings, answer: HttpResponse) -> ExternalReport:
    """Read one run. If the body is empty, the id is read from `Location`, or unknown for now (202, 204).

    Raises:
        NotUnderstoodError: the body is not a run.
    """
    location = answer.headers.get("location")
    if not answer.body.strip():
        return ExternalReport(external_id=_last_segment(location), href=location)
    return report_of(spellings, run_in(parse(answer.body, answer.headers.get("content-type"))), location)


def run_in(found: object) -> Json:
    """Return the run.

    Raises:
        NotUnderstoodError: it is something else, such as an error in spite of the status.
    """
    if not isinstance(found, dict):
        raise NotUnderstoodError(f"the body is JSON but no run: {_kind(found)} instead of an object")
    if "id" not in found and "href" not in found and text(found, "code") and text(found, "reason"):
        raise NotUnderstoodError(
            f"the body is an error in spite of the status: {text(found, 'code')}, {text(found, 'reason')}"
        )
    return found


def _kind(found: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(found), "a number or truth value")


def report_of(spellings: Spellings, run: Json, location: str | None = None, depth: int = 0) -> ExternalReport:
    """Translate one run, and its children if they are nested (payload `bundle`)."""
    href = text(run, "href") or location
    raw_state = text(run, "state")
    measures, reasons = read_measures(run)
    children = items(run.get(CHILDREN)) if depth < _DEEPEST else []
    return ExternalReport(
        external_id=text(run, "id") or _last_segment(href),
        href=href,
        external_identifier=_our_run_id(run),
        name=text(run, "name"),
        state=normalise(raw_state, spellings) if raw_state else None,
        raw_state=raw_state,
        measures=measures,
        reasons=reasons,
        children=tuple(report_of(spellings, child, depth=depth + 1) for child in children if isinstance(child, dict)),
    )


def _last_segment(address: str | None) -> str | None:
    try:
        path = urlsplit(address or "").path
    except ValueError:
        return None
    return unquote(path.rstrip("/").rpartition("/")[2]).replace("\x00", "").strip() or None


def _our_run_id(run: Json) -> str | None:
    """Find our own id if the system echoes it: as external identifier, or as characteristic."""
    identifiers = [mapping(one) for one in items(run.get("externalIdentifier"))]
    ours = [one for one in identifiers if one.get("owner") == OUR_OWNER] or identifiers
    for characteristic in map(mapping, items(run.get("characteristic"))):
        if characteristic.get("name") == RUN_ID:
            ours.append({"id": characteristic.get("value")})
    return next((found for one in ours if (found := text(one, "id"))), None)


def find_run(spellings: Spellings, answer: HttpResponse, name: str, run_id: str) -> ExternalReport | None:
    """Find our run in the response to a look-up, by exact name or by our id; filters are not always honoured.

    Raises:
        NotUnderstoodError: the body is not a list of runs, or only a part of one without our run.
    """
    found = parse(answer.body, answer.headers.get("content-type"))
    candidates = [one for one in items(found) if isinstance(one, dict)]
    for one in candidates:
        if _our_run_id(one) == run_id or text(one, "name") == name:
            return report_of(spellings, one)
    if not isinstance(found, list) and not (candidates and "id" in candidates[0]):
        raise NotUnderstoodError(f"the answer to a look-up is no list of runs but {_kind(found)}")
    if _is_partial(answer.status, answer.headers, len(candidates)):
        raise NotUnderstoodError(
            "the look-up was answered with the first page of other runs: the system ignores the filter"
        )
    return None


def _is_partial(status: int, headers: Mapping[str, str], shown: int) -> bool:
    total = headers.get("x-total-count", "")
    more = total.isascii() and total.isdigit() and len(total) < 10 and int(total) > shown  # noqa: PLR2004 - no number that long counts runs
    return status == _PARTIAL or more or 'rel="next"' in headers.get("link", "")
