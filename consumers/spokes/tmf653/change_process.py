"""Read what a system says of a change that it processes later: a monitor (TMF630), or a process such as MEF 149 has."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from consumers.spokes.port import ChangeProcess
from consumers.spokes.tmf653.identities import MAX_HREF_LENGTH, unless_too_long
from consumers.spokes.tmf653.lenient_json import as_list, as_mapping, as_text, first_text, parse_json
from consumers.spokes.tmf653.monitor import REDIRECTS, RUN_FIELDS, follow_call, run_id_in
from consumers.spokes.tmf653.v5.cancel_task import TASK_STATES
from router.runs.reports.cancel_task import TaskState
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.spokes.profile import Profile
    from router.responses import HttpResponse
    from schemas.text.json_types import Json

_STATES: Mapping[str, TaskState] = MappingProxyType(
    {
        **TASK_STATES,
        "accepted": TaskState.DONE,
        "success": TaskState.DONE,
        "succeeded": TaskState.DONE,
        "denied": TaskState.REFUSED,
        "error": TaskState.REFUSED,
    }
)
_WHY = ("modificationDeniedReason", "reason", "message", "statusReason")
_REFUSED_FROM = 400  # the status that a monitor keeps of the response
_MAX_REASON_LENGTH = 1_000  # characters
_MAX_ERRORS = 10


def read_process(profile: Profile, response: HttpResponse, external_id: str | None) -> ChangeProcess | None:
    """Return what a response says of the processing of a change; None if it is about the run itself.

    Raises:
        NotUnderstoodError: the body is not JSON.
    """
    location = response.headers.get("location")
    if response.status in REDIRECTS:
        return ChangeProcess(state=TaskState.DONE)  # a monitor whose work is done leads to the run
    content_type = response.headers.get("content-type")
    body = as_mapping(parse_json(response.body, content_type)) if response.body.strip() else {}
    if _is_run(body, external_id):
        body = {}
    address = _address(profile, location) or _address(profile, first_text(body, "href"))
    if not body and address is None:
        return None
    state = _state(body)
    reasons = _reasons(body) if state is TaskState.REFUSED else ()
    return ChangeProcess(state=state, href=address, reasons=reasons)


def _is_run(body: Json, external_id: str | None) -> bool:
    return any(field in body for field in RUN_FIELDS) or (bool(body) and first_text(body, "id") == external_id)


def _address(profile: Profile, href: str | None) -> str | None:
    """Return an address at the system itself that is not that of a run."""
    href = unless_too_long(href, MAX_HREF_LENGTH)
    if href is None or run_id_in(profile.paths, href) is not None:
        return None
    return href if follow_call(profile.base_url, href) is not None else None


def _state(body: Json) -> TaskState:
    kept = first_text(as_mapping(body.get("response")), "statusCode", "status")
    if kept is not None and kept.isdecimal():
        return TaskState.REFUSED if int(kept[:4]) >= _REFUSED_FROM else TaskState.DONE
    raw_state = first_text(body, "state", "status") or ""
    return _STATES.get(raw_state.replace("_", "").casefold(), TaskState.IN_PROGRESS)


def _reasons(body: Json) -> tuple[Reason, ...]:
    kept = as_mapping(as_mapping(body.get("response")).get("body"))
    found = [text for place in (body, kept) for name in _WHY if (text := as_text(place.get(name)))]
    found += [text for each in as_list(body.get("errorMessage")) if (text := _error_text(each))]
    raw_state = (first_text(body, "state", "status") or "refused")[:100]
    texts = found[:_MAX_ERRORS] or [f"The external system ended the change as {raw_state}."]
    code = first_text(kept, "code") or first_text(body, "code") or "CHANGE_REFUSED"
    return tuple(Reason(code=code[:100], message=text[:_MAX_REASON_LENGTH]) for text in texts)


def _error_text(error: object) -> str | None:
    return first_text(error, "message", "reason") if isinstance(error, dict) else as_text(error)
