"""Build the notifications that the run store has of runs, under the ids that they had when they were published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.run_updates.announce import build_event
from router.runs.notifications.build import build_result
from router.runs.notifications.last_notification import last_notifications
from router.runs.request_result import request_result
from router.runs.transitions import ENDED_PHASES
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunRequested
from schemas.results import RunResult
from southbound.operations.replay.replay_note import ReplayMark
from southbound.operations.replay.replay_writer import ReplayItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from producers.publisher import Message
    from router.runs.run import RunRow
    from schemas.results import RunNotification
    from southbound.operations.replay.replay_note import ReplayNote
    from southbound.operations.replay.selection import Selection
    from southbound.operations.replay.store_reader import StoreReader

PAGE_SIZE = 200  # runs


def _ignore(_phases: Sequence[str]) -> None:
    pass


def stored_events(row: RunRow, request: Sequence[RunRow]) -> list[Event]:
    """Return what was published last about a run; `request` are all runs of its request.

    The run that ended last of a request has the result of the request, too. A run of a rebuilt store has no last
    notification; its result follows from its row.
    """
    last = row.last_notification
    messages: list[RunNotification] = [*last_notifications(row)]
    if last is None and row.phase in ENDED_PHASES:
        messages = [build_result(row)]
    if any(isinstance(each, RunResult) for each in messages):
        closing = request_result(request) if _ends_request(row, request) else None
        messages += [closing] if closing is not None else []
    headers = EventHeaders(
        id=last.cause if last else row.request_id,
        traceparent=last.traceparent if last else None,
        wrong_key=last.wrong_key if last else None,
    )
    cause = Event(headers=headers, data=RunRequested(run=row.requested))
    decision = row.decision.policy if row.decision else None
    return [build_event(cause, message, decision, row.updated_at) for message in messages]


def _ends_request(row: RunRow, request: Sequence[RunRow]) -> bool:
    """Return whether a run was the last of its request to end; a child that was never routed belongs to none yet."""
    belongs = row.decision is not None or row.run_id == row.root_run_id
    return belongs and bool(request) and _end(row) == max(map(_end, request))


def _end(row: RunRow) -> datetime:
    return row.finished_at or row.updated_at


def stored_items(
    reader: StoreReader,
    note: ReplayNote,
    to_message: Callable[[Event], Message],
    on_forgotten: Callable[[Sequence[str]], None] = _ignore,
) -> Iterator[ReplayItem]:
    """Yield an item for each run that is left, in the order of their ids.

    `on_forgotten` is called with the phase of each chosen run of which the store does not have what was published last.

    Raises:
        StoreUnavailableError: the database is not available.
    """
    mark = ReplayMark.of(note)
    for page in _pages(reader, note):
        requests = reader.wait_for(_read_requests(reader, note.selection, page))
        for row in page:
            chosen = is_chosen(row, note.selection)
            if chosen and row.last_notification is None:
                on_forgotten([row.phase.value])
            found = map(to_message, stored_events(row, requests.get(row.request_id, ()))) if chosen else ()
            messages = tuple(
                [mark.on(each, f"run store, {row.run_id}") for each in found if each.topic in note.selection.topics]
            )
            yield ReplayItem(origin=row.run_id, run_id=row.run_id, messages=messages)


def is_chosen(row: RunRow, selection: Selection) -> bool:
    """Return whether a run of the store is chosen; its time is that of its last change."""
    runs, keys = selection.runs, selection.keys
    named = not runs or row.run_id in runs or row.root_run_id in runs
    return named and (not keys or row.root_run_id in keys) and selection.has_time(row.updated_at)


def _pages(reader: StoreReader, note: ReplayNote) -> Iterator[Sequence[RunRow]]:
    if note.selection.runs:
        rows = reader.wait_for(_named_runs(reader, note.selection.runs))
        yield [row for row in rows if row.run_id > note.last_run]
        return
    last = note.last_run
    while page := reader.wait_for(reader.store.runs_after(last, PAGE_SIZE)):
        yield page
        last = page[-1].run_id


async def _named_runs(reader: StoreReader, run_ids: Sequence[str]) -> list[RunRow]:
    found: dict[str, RunRow] = {}
    for run_id in run_ids:
        row = await reader.store.run(run_id)
        if row is not None:
            found[run_id] = row
            if row.run_id == row.root_run_id:
                found |= {one.run_id: one for one in await reader.store.runs_of_request(row.request_id)}
    return [found[run_id] for run_id in sorted(found)]


async def _read_requests(
    reader: StoreReader, selection: Selection, page: Sequence[RunRow]
) -> dict[str, Sequence[RunRow]]:
    """Return the runs of the requests whose last run may be among these."""
    ended = [row for row in page if row.phase in ENDED_PHASES and is_chosen(row, selection)]
    requests: dict[str, Sequence[RunRow]] = {}
    for row in ended:
        if row.request_id not in requests and not await reader.store.has_open_runs(row.request_id):
            requests[row.request_id] = await reader.store.runs_of_request(row.request_id)
    return requests
