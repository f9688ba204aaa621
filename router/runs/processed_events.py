"""Record the effects of an event in a run's row, so that they can be published again after a crash.

An effect is an update of some kind, or a command (`SEND`, `CHANGE`, `CANCEL`). A row is stored before anything is
published. If the process crashes in between, the event is redelivered, and the row has the updates that are still to be
published.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.events import CancelRefused, ChangeRefused, GivenUp, Reported, RunEventKind
from router.runs.notifications import build as announcements
from router.runs.notifications.last_notification import last_notifications
from router.runs.reports.unread_fields import newest_reports
from router.runs.run import MAX_PROCESSED_EVENTS, replace
from router.runs.transitions import ENDED_PHASES
from schemas.results import RunUpdate
from schemas.vocabulary import Phase, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from router.runs.events import RunEvent
    from router.runs.run import RunRow
    from router.runs.transitions import Transition
    from schemas.codec.envelope import Event
    from schemas.results import Reason, RunResult

# What an event requests of a run and a command carries out.
SEND, CHANGE, CANCEL = "send", "change", "cancel"
STORE = "store"  # of a run that waits for others: it may be changed before its event is read again
_COMMAND_OF_EVENT: Mapping[RunEventKind, str] = {
    RunEventKind.ROUTED: SEND,
    RunEventKind.CHANGE_REQUESTED: CHANGE,
    RunEventKind.CANCEL_REQUESTED: CANCEL,
}
_WITH_LAST_REASON = (UpdateKind.STALE, UpdateKind.BLOCKED, UpdateKind.WAITING)
_UPDATE_KINDS = frozenset(str(kind) for kind in UpdateKind)
_OF_ACCEPTED_VERSION = (UpdateKind.ACCEPTED, UpdateKind.CHANGE_ACCEPTED)


def record_effects(transition: Transition, run_events: Sequence[RunEvent], event_id: str) -> RunRow:
    """Return the row of a transition with the effects of the event.

    The effects of external reports are kept apart, so that no number of reports displaces the effects of commands.
    """
    if all(run_event.kind is RunEventKind.REQUEST_PROGRESSED for run_event in run_events):
        return transition.row  # no record led to it, and there may be many
    published = [str(effect.kind) for effect in transition.notifications if isinstance(effect, RunUpdate)]
    if _is_report(run_events, event_id):
        return _with_report(transition.row, event_id, published)
    asked = [_COMMAND_OF_EVENT[run_event.kind] for run_event in run_events if run_event.kind in _COMMAND_OF_EVENT]
    refused = [_refusal(run_event) for run_event in run_events if isinstance(run_event, ChangeRefused)]
    return _with_event(transition.row, event_id, [*published, *asked, *refused])


def has_led_to(row: RunRow, event_id: str, effect: str) -> bool:
    """Return whether the row records this effect of this event: a kind of update, or `SEND`, `CHANGE`, `CANCEL`."""
    return _entry(event_id, effect) in row.processed_events


def is_repeated(cause: Event, row: RunRow, run_events: Sequence[RunEvent]) -> bool:
    """Return whether the row already records this run event of this event, so that it is at most published again.

    A redriven event is another attempt, never a repetition.
    """
    if len(run_events) != 1 or cause.headers.is_redriven:
        return False
    match run_events[0]:
        case ChangeRefused() as refused:
            return has_led_to(row, cause.id, _refusal(refused))
        case CancelRefused():
            return has_led_to(row, cause.id, UpdateKind.CANCEL_REFUSED)
        case GivenUp(reasons=reasons):
            return row.phase is Phase.FALLOUT and _was_given_up_for(row, cause.id, reasons)
        case _:
            return False


def _refusal(refused: ChangeRefused) -> str:
    """Return the effect of a refusal; one event id may come with changes to two versions."""
    return f"refused {refused.version}"


def _was_given_up_for(row: RunRow, event_id: str, reasons: tuple[Reason, ...]) -> bool:
    if row.last_notification is None or row.last_notification.cause != event_id:
        return False
    updates = [each for each in last_notifications(row) if isinstance(each, RunUpdate)]
    return any(each.kind is UpdateKind.FALLOUT and each.reasons == reasons for each in updates)


def has_been_processed(row: RunRow, event_id: str) -> bool:
    """Return whether the row records any effect of this event."""
    return any(entry.startswith(_entry(event_id, "")) for entry in row.processed_events)


def notifications_of(row: RunRow, event_id: str) -> list[RunUpdate | RunResult]:
    """Return the updates and result that this event caused, as published; none if another event published since."""
    if row.last_notification is not None:
        return last_notifications(row) if row.last_notification.cause == event_id else []
    # An earlier version of Southbound published it: it is built from the run as it is now.
    start = _entry(event_id, "")
    entries = (*row.processed_events, *row.processed_reports)
    kinds = [entry.removeprefix(start) for entry in entries if entry.startswith(start)]
    updates: list[RunUpdate | RunResult] = [
        _rebuild_update(row, UpdateKind(kind)) for kind in kinds if kind in _UPDATE_KINDS
    ]
    return [*updates, announcements.build_result(row)] if row.phase in ENDED_PHASES else updates


def created_by(row: RunRow, event_id: str) -> RunRow:
    """Return a new row that records which event made it."""
    return _with_event(row, event_id, [SEND])


def with_effect(row: RunRow, event_id: str, effect: str) -> RunRow:
    """Return the row with this effect of this event recorded: `SEND`, `CHANGE`, `CANCEL` or `STORE`."""
    return _with_event(row, event_id, [effect])


def _rebuild_update(row: RunRow, kind: UpdateKind) -> RunUpdate:
    version = row.accepted_version if kind in _OF_ACCEPTED_VERSION else None
    reasons = row.reasons[-1:] if kind in _WITH_LAST_REASON else ()
    return announcements.build_update(row, kind, reasons, version)


def _is_report(run_events: Sequence[RunEvent], event_id: str) -> bool:
    """Return whether the event `cause` is the report itself and not a command whose response was read as one."""
    return all(isinstance(run_event, Reported) and run_event.report_id == event_id for run_event in run_events)


def _with_report(row: RunRow, event_id: str, effects: Iterable[str]) -> RunRow:
    entries = _added(row.processed_reports, event_id, effects)
    return replace(row, processed_reports=newest_reports(entries)) if entries else row


def _with_event(row: RunRow, event_id: str, effects: Iterable[str]) -> RunRow:
    entries = _added(row.processed_events, event_id, effects)
    return replace(row, processed_events=entries[-MAX_PROCESSED_EVENTS:]) if entries else row


def _added(entries: tuple[str, ...], event_id: str, effects: Iterable[str]) -> tuple[str, ...]:
    """Return the entries with those that are new; unchanged if nothing is new."""
    new = [entry for effect in effects if (entry := _entry(event_id, effect)) not in entries]
    return (*entries, *new) if new else ()


def _entry(event_id: str, effect: str) -> str:
    return f"{event_id} led to {effect}"
