"""Give up pending requests, children first: a child of a root that is never sent would wait for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.routing.child_rows import read_children
from consumers.store.port import ConflictError
from router.runs.advance import advance
from router.runs.events import GivenUp
from router.runs.ids import derive_event_id
from router.runs.notifications.last_notification import remember_notifications
from router.runs.processed_events import has_led_to
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunRequested
from schemas.vocabulary import Phase, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.run_updates.updater import RunUpdater
    from consumers.store.port import RunStore
    from router.runs.run import RunRow
    from schemas.results import Reason

_COMMAND_NOT_PUBLISHED = (Phase.CREATED, Phase.WAITING, Phase.ROUTED)


async def runs_to_give_up(store: RunStore, root: RunRow, cause: Event) -> list[RunRow]:
    """Return the runs that cannot be sent without this root, then the root.

    They include the runs that this event gave up before.
    """
    routed = root.decision is not None
    family = await (store.runs_of_request(root.request_id) if routed else read_children(store, root.requested))
    others = [row for row in family if row.run_id != root.run_id]
    lost = [
        row for row in others if row.phase in _COMMAND_NOT_PUBLISHED or has_led_to(row, cause.id, UpdateKind.FALLOUT)
    ]
    return [*lost, root]


async def give_up(updater: RunUpdater, cause: Event, rows: Sequence[RunRow], reason: Reason) -> None:
    """Give up runs by timer, all of them or none."""
    await updater.publish_earlier(rows)
    transitions = [advance(row, (GivenUp(reasons=(reason,)),), updater.now()) for row in rows]
    # Published before it is stored, contrary to the rule: after a crash no record is redelivered that would publish it.
    # A child that arrives at this very moment sees the news too early, which looks like a child that is late.
    await updater.announcer.publish(
        cause, [notification for transition in transitions for notification in transition.notifications], decision=None
    )
    try:
        process_id = updater.acknowledgements.process_id
        await updater.store.save(
            *[
                remember_notifications(each.row, each.notifications, cause=cause.id, process_id=process_id)
                for each in transitions
            ]
        )
    except ConflictError:
        return


def timer_event(row: RunRow, task: str) -> Event:
    """Build a synthetic cause event for work started by a timer. Its id is stable until the run changes."""
    headers = EventHeaders(id=derive_event_id(row.run_id, f"{task}:{row.revision}"))
    return Event(headers=headers, data=RunRequested(run=row.requested))
