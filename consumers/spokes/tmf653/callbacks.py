"""Read the notifications of a TMF653 system: event envelopes, thin events, and bare runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.tmf653.lenient_json import first_text, parse_json
from consumers.spokes.tmf653.replies import require_run, to_report
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from consumers.spokes.tmf653.lenient_json import Json
    from consumers.spokes.tmf653.replies import Spellings
    from router.runs.reports import ExternalReport
    from schemas.inbound import InboundReceived

# States whose report is not complete without measures.
_STATES_WITH_MEASURES = frozenset({RunState.COMPLETED, RunState.FAILED})


def read_callback(spellings: Spellings, received: InboundReceived) -> ExternalReport:
    """Read a notification (TMF653 v4.1 event envelope), or the bare run of a poll or response.

    Raises:
        NotUnderstoodError: it is neither.
    """
    body = require_run(parse_json(received.body, received.content_type))
    if "event" not in body:
        return _add_ids(to_report(spellings, body), received)
    # The path is only a hint: many systems post every event to one address.
    event_type = first_text(body, "eventType") or received.event_type or ""
    run = _event_run(body["event"], event_type)
    report = replace(
        to_report(spellings, run),
        event_id=first_text(body, "eventId") or received.event_id,
    )
    thin = _is_thin(report, run, event_type)
    return _add_ids(replace(report, thin=thin, announces_change=_announces_change(event_type)), received)


def _event_run(event: object, event_type: str) -> Json:
    """Return the run of an event: `event.serviceTest`, or `event` itself if it has only id and href."""
    if not isinstance(event, dict):
        raise NotUnderstoodError("the field 'event' is not an object")
    for key in ("serviceTest", "ServiceTest"):
        if isinstance(event.get(key), dict):
            return require_run(event[key])
    if "id" in event or "href" in event:
        return event
    about = ", ".join(sorted(event))[:200] or "nothing"
    raise NotUnderstoodError(f"{event_type[:100] or 'an event'} is about {about}, not about a run")


def _is_thin(report: ExternalReport, run: Json, event_type: str) -> bool:
    if _says_deleted(event_type):
        # Its content is what was, not what is: only a GET returns the current state.
        return True
    if "testMeasure" in run:
        return False
    return report.raw_state is None or report.state in _STATES_WITH_MEASURES


def _announces_change(event_type: str) -> bool:
    return "statechange" in event_type.lower() or _says_deleted(event_type)


def _says_deleted(event_type: str) -> bool:
    kind = event_type.lower()
    return "delete" in kind or "remove" in kind


def _add_ids(report: ExternalReport, received: InboundReceived) -> ExternalReport:
    return replace(
        report,
        external_id=report.external_id or received.external_id or None,
        event_id=report.event_id or received.event_id,
    )
