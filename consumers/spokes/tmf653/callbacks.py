"""Read the notifications of a TMF653 system: event envelopes, thin events, and bare runs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.spokes.port import NotAboutARunError, NotUnderstoodError
from consumers.spokes.tmf653.envelopes import EVENT_TIMES, open_envelope
from consumers.spokes.tmf653.identities import id_of
from consumers.spokes.tmf653.lenient_json import as_mapping, as_moment, first_text, parse_json
from consumers.spokes.tmf653.replies import echoed_run_id, require_answer, require_run, to_report
from consumers.spokes.tmf653.v5.cancel_task import CANCEL_TASK, is_cancel_task, to_task_report
from consumers.spokes.tmf653.v5.information import asks_for_information, questions_in
from router.runs.reports.information import CANCEL_INFORMATION_REQUIRED, INFORMATION_REQUIRED
from router.runs.states import TERMINAL
from schemas.vocabulary import Channel, RunState

if TYPE_CHECKING:
    from consumers.spokes.tmf653.replies import Spellings
    from router.runs.reports.report import ExternalReport
    from schemas.inbound import InboundReceived
    from schemas.results import Reason
    from schemas.text.json_types import Json

# States whose report is not complete without measures.
_STATES_WITH_MEASURES = frozenset({RunState.COMPLETED, RunState.FAILED})

# States that follow each other in both directions: only the time of an event says which of two is the newer one.
_STATES_BOTH_WAYS = frozenset({RunState.PENDING, RunState.IN_PROGRESS})
_FUTURE = timedelta(days=1)  # of the clock of a system that is ahead of ours, at most

# Hubs send the events of these resources of TMF653 to the same listener.
_OTHER_RESOURCES = ("serviceTestSpecification", CANCEL_TASK)
# What event types say after the name of their resource; a type of another form names no resource for certain.
_WHAT_HAPPENED = re.compile(
    r"(?:(?:create|statechange|attributevaluechange|change|update|complete|delete|remove)d?"
    r"|creation|informationrequired|(?:start|finish|fail)(?:ed)?)?(?:event|notification)$"
)
_NAMES_OF_RUNS = ("servicetest", "testjob")  # TMF653, and MEF
_MAY_BE_RUNS = ("", "test", "run", "testrun")


def read_callback(spellings: Spellings, received: InboundReceived) -> ExternalReport:
    """Read a notification (TMF653 v4.1 event envelope), or the bare run of a poll or response.

    Raises:
        NotUnderstoodError: it is neither.
    """
    body = _opened(received)
    if "event" not in body:
        return _add_ids(_of_bare_run(to_report(spellings, body), body, received), received)
    event_type = _event_type(body, received)
    if (task := _cancel_task(body["event"], event_type)) is not None:
        task_report = to_task_report(task, questions_in(body, event_type, CANCEL_INFORMATION_REQUIRED))
        return _add_ids(replace(task_report, event_id=first_text(body, "eventId") or received.event_id), received)
    questions = questions_in(body, event_type, INFORMATION_REQUIRED)
    if questions or asks_for_information(event_type):
        return _add_ids(_timed(_asking(spellings, body, event_type, questions), body, received), received)
    run = _event_run(body["event"], event_type)
    report = replace(
        to_report(spellings, run),
        event_id=first_text(body, "eventId") or received.event_id,
    )
    deleted = _says_deleted(event_type)
    announces_change = deleted or "statechange" in event_type.lower()
    report = replace(report, deleted=deleted, announces_change=announces_change)
    report = replace(report, thin=_is_thin(report, run, event_type), alike=int(announces_change))
    return _add_ids(_timed(report, body, received), received)


def check_callback(received: InboundReceived) -> str | None:
    """Return the external id of a notification that names a run, in any way that `read_callback` reads.

    None: it names the run otherwise, or it is about the task that cancels it, which has an id of its own.

    Raises:
        NotAboutARunError: it is an event about another resource of TMF653.
        NotUnderstoodError: it names no run.
    """
    body = _opened(received)
    event_type = _event_type(body, received)
    task = _cancel_task(body["event"], event_type) if "event" in body else None
    run = task or (_event_run(body["event"], event_type) if "event" in body else body)
    if not (received.external_id or first_text(run, "id", "href", "name") or echoed_run_id(run)):
        raise NotUnderstoodError("it names no run: it has neither an id, nor an href, a name or an external identifier")
    return None if task is not None or is_cancel_task(run) else id_of(run)


def _opened(received: InboundReceived) -> Json:
    body = parse_json(received.body, received.content_type)
    if received.channel is Channel.POLL:
        return require_answer(body)
    return open_envelope(require_run(body))


def _cancel_task(event: object, event_type: str) -> Json | None:
    """Return the task of an event about the cancellation of a run (v5.0)."""
    if not isinstance(event, dict):
        return None
    if isinstance(event.get(CANCEL_TASK), dict):
        return as_mapping(event[CANCEL_TASK])
    return event if event_type.lower().startswith(CANCEL_TASK.lower()) and event.keys() & {"id", "href"} else None


def _asking(spellings: Spellings, body: Json, event_type: str, questions: tuple[Reason, ...]) -> ExternalReport:
    """Return the report of a run that waits for information, whatever state the event shows."""
    run = _event_run(body["event"], event_type)
    report = to_report(spellings, run)
    if report.state not in TERMINAL:
        report = replace(report, state=RunState.PENDING, raw_state="informationRequired")
    elif not questions:
        report = replace(report, thin=_is_thin(report, run, event_type))
    return replace(report, asked=questions, event_id=first_text(body, "eventId"))


def _event_type(body: Json, received: InboundReceived) -> str:
    # The path is only a hint: many systems post every event to one address.
    return first_text(body, "eventType") or received.event_type or ""


def _event_run(event: object, event_type: str) -> Json:
    """Return the run of an event: `event.serviceTest`, or `event` itself if it has only id and href."""
    for key in ("serviceTest", "ServiceTest"):
        if isinstance(event, dict) and isinstance(event.get(key), dict):
            return require_run(event[key])
    if _names_another_resource(event_type):
        raise NotAboutARunError(f"the event is of type {event_type[:100]}, which names no service test")
    if not isinstance(event, dict):
        raise NotUnderstoodError("the field 'event' is not an object")
    if other := _other_resource(event, event_type):
        raise NotAboutARunError(f"the event is about {other}, not about a run")
    if "id" in event or "href" in event:
        return event
    about = ", ".join(sorted(event))[:200] or "nothing"
    raise NotUnderstoodError(f"{event_type[:100] or 'an event'} is about {about}, not about a run")


def _other_resource(event: Json, event_type: str) -> str:
    """Return the resource of TMF653 that an event is about if it is not a run, else nothing."""
    kind = event_type.lower()
    # A bare run may refer to its specification; an event with nothing but the specification is about that.
    keys = set() if "id" in event or "href" in event else {key.lower() for key in event}
    return next((name for name in _OTHER_RESOURCES if kind.startswith(name.lower()) or name.lower() in keys), "")


def _names_another_resource(event_type: str) -> bool:
    """Return whether a type has the form of TMF's event types, and names something that is no run."""
    if any(name in _letters(event_type) for name in _NAMES_OF_RUNS):
        return False
    kind = _letters(event_type.rpartition(".")[2])  # without the name of an organisation
    happened = _WHAT_HAPPENED.search(kind)
    return happened is not None and kind[: happened.start()] not in _MAY_BE_RUNS


