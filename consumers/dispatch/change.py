"""Send an in-flight change: bring what the external system knows up to what is requested now."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.attempts import count_attempt, rest_of_wait, with_count
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.follow_up import (
    REFUSALS,
    act_on_failure,
    call_about_run,
    read_run,
    wait_for_id,
    wait_until_shown,
)
from consumers.problems import run_unknown
from consumers.runtime.handler import DeadLetter, Done
from consumers.spokes.port import NotUnderstoodError
from router.responses import Purpose, Verdict, says_nothing
from router.runs.changes import (
    PermittedChanges,
    changes_of,
    find_field_changes,
    measures_refusal,
    permit_changes,
    refusal_of_measures,
    run_has_ended,
)
from router.runs.events import ChangeAccepted, ChangeRefused
from router.runs.processed_events import has_led_to
from router.runs.reports.information import asked_fields
from router.runs.transitions import ACCEPTED_PHASES, ENDED_PHASES
from schemas.results import Reason
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.changes import FieldChange
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import ChangeRun


_SHOWS_NOTHING = Reason(
    code="CHANGE_NOT_SHOWN", message="The answer to the change does not say whether it was made, nor does the run."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRunHandler:
    """Handles `ChangeRun`."""

    noun: ClassVar[str] = "change"
    purpose: ClassVar[Purpose] = Purpose.CHANGE
    updater: RunUpdater
    caller: Caller

    async def handle(self, event: Event, command: ChangeRun, attempt: Attempt) -> Outcome:
        """Send what differs from what was sent last, if profile and phase allow it."""
        row = await self.updater.store.run(command.run.run_id)
        if row is None:
            return DeadLetter(run_unknown(command.run.run_id, "change"))
        if has_led_to(row, event.id, UpdateKind.CHANGE_ACCEPTED):
            await self.updater.republish(event, row)
            return Done()
        if _is_carried_by_another_command(row, command) or _is_in_effect(row):
            return Done()
        counted = count_attempt(self.caller, event, row, attempt)
        if row.phase in ENDED_PHASES:
            return with_count(await self._refuse_after_end(event, row, counted), counted)
        wait = rest_of_wait(self.caller, row, attempt, counted)
        return with_count(wait or await self._change(event, row, counted), counted)

    async def _change(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        if not _differs(row):
            # It concerns only what the system is not told, for example whether a measure is mandatory.
            await self.updater.store_fact(event, row, self._accepted_event(row))
            return Done()
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        row = await finder.find(event, row)
        if row.external_id is None:
            return await wait_for_id(self, event, row, attempt, finder.delay(row, attempt))
        return await self._send_change(event, row, attempt)

    async def _send_change(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        changes = changes_of(row)
        profile = self.caller.spoke(row.spoke).profile
        # What the system itself asks for, it takes.
        patchable = profile.patchable | asked_fields(row)
        permission = permit_changes(changes, patchable, profile.changeable_states, row.state)
        other_measures = refusal_of_measures(row)
        reasons = () if isinstance(permission, PermittedChanges) else permission.reasons
        if reasons or other_measures:
            return await self.refused(event, row, (*reasons, *((other_measures,) if other_measures else ())))
        return await self._patch(event, row, changes, attempt)

    async def _patch(self, event: Event, row: RunRow, changes: tuple[FieldChange, ...], attempt: Attempt) -> Outcome:
        call = self.caller.spoke(row.spoke).to_change(row, changes, event.id)
        return await call_about_run(self, event, row, call, attempt)

    async def _refuse_after_end(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        reasons = (run_has_ended(row),)
        if attempt.number == 1 or row.external_id is None:
            return await self.refused(event, row, reasons)
        return await self.refuse_unless_done(event, row, reasons, attempt)

    async def refuse_unless_done(
        self, event: Event, row: RunRow, reasons: tuple[Reason, ...], attempt: Attempt
    ) -> Outcome:
        """Refuse the change, unless the system shows that an earlier attempt made it, whose response was lost."""
        result, report = await read_run(self, event, row)
        verdict = result.meaning.verdict
        if verdict not in (*REFUSALS, Verdict.LOST, Verdict.ACCEPTED):
            return await act_on_failure(self, event, row, result, attempt)
        if report is None or self._contradictions(row, result):
            return await self.refused(event, row, reasons)
        return await self._store_accepted(event, row, result)

    async def accepted(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Store what was accepted, and what the response reports, unless the system shows that nothing has changed."""
        if self._contradictions(row, result):
            # It may have answered with the run as it was before: only what it shows now counts.
            return await self.ambiguous(event, row, attempt)
        return await self._store_accepted(event, row, result)

    async def ambiguous(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """GET the run, and act on what the system shows now."""
        result = await self.caller.call_about(row, self.caller.spoke(row.spoke).to_read(row.external_id or ""), event)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return await act_on_failure(self, event, row, result, attempt)
        if reasons := self._contradictions(row, result):
            return await wait_until_shown(self, event, row, attempt, reasons)
        if says_nothing(result.accepted_response()):
            return await wait_until_shown(self, event, row, attempt, (_SHOWS_NOTHING,))
        return await self._store_accepted(event, row, result)

    def _contradictions(self, row: RunRow, result: CallResult) -> tuple[Reason, ...]:
        return self.caller.spoke(row.spoke).contradictions(result.accepted_response(), row, changes_of(row))

    async def _store_accepted(self, event: Event, row: RunRow, result: CallResult) -> Outcome:
        accepted = self._accepted_event(row)
        try:
            report = replace(self.caller.spoke(row.spoke).read_reply(result.accepted_response()), as_of=result.asked_at)
        except NotUnderstoodError:
            # The status says yes; nothing of the body is needed.
            await self.updater.store_fact(event, row, accepted)
            return Done()
        reported = self.caller.reported(row.spoke, report, event.id)
        await self.updater.store_fact(event, row, accepted, reported)
        return Done()

    def _accepted_event(self, row: RunRow) -> ChangeAccepted:
        return ChangeAccepted(document=row.requested, limits=self.caller.spoke(row.spoke).profile.time_limits)

    async def lost(self, event: Event, row: RunRow, result: CallResult) -> Outcome:
        """Store that the change is not made because the system does not know the run."""
        return await self.refused(event, row, result.meaning.reasons)

    async def refused(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store why the change is not made."""
        refused = ChangeRefused(version=row.requested.version, reasons=reasons)
        await self.updater.store_fact(event, row, refused)
        return Done()


def _is_carried_by_another_command(row: RunRow, command: ChangeRun) -> bool:
    if row.sent is None:
        return True
    # A newer change is queued behind this one and carries the whole document; a POST includes the newest document.
    return row.phase not in ENDED_PHASES and (
        command.run.version < row.requested.version or (row.phase not in ACCEPTED_PHASES and row.accepted_at is None)
    )


def _is_in_effect(row: RunRow) -> bool:
    """Return whether the newest document was sent: the update about that names its version."""
    return row.accepted_version >= row.requested.version and not _differs(row)


def _differs(row: RunRow) -> bool:
    """Return whether the system has something else than what is requested."""
    sent = row.sent or row.requested
    return bool(find_field_changes(sent, row.requested) or measures_refusal(sent, row.requested))
