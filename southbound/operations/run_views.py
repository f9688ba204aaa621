"""Runs as text: a table with one line per run, and all details of one run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from router.responses import Purpose
from router.runs.checks.missing_parts import waits_for
from router.runs.checks.watch import Missing
from router.runs.events import CANCEL_REQUESTED, CANCELLED_BEFORE_SENDING
from router.runs.notifications.last_notification import last_notifications
from router.runs.reports.unread_fields import MIN_ANSWERS, answers_without_state
from router.runs.requests.compensation import COMPENSATED
from router.runs.revisions.replacement import is_being_replaced
from router.runs.transitions import ENDED_PHASES
from router.tables.explain.explanation import explanation_text
from router.timeline.entries import HttpAttempt, OmittedEntries, StateChange
from schemas.codec.printable import printable
from schemas.results import RunUpdate
from schemas.run_document import value_to_json
from schemas.text.counts import count_noun
from schemas.vocabulary import Phase
from southbound.operations.events.event_summary import reason_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from router.runs.run import RequestRow, RunRow
    from router.timeline.entries import TimelineEntry
    from schemas.run_document import RunDocument


COLOURS = {
    Phase.FULFILLED: "green",
    Phase.FAILED: "red",
    Phase.FALLOUT: "bold red",
    Phase.BLOCKED: "red",
    Phase.CANCELLED: "dim",
    Phase.IN_DOUBT: "bold yellow",
    Phase.RETRYING: "yellow",
    Phase.WAITING: "yellow",
}

COLUMNS = ("run", "phase", "state", "result", "spoke", "external id", "decision", "updated")


def run_table(rows: Sequence[RunRow]) -> Table:
    """Return a table with one line per run."""
    table = Table(*COLUMNS, box=None, pad_edge=False)
    table.columns[0].no_wrap = True  # it is copied into the other commands
    for row in rows:
        table.add_row(
            _indented_run_id(row),
            Text(row.phase.value, style=COLOURS.get(row.phase, "")),
            row.state.value if row.state else "-",
            row.result.value if row.result else "-",
            row.spoke or "-",
            printable(row.external_id or "-"),
            row.decision.policy if row.decision else "-",
            _optional_time(row.updated_at),
        )
    return table


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """Everything that is stored about one run."""

    row: RunRow
    request: RequestRow | None
    related_runs: Sequence[RunRow]
    timeline: Sequence[TimelineEntry]


def run_details(stored: StoredRun) -> Group:
    """Return everything that is stored about one run."""
    row, request, related_runs = stored.row, stored.request, stored.related_runs
    parts: list[RenderableType] = [_fields_table(row)]
    if request is not None:
        parts += [_heading("decision"), _printable_lines(explanation_text(request.explanation))]
    if row.measures:
        parts += [_heading("measures"), _measures_table(row)]
    if row.reasons:
        parts += [_heading("reasons"), *(Text(printable(reason_text(reason))) for reason in row.reasons)]
    if updates := _last_updates(row):
        parts += [_heading("published last"), *(Text(printable(line)) for line in updates)]
    if stored.timeline:
        parts += [_heading("timeline"), timeline_table(stored.timeline)]
    parts += [_heading("requested document"), _document_text(row.requested)]
    if row.sent is not None:
        same = row.sent == row.requested
        parts += [_heading("document sent last"), Text("the same") if same else _document_text(row.sent)]
    if len(related_runs) > 1:
        parts += [_heading("runs of this request"), run_table(related_runs)]
    return Group(*parts)


def timeline_table(timeline: Sequence[TimelineEntry]) -> Table:
    """Return what happened to a run, in order of time: changes of its phase and state, and HTTP attempts."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for entry in timeline:
        table.add_row(Text(_precise_time(entry.at), style="dim"), *map(printable, _described(entry)))
        for name, body in _bodies(entry):
            table.add_row("", Text(name, style="dim"), printable(body))
    return table