def _letters(event_type: str) -> str:
    return re.sub(r"[^a-z]", "", event_type.lower())


def _is_thin(report: ExternalReport, run: Json, event_type: str) -> bool:
    if _says_deleted(event_type):
        # Its content is what was, not what is: only a GET returns the current state.
        return True
    if "testMeasure" in run:
        return False
    return report.raw_state is None or report.state in _STATES_WITH_MEASURES


def _of_bare_run(report: ExternalReport, run: Json, received: InboundReceived) -> ExternalReport:
    """Return the report of a run without an event; a notification that only names it says that there is news."""
    if received.channel is not Channel.CALLBACK:
        return report
    # With measures and without a state it is perhaps only a part of the run.
    return replace(report, thin=report.raw_state is None and "testMeasure" not in run, alike=0)


def _timed(report: ExternalReport, body: Json, received: InboundReceived) -> ExternalReport:
    """Return the report with the time of its event, if another event may contradict it.

    A time without a zone orders nothing in the hour in which clocks go back, nor does one that is far in the future.
    """
    if not (report.thin or report.state in _STATES_BOTH_WAYS) or received.channel is not Channel.CALLBACK:
        return report
    found = next((at for name in EVENT_TIMES if (at := as_moment(body.get(name), needs_zone=True))), None)
    if found is None or found > received.received_at + _FUTURE:
        return report
    return replace(report, event_time=found)


def _says_deleted(event_type: str) -> bool:
    kind = event_type.lower()
    return "delete" in kind or "remove" in kind


def _add_ids(report: ExternalReport, received: InboundReceived) -> ExternalReport:
    # The listener takes the id of a bare task for that of a run.
    task_id = report.cancel_task.id if report.cancel_task else None
    external_id = received.external_id if received.external_id != task_id else None
    return replace(
        report,
        external_id=report.external_id or external_id or None,
        event_id=report.event_id or received.event_id,
    )
