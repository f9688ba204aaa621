"""Decide what the gateway would do now with a recorded event: the decision, command and system, or why nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from consumers.routing.decide import AllDefinitionsUsedUp
from consumers.routing.route_request import has_different_content
from router.runs.changes import change_event
from router.runs.events import ChangeRefused
from router.runs.pending import embedded_child, is_pending
from router.runs.processed_events import SEND, has_led_to
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES
from router.selection.outbound_policy import Payload
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.problem import Problem
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumers.routing.decide import Route
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument

    Decide = Callable[[RunDocument], Route | AllDefinitionsUsedUp | Problem]


class Effect(StrEnum):
    """What a replayed event leads to."""

    SEND = "send"  # it is POSTed, after a look-up if it may have been sent before
    CHANGE = "change"
    CANCEL = "cancel"
    REPORT = "report"  # a report is read again
    WAIT = "wait"
    NOTHING = "nothing"
    DEAD_LETTER = "dead letter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What an event would lead to, and why. What does not apply is empty."""

    run: str
    effect: Effect
    sentence: str
    spoke: str = ""
    decision: str = ""
    command: str = ""


def run_of(event: Event) -> str:
    """Return the run that an event is about; empty for a report, which names the id of its system."""
    match event.data:
        case RunRequested() | RunChanged() | SendRun() | ChangeRun() as about:
            return about.run.run_id
        case InboundReceived():
            return ""
        case other:
            return str(getattr(other, "run_id", ""))


def forecast(
    event: Event,
    row: RunRow | None,
    decide: Decide,
    *,
    root: RunRow | None = None,
    is_requested_before: bool = False,
) -> Forecast:
    """Return what an event would lead to now.

    `row` is what the store has of its run, and `root` of its root, if it does not have the run.
    `is_requested_before`: the same replay has its `RunRequested` before it.
    """
    match event.data:
        case RunRequested(run=document):
            known = _request_of_known(event, document, row, decide) if row is not None else None
            return known or _first_request(document, decide, is_requested_before=is_requested_before)
        case InboundReceived() as report:
            return _report(event, report, row)
        case SendRun() as command if row is None:
            sentence = "UNKNOWN_RUN: the store does not have the run; replay its lifecycle events instead"
            return Forecast(run=run_of(event), effect=Effect.DEAD_LETTER, sentence=sentence, spoke=command.spoke)
    if row is None:
        return _unknown(event, root, is_requested_before=is_requested_before)
    return _of_known_run(event, row)


def _of_known_run(event: Event, row: RunRow) -> Forecast:
    match event.data:
        case RunChanged(run=document):
            return _change(event, document, row)
        case RunCancelled():
            return _cancellation(row)
        case SendRun() if row.phase not in (*ENDED_PHASES, *ACCEPTED_PHASES):
            first = "looked up first, because it may have been sent" if row.sent_at else "POSTed, as it was not sent"
            return _command(row, Effect.SEND, f"it is {row.phase}: it is {first}")
        case ChangeRun(run=document) if row.phase not in ENDED_PHASES and row.accepted_version < document.version:
            return _command(row, Effect.CHANGE, f"version {document.version} is PATCHed")
        case CancelRun() if row.phase not in ENDED_PHASES:
            return _command(row, Effect.CANCEL, "its cancellation is sent, if the system has not confirmed it")
        case _:
            return _existing(row)


def _first_request(document: RunDocument, decide: Decide, *, is_requested_before: bool) -> Forecast:
    if is_requested_before:
        sentence = "the same request is before it in this replay"
        return Forecast(run=document.run_id, effect=Effect.NOTHING, sentence=sentence)
    return _new_request(document, decide)


def _request_of_known(event: Event, document: RunDocument, row: RunRow, decide: Decide) -> Forecast:
    if has_different_content(row, document):
        sentence = "RUN_EXISTS: the run exists with other content"
        return Forecast(run=row.run_id, effect=Effect.DEAD_LETTER, sentence=sentence, spoke=row.spoke)
    if is_pending(row):
        if row.phase is Phase.FALLOUT:
            return _new_request(document, decide)
        return Forecast(run=row.run_id, effect=Effect.WAIT, sentence=f"the run exists and is {row.phase}")
    if has_led_to(row, event.id, SEND) and row.phase is Phase.ROUTED:
        return _command(row, Effect.SEND, "its command is published again; a command that is there is sent once")
    return _existing(row)


