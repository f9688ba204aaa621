"""One run in every form that it takes on its way, for steps that are measured in isolation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumers.routing.decide import Route
from router.runs.advance import advance
from router.runs.events import Accepted, Reported, Sending
from router.runs.ids import idempotency_key
from router.runs.request_result import request_result
from router.runs.run import RequestRow
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.commands import SendRun
from tests.benchmarks.path.load import a_request, encode_requests
from tests.builders.runs import NOON, a_run

if TYPE_CHECKING:
    from consumers.routing.decide import Decider
    from producers.publisher import Message
    from router.runs.events import RunEvent
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.catalogue import EventData


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSample:
    """The record that requests a run, its rows, its command, its run events and the messages published about it."""

    record: Message
    request: RequestRow
    routed: RunRow
    begun: tuple[RunEvent, ...]
    sending: RunRow
    command: SendRun
    done: tuple[RunEvent, ...]
    ended: RunRow
    outcomes: tuple[Event, ...]

    @property
    def command_event(self) -> Event:
        """The command as an event."""
        return _event(self.command)


def a_run_sample(run_id: str, decide: Decider, report: ExternalReport) -> EventSample:
    """Return a sample. Every external id is unique."""
    document = a_request(run_id)
    route = decide.decide(document)
    if not isinstance(route, Route):
        raise TypeError(f"{run_id} cannot be routed: {route}")
    request = _request(run_id, route)
    routed = a_run(run_id, document=document, request_id=request.request_id, decision=route.decision)
    begun = (Sending(document=document, key=idempotency_key(request.request_id, run_id, b"{}")),)
    sending = advance(routed, begun, NOON).row
    accepted = Accepted(external_id=f"x-{run_id}", href=report.href, document=document)
    done = (accepted, Reported(report_id=f"e-{run_id}", report=replace(report, external_id=f"x-{run_id}")))
    ended = advance(sending, done, NOON)
    closing = request_result((ended.row,))
    return EventSample(
        record=encode_requests("none", [run_id])[0],
        request=request,
        routed=routed,
        begun=begun,
        sending=sending,
        command=SendRun(run=document, request_id=request.request_id, spoke=route.spoke, decision=route.decision),
        done=done,
        ended=ended.row,
        outcomes=tuple(map(_event, (*ended.notifications, *([closing] if closing else ())))),
    )


def _request(run_id: str, route: Route) -> RequestRow:
    return RequestRow(
        request_id=f"RQ-{run_id}",
        root_run_id=run_id,
        tenant=None,
        spoke=route.spoke,
        decision=route.decision,
        explanation=route.explanation,
        created_at=NOON,
    )


def _event(data: EventData) -> Event:
    return Event(headers=EventHeaders(id="e-1", time=NOON, subject="R1", request_id="RQ-1"), data=data)
