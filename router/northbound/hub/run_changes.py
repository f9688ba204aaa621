"""Derive what subscribers are notified of from the published events of a run.

`testrun.inflight` and `testrun.results` are two topics, so a result may be read before the update that precedes it.
`previous_revision` of an event shows that, and the event waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from router.northbound.api_version import ApiVersion
from router.runs.ids import derive_event_id
from router.runs.run import replace
from schemas.results import RunResult

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from router.northbound.hub.subscription import RunSubscription
    from router.runs.run import RunRow
    from schemas.results import RunUpdate

INITIAL_STATE = "acknowledged"  # of a run that was ordered and has not moved yet
MAX_IDS_OF_REVISION = 8  # a transition publishes three events at most


class HubEventType(StrEnum):
    """The events of runs and of specifications (TMF653 v4.2 and v5.0)."""

    CREATE = "ServiceTestCreateEvent"
    STATE_CHANGE = "ServiceTestStateChangeEvent"
    ATTRIBUTE_VALUE_CHANGE = "ServiceTestAttributeValueChangeEvent"
    DELETE = "ServiceTestDeleteEvent"
    SPECIFICATION_CREATE = "ServiceTestSpecificationCreateEvent"
    SPECIFICATION_CHANGE = "ServiceTestSpecificationAttributeValueChangeEvent"
    SPECIFICATION_DELETE = "ServiceTestSpecificationDeleteEvent"

    @property
    def resource(self) -> str:
        """The name under which an event of this type has its resource."""
        return "serviceTestSpecification" if self in _OF_SPECIFICATIONS else "serviceTest"


_OF_SPECIFICATIONS = (
    HubEventType.SPECIFICATION_CREATE,
    HubEventType.SPECIFICATION_CHANGE,
    HubEventType.SPECIFICATION_DELETE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedRun:
    """What subscribers were notified of about a run: its revision and state then.

    `event_ids` are the published events of that revision that were processed, so that a repetition is recognised.
    """

    run_id: str
    revision: int
    state: str
    event_ids: tuple[str, ...] = ()


class HubChange(NamedTuple):
    """One event for subscribers. `event_id` follows from its cause: it is the same whenever it is derived again."""

    event_type: HubEventType
    event_id: str
    state: str = ""  # of a run
    field_path: str | None = None


class Announced(NamedTuple):
    """The changes to announce, and the run as it is announced after them."""

    run: AnnouncedRun
    changes: tuple[HubChange, ...]


def is_processed(announced: AnnouncedRun | None, event_id: str, notification: RunUpdate | RunResult) -> bool:
    """Return whether the event is known, or older than what was announced."""
    if announced is None:
        return False
    if notification.revision == announced.revision:
        return event_id in announced.event_ids
    return notification.revision < announced.revision


def lacks_predecessor(
    announced: AnnouncedRun | None,
    notification: RunUpdate | RunResult,
    run_created_at: datetime,
    subscriptions: Iterable[RunSubscription],
) -> bool:
    """Return whether an earlier event of the run is still to be read from the other topic.

    Of a run that is older than every subscription, earlier events may have been read before there was one.
    """
    previous = notification.previous_revision
    if previous is None:
        return False
    if announced is not None:
        return announced.revision < previous
    return any(subscription.created_at <= run_created_at for subscription in subscriptions)


def announce(
    announced: AnnouncedRun | None, event_id: str, notification: RunUpdate | RunResult, state: str
) -> Announced:
    """Return what a published event means to subscribers; `state` is the state that it shows, as TMF653 writes it.

    The first event of a run announces its creation, and its state too if that is no longer the initial one: a
    subscriber to changes of state only gets all of them. Of a run whose earlier events were not read, it announces the
    state. Measures are a change of an attribute, also if the state changes with them: a subscriber to changes of
    attributes only gets all of them, too.
    """
    created = announced is None and notification.previous_revision is None
    changes: list[HubChange] = []
    if created:
        changes.append(_change(HubEventType.CREATE, event_id, INITIAL_STATE))
    known_state = announced.state if announced is not None else INITIAL_STATE if created else None
    has_measures, is_other_state = bool(notification.test_measure), state != known_state
    if has_measures or not (is_other_state or created):
        path = "testMeasure" if has_measures else None
        changes.append(_change(HubEventType.ATTRIBUTE_VALUE_CHANGE, event_id, state, path))
    if is_other_state:  # last: whoever waits for the end of a run has its measures then
        changes.append(_change(HubEventType.STATE_CHANGE, event_id, state))
    same_revision = announced is not None and announced.revision == notification.revision
    known_ids = announced.event_ids if announced is not None and same_revision else ()
    run = AnnouncedRun(
        run_id=notification.run_id,
        revision=notification.revision,
        state=state,
        event_ids=(*known_ids, event_id)[-MAX_IDS_OF_REVISION:],
    )
    return Announced(run, tuple(changes))


def deletion_of(run_id: str, state: str) -> HubChange:
    """Return the event about a run that the run store does not have any more."""
    return _change(HubEventType.DELETE, run_id, state)


def change_for(version: ApiVersion, change: HubChange) -> HubChange:
    """Return the event as this version of TMF653 has it: 4.1 has no event of a changed state."""
    if version is not ApiVersion.V4_1 or change.event_type is not HubEventType.STATE_CHANGE:
        return change
    return change._replace(event_type=HubEventType.ATTRIBUTE_VALUE_CHANGE, field_path="state")


def row_as_of(row: RunRow, notification: RunUpdate | RunResult) -> RunRow:
    """Return the row as it was when the event was published, as far as the event shows it.

    The row may have moved on meanwhile: a subscriber must not read a state that is announced later.
    """
    if row.revision <= notification.revision:
        return row
    shown = {
        "state": notification.state,
        "external_id": notification.external_id,
        "reasons": notification.reasons,
        "revision": notification.revision,
        "updated_at": notification.occurred_at,
    }
    if isinstance(notification, RunResult):
        return replace(row, **shown, result=notification.result, measures=notification.test_measure)
    ended = {} if notification.test_measure else {"result": None, "finished_at": None, "measures": ()}
    return replace(row, **shown, **ended, phase=notification.phase)


def _change(event_type: HubEventType, cause: str, state: str, field_path: str | None = None) -> HubChange:
    return HubChange(event_type, derive_event_id(cause, event_type), state, field_path)