def _new_request(document: RunDocument, decide: Decide) -> Forecast:
    run_id, root = document.run_id, document.root_run_id
    if document.parent_run_id is not None:
        return Forecast(run=run_id, effect=Effect.WAIT, sentence=f"it joins the hierarchy of {root}, which is decided")
    route = decide(document)
    if isinstance(route, Problem):
        return Forecast(run=run_id, effect=Effect.DEAD_LETTER, sentence=f"{route.code}: {route.sentence}")
    if isinstance(route, AllDefinitionsUsedUp):
        return Forecast(run=run_id, effect=Effect.WAIT, sentence="every definition that matches is used up")
    decision = f"{route.decision.policy}, {route.decision.selector}"
    count = 1 + len(document.children) if route.decision.hierarchical else 1
    is_bundle = route.decision.payload == Payload.BUNDLE or count == 1
    command = "SendRun" if is_bundle else f"SendRun for {count} runs"
    if document.child_run_ids:
        effect, sentence = Effect.WAIT, f"it is sent when {len(document.child_run_ids)} listed children have arrived"
    else:
        # The store may have lost it, or deleted it since it ended.
        effect, sentence = Effect.SEND, "the store does not have it: it is looked up, and POSTed if it is not found"
    return Forecast(run=run_id, effect=effect, sentence=sentence, spoke=route.spoke, decision=decision, command=command)


def _change(event: Event, document: RunDocument, row: RunRow) -> Forecast:
    if is_pending(row):
        return Forecast(run=row.run_id, effect=Effect.WAIT, sentence=f"the run is {row.phase} and is changed there")
    meaning = change_event(event, row, document)
    if isinstance(meaning, ChangeRefused):
        sentence = f"it is refused again: {meaning.reasons[0].code}"
        return Forecast(run=row.run_id, effect=Effect.NOTHING, sentence=sentence, spoke=row.spoke)
    if meaning is None and (row.accepted_version >= document.version or row.phase in ENDED_PHASES):
        return _existing(row)
    return _command(row, Effect.CHANGE, f"version {document.version} is sent, if the system does not have it")


def _cancellation(row: RunRow) -> Forecast:
    if row.phase in ENDED_PHASES:
        return _existing(row)
    if is_pending(row):
        return Forecast(run=row.run_id, effect=Effect.CANCEL, sentence=f"the run is {row.phase} and ends unsent")
    return _command(row, Effect.CANCEL, "its cancellation is sent, if the system has not confirmed it")


def _report(event: Event, report: InboundReceived, row: RunRow | None) -> Forecast:
    if row is None:
        sentence = (
            f"REPORT_WITHOUT_RUN: no run is {report.external_id or '(no id)'} at {report.spoke}, still after 60 s"
        )
        return Forecast(run="", effect=Effect.DEAD_LETTER, sentence=sentence, spoke=report.spoke)
    start = f"{event.id} led to "
    if any(entry.startswith(start) for entry in row.processed_reports):
        return _existing(row)
    return _command(row, Effect.REPORT, "it is read again and changes the run if it says something newer")


def _unknown(event: Event, root: RunRow | None, *, is_requested_before: bool) -> Forecast:
    if root is not None and is_pending(root) and embedded_child(root.requested, run_of(event)) is not None:
        sentence = f"it is a part of {root.run_id}, which is {root.phase}, and is changed there"
        return Forecast(run=run_of(event), effect=Effect.WAIT, sentence=sentence)
    if is_requested_before:
        effect = Effect.CANCEL if isinstance(event.data, RunCancelled) else Effect.CHANGE
        return Forecast(run=run_of(event), effect=effect, sentence="it follows its request, which is in this replay")
    return Forecast(
        run=run_of(event), effect=Effect.DEAD_LETTER, sentence="UNKNOWN_RUN: the store does not have the run"
    )


def _existing(row: RunRow) -> Forecast:
    state = row.state.value if row.state is not None and row.phase in ENDED_PHASES else row.phase.value
    at = f" at {row.spoke}" if row.spoke else ""
    sentence = f"the run exists and is {state}{at}; what it led to last is published again"
    return Forecast(run=row.run_id, effect=Effect.NOTHING, sentence=sentence, spoke=row.spoke, decision=_decision(row))


_COMMANDS = {Effect.SEND: "SendRun", Effect.CHANGE: "ChangeRun", Effect.CANCEL: "CancelRun"}


def _command(row: RunRow, effect: Effect, sentence: str) -> Forecast:
    return Forecast(
        run=row.run_id,
        effect=effect,
        sentence=sentence,
        spoke=row.spoke,
        decision=_decision(row),
        command=_COMMANDS.get(effect, ""),
    )


def _decision(row: RunRow) -> str:
    return f"{row.decision.policy}, {row.decision.selector}" if row.decision else ""
