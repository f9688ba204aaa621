"""Record in a run's row what an event led to, so that it can be published again after a crash.

A row is stored before anything is published. If the process dies in between, the event is redelivered; the row then
says which updates are still to be published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs import notifications as announcements
from router.runs.events import Reported, RunEventKind
from router.runs.run import MAX_PROCESSED_EVENTS, MAX_PROCESSED_REPORTS, replace
from router.runs.transitions import ENDED
from schemas.results import RunUpdate
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.runs.advance import Transition
    from router.runs.events import RunEvent
    from router.runs.run import RunRow
    from schemas.results import RunResult

# What an event requests of a run and a command carries out.
SEND, CHANGE, CANCEL = "send", "change", "cancel"
_ASKS: Mapping[RunEventKind, str] = {
    RunEventKind.ROUTED: SEND,
    RunEventKind.CHANGE_REQUESTED: CHANGE,
    RunEventKind.CANCEL_REQUESTED: CANCEL,
}
_WITH_ITS_REASON = (UpdateKind.STALE, UpdateKind.BLOCKED, UpdateKind.WAITING)
_OF_ACCEPTED_VERSION = (UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED)


def remember(step: Transition, run_events: Sequence[RunEvent], cause: str) -> RunRow:
    """Return the row of a transition with what the event `cause` led to.

    What an external report led to is kept with the reports, so that no number of reports removes what a command led to.
    """
    told = [str(word.kind) for word in step.announcements if isinstance(word, RunUpdate)]
    if _is_report(run_events, cause):
        return _with_report(step.row, cause, told)
    asked = [_ASKS[run_event.kind] for run_event in run_events if run_event.kind in _ASKS]
    return _with_event(step.row, cause, [*told, *asked])


def has_led_to(row: RunRow, cause: str, word: str) -> bool:
    """Return whether this event has led to this before: a kind of update, or `SEND`, `CHANGE`, `CANCEL`."""
    return _entry(cause, word) in row.processed_events


def notifications_of(row: RunRow, cause: str) -> list[RunUpdate | RunResult]:
    """Return what this event led to, as the run is now, and the run's result if it has ended."""
    start = _entry(cause, "")
    entries = (*row.processed_events, *row.processed_reports)
    kinds = [entry.removeprefix(start) for entry in entries if entry.startswith(start)]
    said: list[RunUpdate | RunResult] = [_update(row, UpdateKind(kind)) for kind in kinds if kind not in _ASKS.values()]
    return [*said, announcements.result(row)] if row.phase in ENDED else said


def created_by(row: RunRow, cause: str) -> RunRow:
    """Return a new row that records which event made it."""
    return _with_event(row, cause, [SEND])


def _update(row: RunRow, kind: UpdateKind) -> RunUpdate:
    version = row.accepted_version if kind in _OF_ACCEPTED_VERSION else None
    reasons = row.reasons[-1:] if kind in _WITH_ITS_REASON else ()
    return announcements.update(row, kind, reasons, version)


def _is_report(run_events: Sequence[RunEvent], cause: str) -> bool:
    """Return whether the event `cause` is the report itself and not a command whose response was read as one."""
    return all(isinstance(one, Reported) and one.report_id == cause for one in run_events)


def _with_report(row: RunRow, cause: str, words: Iterable[str]) -> RunRow:
    entries = _added(row.processed_reports, cause, words)
    return replace(row, processed_reports=entries[-MAX_PROCESSED_REPORTS:]) if entries else row


def _with_event(row: RunRow, cause: str, words: Iterable[str]) -> RunRow:
    entries = _added(row.processed_events, cause, words)
    return replace(row, processed_events=entries[-MAX_PROCESSED_EVENTS:]) if entries else row


def _added(entries: tuple[str, ...], cause: str, words: Iterable[str]) -> tuple[str, ...]:
    """Return the entries with those that are new; unchanged if nothing is new."""
    new = [entry for word in words if (entry := _entry(cause, word)) not in entries]
    return (*entries, *new) if new else ()


def _entry(cause: str, word: str) -> str:
    return f"{cause} led to {word}"
