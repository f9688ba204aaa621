"""Say an event in one line, for people who watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from schemas.codec.errors import excerpt
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import RequestResult, RunResult, RunUpdate
from schemas.run_document import value_to_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.catalogue import Message
    from schemas.results import Reason, ReportedMeasure
    from schemas.run_document import RunDocument

MEASURES = 4  # shown in one line


def run_of(message: Message) -> str:
    """Name the run that a message is about; of an external system's words, what it calls the run."""
    match message:
        case RunRequested() | RunChanged() | SendRun() | ChangeRun():
            return message.run.run_id
        case RunCancelled() | CancelRun() | RunUpdate() | RunResult():
            return message.run_id
        case RequestResult():
            return message.root_run_id
        case InboundReceived():
            return message.external_id
        case _:
            assert_never(message)


def in_one_line(message: Message) -> str:  # noqa: C901, PLR0911 - one sentence per kind of event
    """Describe what a message says."""
    match message:
        case RunRequested():
            return f"requested: {_document(message.run)}"
        case RunChanged():
            return f"changed to version {message.run.version}{_because(message.reason)}"
        case RunCancelled():
            return f"shall be cancelled{_because(message.reason)}"
        case SendRun():
            return f"send to {message.spoke} ({message.decision.policy}, {message.decision.selector})"
        case ChangeRun():
            return f"change at {message.spoke} to version {message.run.version}{_because(message.reason)}"
        case CancelRun():
            return f"cancel at {message.spoke}{_because(message.reason)}"
        case InboundReceived():
            return f"{message.spoke} says by {message.channel}: {message.event_type or ''} {excerpt(message.body)}"
        case RunUpdate():
            return f"{message.kind} at {message.spoke}{_known(message)}{_for(message.reasons)}"
        case RunResult():
            return f"{_ended(message)}{_measured(message.test_measure)}{_for(message.reasons)}"
        case RequestResult():
            return f"request {message.state}: {_counted(message)}"
        case _:
            assert_never(message)


def in_words(reason: Reason) -> str:
    """Say a reason with its code."""
    return f"{reason.code}: {reason.message}"


def _document(run: RunDocument) -> str:
    family = len(run.children) + len(run.child_run_ids)
    with_children = f", {family} children" if family else ""
    return f"{run.test_specification.id} on {run.related_service.id}, version {run.version}{with_children}"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _known(update: RunUpdate) -> str:
    called = f" as {update.external_id}" if update.external_id else ""
    return called + (f", {update.state}" if update.state else "")


def _ended(result: RunResult) -> str:
    return f"ended {result.state}" + (f", {result.result}" if result.result else "")


def _measured(measures: tuple[ReportedMeasure, ...]) -> str:
    shown = [f"{one.id}={value_to_json(one.value)}{one.unit_of_measure or ''}" for one in measures[:MEASURES]]
    more = [f"{len(measures) - MEASURES} more"] if len(measures) > MEASURES else []
    return f" · {', '.join(shown + more)}" if shown else ""


def _for(reasons: Iterable[Reason]) -> str:
    said = "; ".join(map(in_words, reasons))
    return f" · {said}" if said else ""


def _counted(request: RequestResult) -> str:
    return ", ".join(f"{count} {state}" for state, count in request.counts.items())
