"""Read the responses of a TMF653 system about a run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import orjson

from consumers.spokes.conventions.error_in_success import error_in
from consumers.spokes.port import ErrorInSuccessError, NoRunShownError, NotUnderstoodError
from consumers.spokes.tmf653.fields import CHILDREN, OUR_OWNER, RUN_ID
from consumers.spokes.tmf653.identities import (
    MAX_HREF_LENGTH,
    id_of,
    is_address_of_run,
    last_segment,
    unless_too_long,
)
from consumers.spokes.tmf653.lenient_json import as_list, as_mapping, as_text, first_text, parse_json, unwrapped
from consumers.spokes.tmf653.measures import read_measures
from consumers.spokes.tmf653.v5.cancel_task import (
    id_of_task_at,
    is_cancel_task,
    task_in_progress,
    to_task_report,
)
from router.error_bodies import one_line
from router.runs.measures.bounds import MAX_MEASURES
from router.runs.reports.report import ExternalReport
from router.runs.reports.verdict import read_unknown_verdict, read_verdict
from router.runs.states import BeingCancelled, meaning_of
from schemas.text.shown_json import shown_json
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.responses import HttpResponse
    from router.runs.states import Meaning
    from schemas.text.json_types import Json

    Spellings = Mapping[str, Meaning]

_MAX_DEPTH = 50  # levels of children that are read from one answer
_MAX_NESTED_RUNS = 10_000  # that are read from one answer
_MAX_NESTED_MEASURES = 20_000  # of all of them together
_MAX_STATE_LENGTH = 200
_FIELDS_OF_RUNS = ("id", "href", "state", "testMeasure", "testSpecification", "relatedService")
_NO_STATES: tuple[object, ...] = (None, "", [], {})
_NAMES_OF_STATES = ("value", "state", "name", "status", "code")
RESULT = "result"  # the verdict of a system, or an envelope around a run
STATUS_REASON = "statusReason"  # no field of TMF653: ServiceNow's flows call it so, and mappings write to it
_MAX_STATUS_REASONS = 10  # in a list
_ENVELOPES = ("serviceTest", "ServiceTest", RESULT)
_MAX_NAMED = 8  # fields of an answer, in a sentence
_MAX_NAME_LENGTH = 40
_REFERENCE = frozenset({"id", "href", "name", "@type", "@baseType", "@schemaLocation", "@referredType"})


def read_reply(spellings: Spellings, response: HttpResponse) -> ExternalReport:
    """Read one run, or the task that cancels one (v5.0).

    If the body is empty, the id is read from `Location`, or unknown for now (202, 204).

    Raises:
        NotUnderstoodError: the body is not a run.
    """
    location = response.headers.get("location")
    if not response.body.strip():
        if task_id := id_of_task_at(location):
            return ExternalReport(external_id=None, cancel_task=task_in_progress(task_id))
        return ExternalReport(external_id=last_segment(location), href=location, is_id_of_address=True)
    body = require_answer(parse_json(response.body, response.headers.get("content-type")))
    return to_task_report(body) if is_cancel_task(body) else to_report(spellings, body, location)


def child_in_root(response: HttpResponse, external_id: str | None) -> HttpResponse:
    """Return a response with one nested run of the run that it shows; without a body if it does not show that one.

    A body that is no run stays as it is.
    """
    try:
        root = require_answer(parse_json(response.body, response.headers.get("content-type")))
    except NotUnderstoodError:
        return response
    shown = next((run for run in _nested(root) if first_text(run, "id") == external_id), None)
    headers = {**response.headers, "content-type": "application/json"}
    try:
        body = b"" if shown is None else orjson.dumps(shown)
    except TypeError:  # it is nested more deeply than can be written
        body = b""
    return replace(response, headers=headers, body=body)


def _nested(root: Json, depth: int = 0) -> Iterator[Json]:
    for child in as_list(root.get(CHILDREN))[:_MAX_NESTED_RUNS] if depth < _MAX_DEPTH else ():
        if isinstance(child, dict):
            yield child
            yield from _nested(child, depth + 1)


def require_run(body: object) -> Json:
    """Return the run, also out of a list that holds nothing else.

    Raises:
        NotUnderstoodError: it is something else, such as an error in spite of the status.
    """
    if isinstance(body, list) and len(body) == 1 and body[0] and isinstance(body[0], dict):
        body = body[0]
    if not isinstance(body, dict):
        raise NotUnderstoodError(f"the body is JSON but no run: {json_type_name(body)} instead of an object")
    if "id" not in body and "href" not in body and first_text(body, "code") and first_text(body, "reason"):
        raise ErrorInSuccessError(
            f"the body is an error in spite of the status: {first_text(body, 'code')}, {first_text(body, 'reason')}"
        )
    return body


def require_answer(body: object) -> Json:
    """Return the run, or the task, that an answer about one shows, also in an object around it.

    Raises:
        NotUnderstoodError: it shows none, or is an error in spite of the status.
    """
    shown = require_run(body)
    if any(shown.get(field) for field in _FIELDS_OF_RUNS):
        return shown
    if (error := error_in(shown)) is not None:
        raise ErrorInSuccessError(f"the body is an error in spite of the status: {error}")
    for envelope in _ENVELOPES:
        if envelope in shown and (inner := _run_inside(shown[envelope], envelope)) is not None:
            return inner
    return shown


def _run_inside(inner: object, envelope: str) -> Json | None:
    """Return the run in an envelope; None if it is something else, such as the reference to a run in a task.

    Raises:
        NotUnderstoodError: it is empty.
    """
    if envelope == RESULT and inner in (None, [], {}):
        raise NoRunShownError("the answer shows no run: its result is empty")
    if envelope == RESULT and isinstance(inner, list) and len(inner) == 1:
        inner = inner[0]
    run = as_mapping(inner)
    is_run = run.keys() - _REFERENCE if envelope != RESULT else run.keys() & {"id", *_FIELDS_OF_RUNS}
    return run if is_run else None


def json_type_name(found: object) -> str:
    """Return what JSON that should have been something else is, as a sentence names it."""
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(
        type(found), "a number or truth value"
    )


def _raw_state(state: object) -> str | None:
    """Return the spelling of a state, also out of an object or a list around it; of anything else its JSON."""
    if state in _NO_STATES or (text := as_text(state)):
        return as_text(state)
    inner = state[0] if isinstance(state, list) and len(state) == 1 else state
    text = as_text(inner) or first_text(as_mapping(inner), *_NAMES_OF_STATES)
    return text or shown_json(state)


def to_report(spellings: Spellings, run: Json, location: str | None = None) -> ExternalReport:
    """Translate one run, and its children if they are nested (payload `bundle`)."""
    return _to_report(spellings, run, location, _Left(runs=_MAX_NESTED_RUNS, measures=_MAX_NESTED_MEASURES))


@dataclass(slots=True, kw_only=True)
class _Left:
    """How much is still read of an answer."""

    runs: int
    measures: int


def _to_report(spellings: Spellings, run: Json, location: str | None, left: _Left, depth: int = 0) -> ExternalReport:
    href = first_text(run, "href") or location
    raw_state = _raw_state(run.get("state"))
    meaning = meaning_of(raw_state, spellings) if raw_state else None
    measures, reasons = read_measures(run, min(MAX_MEASURES, left.measures))
    left.measures -= len(measures) + len(reasons)
    state = RunState.ACKNOWLEDGED if isinstance(meaning, BeingCancelled) else meaning
    ours = run_ids_in(run)
    external_id, name = id_of(run, location), first_text(run, "name")
    return ExternalReport(
        external_id=external_id,
        href=unless_too_long(href, MAX_HREF_LENGTH),
        external_identifier=_echoed(run, ours),
        run_ids=ours,
        is_id_of_address=not first_text(run, "id") and not is_address_of_run(first_text(run, "href")),
        name=name,
        state=state,
        raw_state=raw_state[:_MAX_STATE_LENGTH] if raw_state else None,
        is_being_cancelled=isinstance(meaning, BeingCancelled),
        verdict=read_verdict(run[RESULT]) if RESULT in run else None,
        unknown_verdict=read_unknown_verdict(run[RESULT]) if RESULT in run else None,
        status_reason=_status_reason(run[STATUS_REASON]) if STATUS_REASON in run else None,
        shown="" if depth or (raw_state and external_id) else _named_fields(run),
        names_no_run=not (external_id or name or ours),
        measures=measures,
        reasons=reasons,
        children=tuple(_children(spellings, run, left, depth + 1)) if CHILDREN in run else (),
    )


def _status_reason(written: object) -> str | None:
    """Return why a run is in its state as one line, also out of a list; an object as its JSON."""
    items = [each for each in as_list(written)[:_MAX_STATUS_REASONS] if each not in _NO_STATES]
    return one_line("; ".join([each if isinstance(each, str) else shown_json(each) for each in items])) or None


def _named_fields(run: Json) -> str:
    """Return the names of the fields of an object, as a sentence names them; never their values."""
    if not run:
        return "no fields"
    names = ", ".join([repr(str(name)[:_MAX_NAME_LENGTH]) for name in list(run)[:_MAX_NAMED]])
    return f"the fields {names}{' and others' if len(run) > _MAX_NAMED else ''}"


def _children(spellings: Spellings, run: Json, left: _Left, depth: int) -> Iterator[ExternalReport]:
    for child in as_list(run[CHILDREN]) if depth <= _MAX_DEPTH else ():
        if left.runs <= 0:
            return
        left.runs -= 1
        if isinstance(child, dict):
            yield _to_report(spellings, child, None, left, depth)


def echoed_run_id(run: Json) -> str | None:
    """Find our own id if the system echoes it: as external identifier, or as characteristic."""
    return _echoed(run, run_ids_in(run))


def _echoed(run: Json, ours: tuple[str, ...]) -> str | None:
    if ours:
        return ours[0]
    identifiers = map(as_mapping, as_list(run.get("externalIdentifier")))
    return next((found for each in identifiers if _is_echo(each) and (found := first_text(each, "id"))), None)


def _is_echo(identifier: Json) -> bool:
    """Return whether an identifier may be ours: a system may drop the owner, or write another one beside our type."""
    return not first_text(identifier, "owner") or _is_text(identifier.get("externalIdentifierType"), RUN_ID)


def run_ids_in(run: Json) -> tuple[str, ...]:
    """Return the ids that stand where we write our id of a run, and so are ids of ours."""
    if "externalIdentifier" not in run and "characteristic" not in run:  # nearly always
        return ()
    identifiers = [as_mapping(one) for one in as_list(run.get("externalIdentifier"))]
    named = [first_text(one, "id") for one in identifiers if _is_text(one.get("owner"), OUR_OWNER)]
    characteristics = [as_mapping(one) for one in as_list(run.get("characteristic"))]
    named += [as_text(unwrapped(one.get("value"))) for one in characteristics if _is_text(one.get("name"), RUN_ID)]
    return tuple(dict.fromkeys(run_id for run_id in named if run_id))


def _is_text(written: object, ours: str) -> bool:
    # A system may store everything in capitals.
    return isinstance(written, str) and written.strip().casefold() == ours.casefold()
