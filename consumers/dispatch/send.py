"""Send a run to its external system once it may be sent: not before its parent, not after its cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.dispatch.attempts import count_attempt, failed_attempt, rest_of_wait, store_delay, with_count
from consumers.dispatch.bundle import cancelled_child_updates
from consumers.dispatch.compensate import Compensation
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.post import PostAttempt, was_posted_before
from consumers.dispatch.running.name_children import ChildNaming
from consumers.problems import external_id_missing, external_id_pending, parent_not_accepted, reason_of, run_unknown
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.spokes.profile import RelationshipEncoding
from router.responses import Purpose
from router.runs.events import CancelledBeforeSending, GivenUp, ParentNotAccepted
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import SendRun

_NEED_THE_PARENTS_ID = frozenset({RelationshipEncoding.NATIVE, RelationshipEncoding.EXTENSION})


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRunHandler:
    """Handles `SendRun`: one run, or (payload `bundle`) a root with its children embedded."""

    updater: RunUpdater
    caller: Caller

    async def handle(self, event: Event, command: SendRun, attempt: Attempt) -> Outcome:
        """Send the run, or return why it is not sent."""
        # Children of a bundle may be saved without their root, so an outdated root would go unnoticed.
        read = self.updater.store.run if command.run.children else self.updater.store.run_to_send
        row = await read(command.run.run_id)
        if row is None:
            return DeadLetter(run_unknown(command.run.run_id, "send"))
        counted = count_attempt(self.caller, event, row, attempt)
        wait = rest_of_wait(self.caller, row, attempt, counted)
        return with_count(wait or await self._handle(event, command, row, counted), counted)

    async def _handle(self, event: Event, command: SendRun, row: RunRow, attempt: Attempt) -> Outcome:
        rows = (row, *await self._embedded_rows(command))
        if row.phase in (*ACCEPTED_PHASES, *ENDED_PHASES):
            await self.updater.republish(event, *rows)
            compensation = Compensation(updater=self.updater, caller=self.caller)
            for each in rows:
                await compensation.after_refusal(event, each)
            return await self._name_in_parent(event, row, attempt)
        if row.phase in (Phase.IN_DOUBT, Phase.FALLOUT):
            await self.updater.republish(event, *rows)
        if row.sent_at is None and row.cancel_requested:
            await self.updater.store_intention(event, row, CancelledBeforeSending())
            return Done()
        outcome = await self._send_after_parent(event, command, rows, attempt)
        return await self._name_in_parent(event, row, attempt) if isinstance(outcome, Done) else outcome

    async def _name_in_parent(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """Send the list of children of the parent of this run, if the profile wants that and the run was accepted."""
        if row.parent_run_id is None or not self.caller.spoke(row.spoke).profile.parent_names_children:
            return Done()
        return await ChildNaming(updater=self.updater, caller=self.caller).name(event, row.run_id, attempt)

    async def _embedded_rows(self, command: SendRun) -> tuple[RunRow, ...]:
        if not command.run.children:
            return ()
        embedded_ids = {child.run_id for child in command.run.children}
        rows = await self.updater.store.runs_of_request(command.request_id)
        return tuple(row for row in rows if row.run_id in embedded_ids)

    async def _send_after_parent(
        self, event: Event, command: SendRun, rows: tuple[RunRow, ...], attempt: Attempt
    ) -> Outcome:
        parent = await self._read_parent(command, rows[0])
        if parent is not None and parent.accepted_at is None:
            return await self._handle_unaccepted_parent(event, rows[0], parent)
        if parent is not None and parent.external_id is None and self._requires_parent(parent):
            finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
            parent = await finder.find(event, parent)
            if parent.external_id is None:
                return await self._wait_for_parents_id(event, rows[0], parent, attempt)
        post_attempt = PostAttempt(
            updater=self.updater, caller=self.caller, event=event, command=command, attempt=attempt, parent=parent
        )
        if rows[0].sent_at is not None:
            return await post_attempt.look_up(_not_yet_accepted(rows))
        if was_posted_before(rows[0]):
            return await post_attempt.post_unless_found(_not_yet_accepted(rows))
        return await post_attempt.post(await self._without_cancelled(event, rows))

    async def _read_parent(self, command: SendRun, row: RunRow) -> RunRow | None:
        if not command.decision.hierarchical or row.parent_run_id is None:
            return None
        return await self.updater.store.run(row.parent_run_id)

    def _requires_parent(self, parent: RunRow) -> bool:
        return self.caller.spoke(parent.spoke).profile.relationship_encoding in _NEED_THE_PARENTS_ID

    async def _handle_unaccepted_parent(self, event: Event, row: RunRow, parent: RunRow) -> Outcome:
        if parent.phase in ENDED_PHASES:
            await self.updater.store_intention(event, row, ParentNotAccepted(parent_run_id=parent.run_id))
            return Done()
        problem = parent_not_accepted(row, parent)
        await self.updater.store_intention(event, row, GivenUp(reasons=(reason_of(problem),)))
        return DeadLetter(problem, is_consequence=True)

    async def _wait_for_parents_id(self, event: Event, row: RunRow, parent: RunRow, attempt: Attempt) -> Outcome:
        delay = ExternalIdFinder(updater=self.updater, caller=self.caller).delay(parent, attempt)
        if delay is not None:
            problem = external_id_pending(parent)
            failed = failed_attempt(self.caller, event, attempt, problem, delay, Purpose.SEND)
            await store_delay(self.updater, event, row, failed)
            return RetryLater(delay, problem)
        problem = external_id_missing(parent, f"Run {row.run_id}, a child of it,")
        await self.updater.store_intention(event, row, GivenUp(reasons=(reason_of(problem),)))
        return DeadLetter(problem, is_consequence=True)

    async def _without_cancelled(self, event: Event, rows: tuple[RunRow, ...]) -> tuple[RunRow, ...]:
        """End the children that were cancelled before the bundle was sent; return the other rows."""
        # An attempt that stored the end of children may have ended before it published that.
        await self.updater.republish(event, *[row for row in rows[1:] if row.phase in ENDED_PHASES])
        cancelled = cancelled_child_updates(rows)
        if cancelled:
            await self.updater.store_intentions(event, cancelled)
        excluded_ids = {row.run_id for row, _ in cancelled}
        return _not_yet_accepted([row for row in rows if row.run_id not in excluded_ids])


def _not_yet_accepted(rows: Sequence[RunRow]) -> tuple[RunRow, ...]:
    return tuple(row for row in rows if row.phase not in (*ACCEPTED_PHASES, *ENDED_PHASES))