def _precise_time(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def _described(entry: TimelineEntry) -> tuple[str, str]:
    """Return the kind of an entry and what it says."""
    match entry:
        case StateChange():
            return entry.phase.value, f"{entry.state or '-'}, revision {entry.revision}"
        case OmittedEntries():
            return "omitted", (
                f"{count_noun(entry.attempts, 'attempt')} and {count_noun(entry.changes, 'change')} until"
                f" {_precise_time(entry.until)}"
            )
        case HttpAttempt():
            outcome = entry.failure if entry.status is None else str(entry.status)
            codes = f" ({', '.join(entry.codes)})" if entry.codes else ""
            digests = f", sent {entry.request_digest[:8]}" if entry.request_digest else ""
            profile = f", profile {entry.profile_digest}" if entry.profile_digest else ""
            return entry.purpose.value, (
                f"{entry.method} {entry.url} → {outcome}, {entry.verdict}{codes} in {entry.seconds:g} s{digests}"
                f"{profile}"
            )


def _bodies(entry: TimelineEntry) -> Iterator[tuple[str, str]]:
    if isinstance(entry, HttpAttempt):
        yield from (
            (name, body)
            for name, body in (("request", entry.request_body), ("response", entry.response_body))
            if body is not None
        )


def _fields_table(row: RunRow) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _fields(row):
        if value:
            table.add_row(Text(name, style="dim"), printable(value))
    return table


def _fields(row: RunRow) -> Iterator[tuple[str, str]]:
    yield "run", row.run_id
    yield "root", row.root_run_id if row.root_run_id != row.run_id else ""
    yield "parent", row.parent_run_id or ""
    yield "request", row.request_id
    yield "mode", row.requested.mode.value
    yield "phase", row.phase.value
    yield "state", row.state.value if row.state else ""
    yield "result", row.result.value if row.result else ""
    yield "spoke", row.spoke
    yield "external id", " ".join(filter(None, (row.external_id, row.external_href)))
    if row.replacement is not None:
        yield "replaced tests", ", ".join(row.replacement.ended)
        yield "change", "waits for the end of the test that the system has" if is_being_replaced(row) else ""
    if row.decision is not None:
        yield "decision", f"{row.decision.policy}, {row.decision.selector}"
        yield (
            "sent as",
            f"whole hierarchy, {row.decision.payload}" if row.decision.hierarchical else "this run alone",
        )
    yield "waits for", ", ".join(row.waits_for) if row.phase is Phase.WAITING else ""
    yield "next check", _describe_watch(row)
    yield "deadline", _describe_deadline(row)
    yield "first attempt", _describe_first_attempt(row)
    yield "last attempt", _describe_attempt(row)
    yield "next attempt", _describe_next_attempt(row)
    yield "versions", f"requested {row.requested.version}, accepted {row.accepted_version or 'none'}"
    yield "cancellation", _describe_cancellation(row)
    for name in ("created_at", "sent_at", "accepted_at", "finished_at", "updated_at"):
        yield name.removesuffix("_at"), _optional_time(getattr(row, name))
    yield "revision", str(row.revision)


def _measures_table(row: RunRow) -> Table:
    table = Table("id", "metric", "value", "unit", "id found by", "violations", box=None, pad_edge=False)
    for measure in row.measures:
        violations = ", ".join(rule.name or rule.id or "unnamed" for rule in measure.rule_violation)
        value, unit = str(value_to_json(measure.value)), measure.unit_of_measure or "-"
        reported = (measure.id, measure.metric_name or "-", value, unit)
        table.add_row(*map(printable, reported), measure.id_origin.value, printable(violations))
    return table


def _document_text(document: RunDocument) -> Text:
    return Text(document.model_dump_json(indent=2, exclude_defaults=True))


def _printable_lines(text: str) -> Text:
    return Text("\n".join(map(printable, text.splitlines())))


def _heading(title: str) -> Text:
    return Text(f"\n{title}", style="bold")


def _indented_run_id(row: RunRow) -> str:
    return printable(f"  {row.run_id}" if row.parent_run_id else row.run_id)


def _optional_time(moment: datetime | None) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else ""


def status_sentences(row: RunRow) -> list[str]:
    """Return sentences on the status of a run, its reasons, and requests that are still open."""
    reasons = [f"because {reason_text(reason)}" for reason in row.reasons]
    check, attempt, next_attempt = _describe_watch(row), _describe_attempt(row), _describe_next_attempt(row)
    return [
        f"{_PHASE_DESCRIPTIONS[row.phase](row)}, since {format_time(phase_since(row))}",
        *reasons,
        *([f"first attempt at {first}"] if (first := _describe_first_attempt(row)) else []),
        *([f"last attempt {attempt}"] if attempt else []),
        *([f"next attempt {next_attempt}"] if next_attempt else []),
        *([f"next check {check}"] if check else []),
        *_unread_answers(row),
        *([f"deadline {deadline}"] if (deadline := _describe_deadline(row)) else []),
        *[f"published last: {line}" for line in _last_updates(row)],
        *_pending_requests(row),
    ]


def phase_since(row: RunRow) -> datetime:
    """Return when a run got into its phase, as far as it is stored: a later update may be about something else."""
    if row.phase in ENDED_PHASES:
        return row.finished_at or row.updated_at
    known = {Phase.ACCEPTED: row.accepted_at, Phase.SENDING: row.sent_at}
    return known.get(row.phase) or row.updated_at


def _unread_answers(row: RunRow) -> Iterator[str]:
    """Yield how many answers had no state, if they are too few for a reason: a system may show one only later."""
    counted = answers_without_state(row)
    if 0 < counted < MIN_ANSWERS:
        yield (
            f"{count_noun(counted, 'answer')} had no state that could be read: after {MIN_ANSWERS} in a row, a reason "
            "says which rules of the profile to correct"
        )


def _last_updates(row: RunRow) -> list[str]:
    """Return what was published last about a run in flight, with its reasons: why it is in doubt or was refused."""
    return [
        f"{update.kind} at {format_time(update.occurred_at)}: {'; '.join(map(reason_text, update.reasons))}"
        for update in last_notifications(row)
        if isinstance(update, RunUpdate) and update.reasons
    ]


def _describe_watch(row: RunRow) -> str:
    if row.watch is None:
        return ""
    return (
        f"{format_time(row.watch.due)}: {_MISSING[row.watch.missing]} since {format_time(row.watch.since)}, "
        f"{count_noun(row.watch.answers, 'check')} answered so far, beside polls and notifications"
    )


def _describe_cancellation(row: RunRow) -> str:
    if row.phase is Phase.CANCELLED:
        return f"by {_named_canceller(row)}"
    if row.cancellation is None:
        return "requested" if row.cancel_requested and row.finished_at is None else ""
    due, since = format_time(row.cancellation.due), format_time(row.cancellation.since)
    if row.cancellation.id:
        return f"requested, by the task {row.cancellation.id}, which is asked for at {due}"
    return f"requested, and accepted at {since}: the run is asked for at {due}"


def _describe_deadline(row: RunRow) -> str:
    known = row.deadline
    if known is None or not known.is_set:
        return ""
    if known.left is not None:
        return f"{format_time(known.expires)}, if the run is still pending then"
    late = "late" if known.jeopardy is None else f"expected to end by {format_time(known.jeopardy)}"
    return f"{format_time(known.expires)}, when the run times out ({late})"


def _describe_attempt(row: RunRow) -> str:
    failed = row.failed_attempt
    return f"number {failed.number} at {format_time(failed.at)}: {failed.code}: {failed.message}" if failed else ""


def _describe_first_attempt(row: RunRow) -> str:
    failed = row.failed_attempt
    return format_time(failed.first_at) if failed and failed.first_at and failed.number > 1 else ""


_PHASES_BETWEEN_ATTEMPTS = (Phase.ROUTED, Phase.RETRYING, Phase.IN_DOUBT)


def _describe_next_attempt(row: RunRow) -> str:
    failed = row.failed_attempt
    if failed is None or failed.next_at is None:
        return ""
    if failed.purpose is Purpose.SEND and row.phase not in _PHASES_BETWEEN_ATTEMPTS:
        return ""
    # The run store is not written at each attempt.
    later = "while the system is down, later attempts are not stored"
    if row.phase is Phase.IN_DOUBT:
        later = "of look-ups that prove nothing, the attempts 1, 2, 4, 8, … are stored"
    return f"{format_time(failed.next_at)} ({later})"


def format_time(when: datetime) -> str:
    """Return a time in the local time zone."""
    return when.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _pending_requests(row: RunRow) -> Iterator[str]:
    if row.cancel_requested and row.phase is not Phase.CANCELLED:
        yield f"its cancellation was {_describe_cancellation(row) or 'requested'}"
    if row.sent is not None and row.sent.version < row.requested.version:
        yield f"version {row.requested.version} is requested, and version {row.sent.version} was sent to {row.spoke}"


def _describe_created(row: RunRow) -> str:
    children = len(row.requested.child_run_ids)
    if not children:
        return "it waits for the root of its hierarchy"
    return f"it waits for the {count_noun(children, 'child', 'children')} that it lists"


def _describe_waiting(row: RunRow) -> str:
    if not row.waits_for:
        return f"it waits with its root {row.root_run_id}, for which every matching request definition is used up"
    return f"it waits in the queue for {', '.join(row.waits_for)}, and is released automatically"


def _describe_routed(row: RunRow) -> str:
    after = f", after its parent {row.parent_run_id} is accepted" if row.parent_run_id else ""
    return f"it was routed and waits to be sent to {row.spoke}{after}"


def _describe_accepted(row: RunRow) -> str:
    named = f"as {row.external_id}" if row.external_id is not None else "without naming an id"
    return f"{row.spoke} has accepted it {named}{_reported_state(row)}"


def _reported_state(row: RunRow) -> str:
    if waits_for(row, Missing.MEASURES):
        return ", which reports completed, and mandatory measures are awaited"
    if waits_for(row, Missing.STATE):
        return f", which reports a state that is not known, after {row.state}"
    if answers_without_state(row):
        return ", whose last answers have shown no state"
    return f", which reports {row.state}" if row.state else ""


def _describe_fulfilled(row: RunRow) -> str:
    return f"{row.spoke} has completed it" + (f" with the result {row.result}" if row.result else " without a result")


class Canceller(StrEnum):
    """Who has cancelled a run."""

    ORDERER = "orderer"
    SYSTEM = "system"
    SOUTHBOUND = "southbound"


def cancelled_by(row: RunRow) -> Canceller | None:
    """Return who has cancelled a run; None if it is not cancelled."""
    return _canceller(row) if row.phase is Phase.CANCELLED else None


def _canceller(row: RunRow) -> Canceller:
    codes = {reason.code for reason in row.reasons}
    if COMPENSATED in codes and CANCEL_REQUESTED not in codes:
        return Canceller.SOUTHBOUND
    if row.cancel_requested or CANCELLED_BEFORE_SENDING.code in codes:
        return Canceller.ORDERER
    return Canceller.SYSTEM if row.accepted_at is not None else Canceller.SOUTHBOUND


def _describe_cancelled(row: RunRow) -> str:
    before = "" if row.accepted_at is not None else " before it was sent"
    canceller = _canceller(row)
    alone = ", without a request of the ordering service" if canceller is Canceller.SYSTEM else ""
    return f"{_named_canceller(row)} has cancelled it{before}{alone}"


def _named_canceller(row: RunRow) -> str:
    names = {Canceller.ORDERER: "the ordering service", Canceller.SYSTEM: row.spoke, Canceller.SOUTHBOUND: "Southbound"}
    return names[_canceller(row)]


def _describe_fallout(row: RunRow) -> str:
    command = f"southbound dlq list --run {row.root_run_id}"
    return f"it needs a person: correct the cause and redrive its dead letter (see `{command}`)"


_MISSING: dict[Missing, str] = {
    Missing.MEASURES: "mandatory measures are missing",
    Missing.RUN: "its system does not show it",
    Missing.EXTERNAL_ID: "its system has not named its id (/id in mapping.receive of its profile)",
    Missing.STATE: "its system reports a state that is not known",
    Missing.RETURN: "it is lost",
}
_PHASE_DESCRIPTIONS: dict[Phase, Callable[[RunRow], str]] = {
    Phase.CREATED: _describe_created,
    Phase.WAITING: _describe_waiting,
    Phase.ROUTED: _describe_routed,
    Phase.SENDING: lambda row: f"a POST to {row.spoke} may be in progress",
    Phase.RETRYING: lambda row: f"the last attempt at {row.spoke} failed; it is retried",
    Phase.IN_DOUBT: lambda row: (
        f"it is not known whether a POST reached {row.spoke}; the run is looked up there before the POST is retried"
    ),
    Phase.ACCEPTED: _describe_accepted,
    Phase.IN_PROGRESS: _describe_accepted,
    Phase.FULFILLED: _describe_fulfilled,
    Phase.FAILED: lambda row: f"it failed at {row.spoke}" + (f", which reports {row.state}" if row.state else ""),
    Phase.CANCELLED: _describe_cancelled,
    Phase.BLOCKED: lambda row: f"it was never sent, because its parent {row.parent_run_id} was never accepted",
    Phase.FALLOUT: _describe_fallout,
    Phase.UNKNOWN: lambda _: "a newer version of Southbound wrote its status",
}
