"""Update runs: decide, store, publish. This order survives a crash at any point."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from consumers.run_updates.acknowledgements import Acknowledgements
from consumers.run_updates.batch import UpdateRequest, UpdateResult, apply_together, is_single_run_request, rows_written
from consumers.run_updates.request_progress import ProgressClock
from consumers.store.group_commit import GroupCommit
from consumers.store.port import ConflictError, ExternalIdTakenError
from router.runs.advance import is_allowed
from router.runs.events import RequestProgressed, RunEventKind
from router.runs.ids import derive_event_id
from router.runs.notifications.last_notification import last_notifications
from router.runs.processed_events import has_been_processed, is_repeated, notifications_of
from router.runs.request_result import request_result
from router.runs.requests.progress import progress_of
from router.runs.revisions.replacement import awaits_repost, repost_command
from router.runs.run import RunRow
from schemas.codec.cloudevents import EventHeaders
from schemas.codec.envelope import Event
from schemas.lifecycle import RunRequested
from schemas.results import RunResult

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from consumers.run_updates.announce import Announcer
    from consumers.run_updates.batch import CommandsFor, RowUpdate
    from consumers.store.port import RunStore
    from router.runs.events import RunEvent
    from router.runs.run import LastNotification, RequestRow
    from router.selection.thresholds import ThresholdUse
    from schemas.results import RequestResult, RunUpdate

MAX_FACT_ATTEMPTS = 10  # at most a handful of consumers update one run at the same time
MAX_BATCH_ROWS = 500  # about how many rows are written together; a large hierarchy is written alone
# True of one POST only: once another worker has begun the next one, they are no news of the run.
_PER_ATTEMPT_EVENTS = (RunEventKind.ATTEMPT_FAILED, RunEventKind.OUTCOME_UNKNOWN, RunEventKind.REFUSED)


class RunUpdater:
    """Updates runs for every handler. Requests of concurrent handlers are applied together."""

    def __init__(
        self,
        *,
        store: RunStore,
        announcer: Announcer,
        now: Callable[[], datetime],
        on_ended: Callable[[RunResult], None] = lambda _: None,
        on_stored: Callable[[RunRow | None, RunRow], None] = lambda *_: None,
        acknowledgements: Acknowledgements | None = None,
    ) -> None:
        self.store = store
        self.announcer = announcer
        self.now = now
        self._on_ended = on_ended
        self._on_stored = on_stored  # called with the row of a run before and after
        self.acknowledgements = acknowledgements or Acknowledgements()
        self._progress = ProgressClock()
        self._batches: GroupCommit[UpdateRequest, UpdateResult] = GroupCommit(
            self._apply, max_weight=MAX_BATCH_ROWS, weight=rows_written
        )

    async def store_intention(self, cause: Event, row: RunRow, *run_events: RunEvent) -> RunRow:
        """Store an intention over exactly the row that was read.

        Raises:
            ConflictError: another consumer updated the run, so the intention may be wrong now.
        """
        return (await self.store_intentions(cause, [(row, run_events)]))[0]

    async def store_intentions(
        self,
        cause: Event,
        updates: Sequence[RowUpdate],
        new_rows: Sequence[RequestRow | RunRow | ThresholdUse] = (),
        commands: CommandsFor | None = None,
    ) -> tuple[RunRow, ...]:
        """Store intentions for several runs, and new rows, together or not at all; then publish what follows.

        `commands` returns, for the updated rows, what is published besides their notifications.

        Raises:
            ConflictError: another consumer updated one of the runs.
            ThresholdReachedError: a use among the new rows does not fit.
        """
        repeated = [row for row, run_events in updates if is_repeated(cause, row, run_events)]
        if repeated:
            await self.republish(cause, *repeated)
            known = {row.run_id for row in repeated}
            updates = [(row, () if row.run_id in known else run_events) for row, run_events in updates]
        request = UpdateRequest(cause=cause, updates=updates, new_rows=new_rows, commands=commands)
        await self.publish_earlier([row for row, run_events in updates if run_events])
        with self.acknowledgements.publishing(cause.id, updates):
            result = await self._batches.submit(request)
            self._note_stored(request, result)
            await (result.published or self._publish(request, result))
        for word in result.notifications:
            if isinstance(word, RunResult):
                self._on_ended(word)
        if result.changes_request and self._progress.is_due(result.rows[0], self.now()):
            await self._publish_progress(result.rows[0])
        return result.rows

    def _note_stored(self, request: UpdateRequest, result: UpdateResult) -> None:
        for row in request.new_rows:
            if isinstance(row, RunRow):
                self._on_stored(None, row)
        for (before, run_events), after in zip(request.updates, result.rows, strict=True):
            if run_events:
                self._on_stored(before, after)

    async def _publish_progress(self, row: RunRow) -> None:
        """Publish how far the request of a run has come that has just ended, unless it was the last one."""
        self._progress.published(row, self.now())
        root = await self.store.run(row.root_run_id)
        if root is None or root.request_id != row.request_id or root.accepted_at is None:
            return
        progress = progress_of(await self.store.states_of_request(row.request_id))
        if progress.ended == progress.total:
            return
        headers = EventHeaders(id=derive_event_id(root.run_id, f"progress:{root.revision}"))
        cause = Event(headers=headers, data=RunRequested(run=root.requested))
        with suppress(ConflictError):  # the root moved at this moment; the next end brings another update
            await self.store_intention(cause, root, RequestProgressed(progress=progress))

    async def _apply(self, requests: Sequence[UpdateRequest]) -> Sequence[UpdateResult | Exception]:
        return await apply_together(
            requests,
            store=self.store,
            announcer=self.announcer,
            at=self.now(),
            process_id=self.acknowledgements.process_id,
        )

    async def publish_earlier(self, rows: Iterable[RunRow]) -> None:
        """Publish what was published last about these runs, unless Kafka certainly has it, before anything newer.

        So revisions never fall, and what a row says was published last can be replaced. Another process may have stored
        it and ended, or may publish it at any moment: it is published with the same id.
        """
        publications = [
            (row, await self._start_to_republish(row, row.last_notification))
            for row in rows
            if row.last_notification is not None and not await self.acknowledgements.becomes_acknowledged(row)
        ]
        # All are under way; a single one needs no task.
        if len(publications) == 1:
            await publications[0][1]
        elif publications:
            await asyncio.gather(*[publication for _, publication in publications])
        self.acknowledgements.acknowledge([row for row, _ in publications])

    async def _start_to_republish(self, row: RunRow, last: LastNotification) -> Awaitable[None]:
        headers = EventHeaders(
            id=last.cause, traceparent=last.traceparent, replay=last.replay, wrong_key=last.wrong_key
        )
        closing = await self._request_result(row) if last.result else None
        return self._announce(
            Event(headers=headers, data=RunRequested(run=row.requested)), row, last_notifications(row), closing
        )

    async def _publish(self, request: UpdateRequest, result: UpdateResult) -> None:
        if result.notifications:
            closing = await self._request_result(result.rows[0]) if result.changes_request else None
            await self._announce(request.cause, result.rows[0], result.notifications, closing)
        if result.commands:
            await self.announcer.publish(request.cause, result.commands, decision=result.commands[0].decision)

    async def store_fact(self, cause: Event, row: RunRow, *run_events: RunEvent) -> RunRow:
        """Store a fact; if another consumer updated the run meanwhile, apply it to the newer row."""
        return (await self.store_facts(cause, [(row, run_events)]))[0]

    async def store_facts(
        self, cause: Event, updates: Sequence[RowUpdate], new_rows: Sequence[RunRow] = ()
    ) -> tuple[RunRow, ...]:
        """Store facts about several runs, and new rows, together.

        Raises:
            ConflictError: one of the facts no longer applies; read again and decide again.
            ExternalIdTakenError: a spoke answered with the same id for two runs.
        """
        for _ in range(MAX_FACT_ATTEMPTS):
            try:
                return await self.store_intentions(cause, updates, new_rows)
            except ExternalIdTakenError:
                raise
            except ConflictError:
                updates = [(await self._read_again(row, run_events), run_events) for row, run_events in updates]
                # Perhaps by this very event: its last owner stopped between storing and publishing.
                await self.republish(cause, *(row for row, _ in updates if cause.id in row.processed_reports))
        raise ConflictError(f"{', '.join(row.run_id for row, _ in updates)}: moved by others without end.")

    async def _read_again(self, row: RunRow, run_events: tuple[RunEvent, ...]) -> RunRow:
        newer = await self.store.run(row.run_id)
        first = run_events[0]
        stale = newer is None or (first.kind in _PER_ATTEMPT_EVENTS and newer.sent_at != row.sent_at)
        if newer is None or stale or not is_allowed(newer, first):
            raise ConflictError(f"Run {row.run_id} has moved on; {first.kind} no longer applies.")
        return newer

    async def republish(self, cause: Event, *rows: RunRow) -> None:
        """Publish again what this event led to: a crash may have come between storing and publishing."""
        await self._publish_reposts_again(cause, rows)
        known = [(row, notifications) for row in rows if (notifications := notifications_of(row, cause.id))]
        open_rows = [row for row, _ in known if not await self.acknowledgements.becomes_acknowledged(row)]
        notifications = [notification for row, published in known if row in open_rows for notification in published]
        if notifications:
            await self._publish_with_result(cause, open_rows[0], notifications)
            self.acknowledgements.acknowledge(open_rows)

    async def _publish_reposts_again(self, cause: Event, rows: Iterable[RunRow]) -> None:
        """Publish the commands again that send runs whose tests have ended for a change, as this event stored."""
        ended = [row for row in rows if awaits_repost(row) and _was_stored_by(row, cause)]
        commands = [command for row in ended if (command := repost_command(row)) is not None]
        if commands:
            await self.announcer.publish(cause, commands, decision=commands[0].decision)

    async def _publish_with_result(
        self, cause: Event, row: RunRow, notifications: Sequence[RunUpdate | RunResult]
    ) -> None:
        """Publish notifications, and the request's result if one of these runs was the last to end."""
        ended = any(isinstance(notification, RunResult) for notification in notifications)
        closing = await self._request_result(row) if ended else None
        await self._announce(cause, row, notifications, closing)

    def _announce(
        self,
        cause: Event,
        row: RunRow,
        notifications: Sequence[RunUpdate | RunResult],
        closing: RequestResult | None,
    ) -> Awaitable[None]:
        return self.announcer.publish(
            cause, (*notifications, closing) if closing else notifications, decision=row.decision
        )

    async def _request_result(self, row: RunRow) -> RequestResult | None:
        if is_single_run_request(row):
            return request_result((row,))
        if row.decision is None and row.run_id != row.root_run_id:
            return None  # a child that was never routed belongs to no request yet
        if row.decision is not None and await self.store.has_open_runs(row.request_id):
            return None  # reading the whole hierarchy at every child's end would cost its square
        return request_result(await self.store.runs_of_request(row.request_id))


def _was_stored_by(row: RunRow, cause: Event) -> bool:
    return has_been_processed(row, cause.id) or cause.id in row.processed_reports
