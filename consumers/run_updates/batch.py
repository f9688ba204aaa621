"""Apply the update requests of concurrent handlers together: make all transitions, store all rows, publish.

Done for many runs in a row, a step costs half of what it costs run by run, because its code and data are still in
the processor's caches; see ADR-0021. Each request succeeds or fails by itself, as if it had come alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from router.runs.advance import advance
from router.runs.events import Reported
from router.runs.notifications.last_notification import remember_notifications
from router.runs.processed_events import record_effects
from router.runs.request_result import request_result
from router.runs.revisions.replacement import is_reposted, repost_command
from router.runs.transitions import Transition
from schemas.results import RunResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from consumers.run_updates.announce import Announcer
    from consumers.store.port import RunStore
    from router.runs.events import RunEvent
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import ThresholdUse
    from schemas.codec.envelope import Event
    from schemas.commands import Command
    from schemas.results import RequestResult, RunUpdate

    Publishable = RunUpdate | RunResult | RequestResult | Command
    RowUpdate = tuple[RunRow, tuple[RunEvent, ...]]  # a row as it was read, and what happened to it
    CommandsFor = Callable[[Sequence[RunRow]], Sequence[Command]]


class UpdateRequest(NamedTuple):
    """What one handler requests: updates of rows, new rows, and commands besides the notifications of the updates."""

    cause: Event
    updates: Sequence[RowUpdate]
    new_rows: Sequence[RequestRow | RunRow | ThresholdUse]
    commands: CommandsFor | None


class UpdateResult(NamedTuple):
    """What is stored. `published` waits for Kafka's acknowledgement.

    It is None if the caller must read more before it can publish.
    """

    rows: tuple[RunRow, ...]
    notifications: Sequence[RunUpdate | RunResult]
    commands: Sequence[Command]
    published: Awaitable[None] | None
    changes_request: bool  # a run has ended, or as another than before: the request may have a result, or another one


def rows_written(request: UpdateRequest) -> int:
    """Return about how many rows a request writes; measures count, because they are rows too."""
    return len(request.new_rows) + sum(
        [1 + len(row.measures) + _reported_measures(run_events) for row, run_events in request.updates]
    )


def _reported_measures(run_events: tuple[RunEvent, ...]) -> int:
    return sum([len(run_event.report.measures) for run_event in run_events if isinstance(run_event, Reported)])


async def apply_together(
    requests: Sequence[UpdateRequest], *, store: RunStore, announcer: Announcer, at: datetime, process_id: str = ""
) -> list[UpdateResult | Exception]:
    """Make the transitions, store them, publish. The result of a request that fails is its exception.

    `process_id` is this process, which publishes what follows.

    Raises:
        StoreUnavailableError: nothing was stored.
    """
    transitions = [_transitions(request, at, process_id) for request in requests]
    to_save = [_rows_to_save(request, changes) for request, changes in zip(requests, transitions, strict=True)]
    save_errors = iter(await store.save_each([rows for rows in to_save if rows]))
    errors = [next(save_errors) if rows else None for rows in to_save]
    return [
        changes if isinstance(changes, Exception) else error or _result(request, changes, announcer)
        for request, changes, error in zip(requests, transitions, errors, strict=True)
    ]


def _transitions(request: UpdateRequest, at: datetime, process_id: str) -> list[Transition] | Exception:
    try:
        return [_transition(request.cause, row, run_events, at, process_id) for row, run_events in request.updates]
    except Exception as error:  # noqa: BLE001 - it belongs to the caller of this request
        return error


def _transition(
    cause: Event, row: RunRow, run_events: tuple[RunEvent, ...], at: datetime, process_id: str
) -> Transition:
    transition = advance(row, run_events, at)
    if not transition.changed:
        return transition
    row = remember_notifications(
        record_effects(transition, run_events, cause.id),
        transition.notifications,
        cause=cause.id,
        process_id=process_id,
        traceparent=cause.headers.traceparent,
        replay=cause.headers.replay,
        wrong_key=cause.headers.wrong_key,
    )
    return Transition(row, transition.notifications)


def _rows_to_save(
    request: UpdateRequest, transitions: list[Transition] | Exception
) -> list[RunRow | RequestRow | ThresholdUse]:
    return (
        []
        if isinstance(transitions, Exception)
        else [*request.new_rows, *[transition.row for transition in transitions if transition.changed]]
    )


def _result(request: UpdateRequest, transitions: list[Transition], announcer: Announcer) -> UpdateResult | Exception:
    rows = tuple([transition.row for transition in transitions])
    notifications = [notification for transition in transitions for notification in transition.notifications]
    try:
        commands = request.commands(rows) if request.commands else _repost_commands(request, rows)
        changes_request = _changes_request(request, transitions)
        published = _publish(request.cause, rows, notifications, commands, announcer, changes_request=changes_request)
    except Exception as error:  # noqa: BLE001 - it belongs to the caller of this request
        return error
    return UpdateResult(rows, notifications, commands, published, changes_request)


def _repost_commands(request: UpdateRequest, rows: tuple[RunRow, ...]) -> Sequence[Command]:
    """Return the commands that send runs whose tests have ended for a change."""
    sent_again = [
        after
        for (before, _), after in zip(request.updates, rows, strict=True)
        if after.replacement is not None and is_reposted(after) and not is_reposted(before)
    ]
    return [command for row in sent_again if (command := repost_command(row)) is not None]


def _changes_request(request: UpdateRequest, transitions: list[Transition]) -> bool:
    """Return whether a run has ended, or ended as another than it had before."""
    for (before, _), (after, notifications, _) in zip(request.updates, transitions, strict=True):
        if any(isinstance(notification, RunResult) for notification in notifications) and (
            before.state,
            before.result,
            before.finished_at,
        ) != (after.state, after.result, after.finished_at):
            return True
    return False


def _publish(
    cause: Event,
    rows: tuple[RunRow, ...],
    notifications: Sequence[RunUpdate | RunResult],
    commands: Sequence[Command],
    announcer: Announcer,
    *,
    changes_request: bool,
) -> Awaitable[None] | None:
    messages: list[Publishable] = [*notifications, *commands]
    if changes_request:
        if not is_single_run_request(rows[0]):
            return None
        closing = request_result(rows[:1])
        if closing is not None:
            messages.insert(len(notifications), closing)
    decision = rows[0].decision if notifications else commands[0].decision if commands else None
    return announcer.publish(cause, messages, decision=decision)


def is_single_run_request(row: RunRow) -> bool:
    """Return whether the request's result follows from this one run."""
    return row.decision is not None and not row.decision.hierarchical
