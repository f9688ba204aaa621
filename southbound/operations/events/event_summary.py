"""Describe an event in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from schemas.codec.printable import excerpt
from schemas.commands import CancelRun, ChangeRun, SendRun
from schemas.inbound import InboundReceived
from schemas.lifecycle import RunCancelled, RunChanged, RunRequested
from schemas.results import RequestResult, RunResult, RunUpdate
from schemas.run_document import value_to_json
from schemas.text.counts import count_noun

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.catalogue import EventData
    from schemas.results import Reason, ReportedMeasure
    from schemas.run_document import RunDocument

MAX_MEASURES_SHOWN = 4  # in one line


def run_id_of(message: EventData) -> str:
    """Return the id of the run that a message is about; of a report, the external system's id of it."""
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


def event_summary(message: EventData) -> str:  # noqa: C901, PLR0911 - one sentence per kind of event
    """Describe the content of a message in one line."""
    match message:
        case RunRequested():
            return f"requested: {_document_summary(message.run)}"
        case RunChanged():
            return f"changed to version {message.run.version}{_change_reason_suffix(message.reason)}"
        case RunCancelled():
            return f"to be cancelled{_change_reason_suffix(message.reason)}"
        case SendRun():
            return f"send to {message.spoke} ({message.decision.policy}, {message.decision.selector})"
        case ChangeRun():
            return f"change at {message.spoke} to version {message.run.version}{_change_reason_suffix(message.reason)}"
        case CancelRun():
            return f"cancel at {message.spoke}{_change_reason_suffix(message.reason)}"
        case InboundReceived():
            return f"{message.spoke} reports by {message.channel}: {message.event_type or ''} {excerpt(message.body)}"
        case RunUpdate():
            place = f" at {message.spoke}" if message.spoke else ""  # a run that was not routed has no system
            return f"{message.kind}{place}{_external_state_suffix(message)}{_reasons_suffix(message.reasons)}"
        case RunResult():
            return f"{_end_summary(message)}{_measures_suffix(message.test_measure)}{_reasons_suffix(message.reasons)}"
        case RequestResult():
            return f"request {message.state}: {_counts_summary(message)}"
        case _:
            assert_never(message)


def reason_text(reason: Reason) -> str:
    """Return a reason as `CODE: message`."""
    return f"{reason.code}: {reason.message}"


def _document_summary(run: RunDocument) -> str:
    child_count = len(run.children) + len(run.child_run_ids)
    children = f", {count_noun(child_count, 'child', 'children')}" if child_count else ""
    return f"{run.test_specification.id} on {run.related_service.id}, version {run.version}{children}"


def _change_reason_suffix(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _external_state_suffix(update: RunUpdate) -> str:
    name = f" as {update.external_id}" if update.external_id else ""
    return name + (f", {update.state}" if update.state else "")


def _end_summary(result: RunResult) -> str:
    return f"ended {result.state}" + (f", {result.result}" if result.result else "")


def _measures_suffix(measures: tuple[ReportedMeasure, ...]) -> str:
    shown = [
        f"{measure.id}={value_to_json(measure.value)}{measure.unit_of_measure or ''}"
        for measure in measures[:MAX_MEASURES_SHOWN]
    ]
    omitted = [f"{len(measures) - MAX_MEASURES_SHOWN} more"] if len(measures) > MAX_MEASURES_SHOWN else []
    return f" · {', '.join(shown + omitted)}" if shown else ""


def _reasons_suffix(reasons: Iterable[Reason]) -> str:
    text = "; ".join(map(reason_text, reasons))
    return f" · {text}" if text else ""


def _counts_summary(request: RequestResult) -> str:
    return ", ".join(f"{count} {state}" for state, count in request.counts.items())
