"""Send an in-flight change: bring what the external system knows up to what is requested now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.dispatch.attempts import count_attempt, rest_of_wait, with_count
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.follow_up import wait_for_id
from consumers.dispatch.running.patch import ChangeAttempt
from consumers.dispatch.running.replace_run import RunReplacer
from consumers.problems import run_unknown
from consumers.runtime.handler import DeadLetter, Done
from router.runs.changes import find_field_changes, measures_refusal, run_has_ended
from router.runs.processed_events import has_led_to
from router.runs.revisions.change_plan import plan_of
from router.runs.revisions.replacement import awaits_repost, is_being_replaced, refusal_of_repost
from router.runs.run import replace
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.revisions.change_plan import ChangePlan
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import ChangeRun


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRunHandler:
    """Handles `ChangeRun`."""

    updater: RunUpdater
    caller: Caller

    async def handle(self, event: Event, command: ChangeRun, attempt: Attempt) -> Outcome:
        """Make what differs from what was sent last, as far as profile and phase allow it."""
        row = await self.updater.store.run(command.run.run_id)
        if row is None:
            return DeadLetter(run_unknown(command.run.run_id, "change"))
        if has_led_to(row, event.id, UpdateKind.CHANGE_ACCEPTED) or awaits_repost(row):
            await self.updater.republish(event, row)
            return Done()
        if _is_carried_by_another_command(row, command) or _is_in_effect(row):
            return Done()
        counted = count_attempt(self.caller, event, row, attempt)
        if row.phase in ENDED_PHASES:
            return with_count(await self._refuse_after_end(event, row, counted), counted)
        wait = rest_of_wait(self.caller, row, attempt, counted)
        return with_count(wait or await self._change(event, row, counted), counted)

    async def _refuse_after_end(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        plan = self._plan(replace(row, state=None))  # as it was when the first attempt was made
        made, reasons = self._attempt(plan), (run_has_ended(row),)
        if attempt.number == 1 or row.external_id is None or not plan.changes or plan.by_repost:
            return await made.refused_whole(event, row, reasons)
        return await made.refuse_unless_done(event, row, reasons, attempt)

    async def _change(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        plan = self._plan(row)
        if not plan.changes and not plan.refused and not is_being_replaced(row):
            # It concerns only what the system is not told, for example whether a measure is mandatory.
            return await self._attempt(plan).make(event, row, attempt)
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        row = await finder.find(event, row)
        plan = await self._plan_with_request(row)
        if row.external_id is None:
            return await wait_for_id(self._attempt(plan), event, row, attempt, finder.delay(row, attempt))
        if plan.by_repost or is_being_replaced(row):
            replacer = RunReplacer(updater=self.updater, caller=self.caller, plan=plan, attempt=attempt)
            return await replacer.cancel_test(event, row)
        return await self._attempt(plan).make(event, row, attempt)

    def _attempt(self, plan: ChangePlan) -> ChangeAttempt:
        return ChangeAttempt(updater=self.updater, caller=self.caller, plan=plan)

    def _plan(self, row: RunRow) -> ChangePlan:
        return plan_of(row, self.caller.spoke(row.spoke).profile.change_rules)

    async def _plan_with_request(self, row: RunRow) -> ChangePlan:
        """Plan the change; whether the run can be POSTed again depends on the other runs of its request."""
        plan = self._plan(row)
        if not plan.by_repost:
            return plan
        profile = self.caller.spoke(row.spoke).profile
        hierarchical = row.decision is not None and row.decision.hierarchical
        family = await self.updater.store.runs_of_request(row.request_id) if hierarchical else ()
        refusal = refusal_of_repost(row, family, profile.cancelable_states)
        return plan if refusal is None else plan_of(row, profile.change_rules, refusal)


def _is_carried_by_another_command(row: RunRow, command: ChangeRun) -> bool:
    if row.sent is None:
        return True
    # A newer change is queued behind this one and carries the whole document; a POST includes the newest document.
    return row.phase not in ENDED_PHASES and (
        command.run.version < row.requested.version or (row.phase not in ACCEPTED_PHASES and row.accepted_at is None)
    )


def _is_in_effect(row: RunRow) -> bool:
    """Return whether the newest document was sent: the update about that names its version."""
    return row.accepted_version >= row.requested.version and not _differs(row) and not is_being_replaced(row)


def _differs(row: RunRow) -> bool:
    """Return whether the system has something else than what is requested."""
    sent = row.sent or row.requested
    return bool(find_field_changes(sent, row.requested) or measures_refusal(sent, row.requested))
