"""Send the part of a change that its system takes as a PATCH, and find out whether it was made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar

from consumers.dispatch.attempts import wait_for_unanswered
from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.dispatch.follow_up import (
    REFUSALS,
    act_on_failure,
    call_about_run,
    followed_address,
    growing_delay,
    is_overdue,
    read_run,
    wait_for_id,
    wait_for_next,
    wait_until_shown,
)
from consumers.runtime.handler import Done
from consumers.spokes.port import ChangesInRoot, ErrorInSuccessError, FollowsChanges, NotUnderstoodError
from consumers.spokes.profile import ChildChange
from router.responses import ACCEPTED_FOR_LATER, Purpose, Verdict, says_nothing
from router.runs.events import ChangeAccepted, ChangeRefused, RunMissing
from router.runs.reports.cancel_task import TaskState
from router.runs.revisions.bundled_children import children_at_system
from router.runs.run import replace as with_sent
from router.runs.transitions import ACCEPTED_PHASES
from schemas.problem import Problem
from schemas.results import Reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from consumers.spokes.profile import Profile
    from router.responses import HttpResponse
    from router.runs.events import RunEvent
    from router.runs.revisions.change_plan import ChangePlan
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

    _WaitBecause = Callable[[tuple[Reason, ...]], Awaitable[Outcome]]


CHANGE_AWAITED = "CHANGE_AWAITED"
THE_RUN = "the run"  # instead of an address: the run itself shows whether the change was made
_PROCESS_IS_GONE = (Verdict.LOST, Verdict.REFUSED, Verdict.CONFLICT)
_SHOWS_NOTHING = Reason(
    code="CHANGE_NOT_SHOWN", message="The answer to the change does not say whether it was made, nor does the run."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeAttempt:
    """Makes one attempt at a planned change; what the plan refuses is published together with the outcome."""

    noun: ClassVar[str] = "change"
    purpose: ClassVar[Purpose] = Purpose.CHANGE
    updater: RunUpdater
    caller: Caller
    plan: ChangePlan

    async def make(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """Send what differs and may be sent; what the system is not told is in effect at once."""
        if self.plan.changes and (address := followed_address(event, row)):
            return await self._follow(event, row, attempt, address)
        if self.plan.changes:
            return await self._send(event, row, attempt)
        if self.plan.takes_effect:
            await self.updater.store_fact(event, row, *self._made(row))
            return Done()
        return await self.refused(event, row, ())

    async def _send(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        spoke = self._spoke_of_root(row)
        if spoke is None:
            if (wait := wait_for_unanswered(self.caller, event, (row,), attempt)) is not None:
                return wait
            call = self.caller.spoke(row.spoke).to_change(row, self.plan.changes, event.id)
            return await call_about_run(self, event, row, call, attempt)
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        family = await self.updater.store.runs_of_request(row.request_id)
        root = await finder.find(event, next(each for each in family if each.run_id == row.root_run_id))
        if root.external_id is None:
            return await wait_for_id(self, event, row, attempt, finder.delay(root, attempt))
        if (wait := wait_for_unanswered(self.caller, event, family, attempt)) is not None:
            return wait
        children = children_at_system(family, with_sent(row, sent=self.plan.document))
        call = spoke.to_change_in_root(root, children, event.id)
        return await call_about_run(self, event, row, call, attempt)

    async def accepted(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:
        """Store what was accepted, and what the response reports, unless the system shows that nothing has changed."""
        if result.accepted_response().status == ACCEPTED_FOR_LATER and self._profile(row).follow_changes:
            return await self._act_on_process(event, row, result, attempt, THE_RUN)
        if _should_show_the_run(result.accepted_response()):
            # Perhaps something in front of the system answered: only what it shows now counts.
            return await self.ambiguous(event, row, attempt)
        if (spoke := self._spoke_of_root(row)) is not None:
            result = replace(result, response=spoke.child_in_root(result.accepted_response(), row))
        if self._contradictions(row, result):
            # It may have answered with the run as it was before: only what it shows now counts.
            return await self.ambiguous(event, row, attempt, was_error=self._is_error(row, result))
        return await self._store_accepted(event, row, result)

    async def ambiguous(self, event: Event, row: RunRow, attempt: Attempt, *, was_error: bool = False) -> Outcome:
        """GET the run, and act on what the system shows now; after an error only the change itself counts."""
        wait = partial(wait_until_shown, self, event, row, attempt)
        return await self._read(event, row, attempt, wait, must_show=was_error)

    async def _read(
        self, event: Event, row: RunRow, attempt: Attempt, wait: _WaitBecause, *, must_show: bool = False
    ) -> Outcome:
        """GET the run; `wait` if it does not show the change, or if it must and says nothing of it."""
        result = await self.caller.fetch_run(row, event)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return await act_on_failure(self, event, row, result, attempt)
        reasons = self._contradictions(row, result)
        if not reasons and (says_nothing(result.accepted_response()) or (must_show and not self._shows(row, result))):
            reasons = (_SHOWS_NOTHING,)
        return await (wait(reasons) if reasons else self._store_accepted(event, row, result))

    async def _follow(self, event: Event, row: RunRow, attempt: Attempt, address: str) -> Outcome:
        """Ask what has become of a change that was accepted for later."""
        spoke = self.caller.spoke(row.spoke)
        call = spoke.to_read_process(address) if isinstance(spoke, FollowsChanges) and address != THE_RUN else None
        if call is None:
            return await self._read_until_shown(event, row, attempt)
        result = await self.caller.call_about(row, call, event)
        if result.meaning.verdict is Verdict.ACCEPTED:
            return await self._act_on_process(event, row, result, attempt, address)
        if result.meaning.verdict in _PROCESS_IS_GONE:
            return await self._read_until_shown(event, row, attempt)
        return await act_on_failure(self, event, row, result, attempt)

    async def _act_on_process(
        self, event: Event, row: RunRow, result: CallResult, attempt: Attempt, address: str
    ) -> Outcome:
        spoke = self.caller.spoke(row.spoke)
        try:
            response = result.accepted_response()
            process = spoke.read_process(response, row) if isinstance(spoke, FollowsChanges) else None
        except NotUnderstoodError:
            process = None
        if process is not None and process.state is TaskState.REFUSED:
            return await self.refused(event, row, process.reasons)
        if process is not None and process.state is TaskState.DONE:
            return await self.ambiguous(event, row, attempt)
        return await self._wait(event, row, attempt, (process and process.href) or address, ())

    async def _read_until_shown(self, event: Event, row: RunRow, attempt: Attempt) -> Outcome:
        """GET the run: there is no process, or it is gone, so only the run shows whether the change was made."""
        return await self._read(event, row, attempt, partial(self._wait, event, row, attempt, THE_RUN))

    async def _wait(
        self, event: Event, row: RunRow, attempt: Attempt, address: str, reasons: tuple[Reason, ...]
    ) -> Outcome:
        deadline = self._profile(row).change_deadline
        problem = Problem(
            code=CHANGE_AWAITED,
            sentence=f"{row.spoke} has accepted a change of run {row.run_id} for later, and does not show it yet.",
        )
        if not is_overdue(self.caller, attempt, deadline):
            return await wait_for_next(self, event, row, attempt, problem, growing_delay(attempt), follows=address)
        late = Reason(
            code=CHANGE_AWAITED,
            message=f"{row.spoke} has accepted the change for later, and has not shown for {deadline:g} s whether it "
            "was made.",
        )
        return await self.refused(event, row, reasons or (late,))

    def _spoke_of_root(self, row: RunRow) -> ChangesInRoot | None:
        """Return the spoke if a change of this run is a PATCH of its root."""
        spoke = self.caller.spoke(row.spoke)
        bundled = row.decision is not None and row.decision.payload == "bundle" and row.run_id != row.root_run_id
        in_root = bundled and spoke.profile.children_changed_in is ChildChange.ROOT
        return spoke if in_root and isinstance(spoke, ChangesInRoot) else None

    def _profile(self, row: RunRow) -> Profile:
        return self.caller.spoke(row.spoke).profile

    def _contradictions(self, row: RunRow, result: CallResult) -> tuple[Reason, ...]:
        return self.caller.spoke(row.spoke).contradictions(result.accepted_response(), row, self.plan.changes)

    def _shows(self, row: RunRow, result: CallResult) -> bool:
        """Return whether an answer without contradictions shows every change: it would contradict the opposite."""
        spoke, response = self.caller.spoke(row.spoke), result.accepted_response()
        undone = [replace(change, old=change.new, new=change.old) for change in self.plan.changes]
        return all(spoke.contradictions(response, row, [change]) for change in undone)

    def _is_error(self, row: RunRow, result: CallResult) -> bool:
        if result.accepted_response().body.lstrip()[:1] == b"<":  # the page of a proxy, or of a login
            return True
        try:
            self.caller.read_run_as_of(row, result)
        except ErrorInSuccessError:
            return True
        except NotUnderstoodError:
            return False
        return False

    async def _store_accepted(self, event: Event, row: RunRow, result: CallResult) -> Outcome:
        made = self._made(row)
        try:
            report = self.caller.read_run_as_of(row, result)
        except NotUnderstoodError:
            # The status says yes; nothing of the body is needed.
            await self.updater.store_fact(event, row, *made)
            return Done()
        reported = self.caller.reported(row.spoke, report.of_part(), event.id)
        await self.updater.store_fact(event, row, *made, reported)
        return Done()

    def _made(self, row: RunRow) -> tuple[RunEvent, ...]:
        """Return what has happened once the change is made: the rest of it is refused."""
        limits = self._profile(row).time_limits
        accepted = ChangeAccepted(document=self.plan.document, limits=limits)
        if not self.plan.refused:
            return (accepted,)
        return (accepted, ChangeRefused(version=row.requested.version, reasons=self.plan.refused))

    async def lost(self, event: Event, row: RunRow, result: CallResult, attempt: Attempt) -> Outcome:  # noqa: ARG002 - the port
        """Store that the change is not made because the system does not know the run, which is asked for again."""
        row = await self._ask_again(event, row, result)
        return await self.refused(event, row, result.meaning.reasons)

    async def _ask_again(self, event: Event, row: RunRow, result: CallResult) -> RunRow:
        """Store that the system does not know the run; apart, as only a refusal alone is seen to be a repeated one."""
        if row.phase not in ACCEPTED_PHASES:
            return row
        missing = RunMissing(lost_after=self._profile(row).lost_after, reasons=result.meaning.reasons)
        return await self.updater.store_fact(event, row, missing)

    async def refused(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store why the change is not made."""
        refused = ChangeRefused(version=row.requested.version, reasons=(*reasons, *self.plan.refused))
        await self.updater.store_fact(event, row, refused)
        return Done()

    async def refused_whole(self, event: Event, row: RunRow, reasons: tuple[Reason, ...]) -> Outcome:
        """Store why nothing of the change is made."""
        await self.updater.store_fact(event, row, ChangeRefused(version=row.requested.version, reasons=reasons))
        return Done()

    async def refuse_unless_done(
        self, event: Event, row: RunRow, reasons: tuple[Reason, ...], attempt: Attempt
    ) -> Outcome:
        """Refuse the change, unless the system shows that an earlier attempt made it, whose response was lost."""
        result, report = await read_run(self, event, row)
        verdict = result.meaning.verdict
        if verdict not in (*REFUSALS, Verdict.LOST, Verdict.ACCEPTED):
            return await act_on_failure(self, event, row, result, attempt)
        if verdict is Verdict.LOST:
            row = await self._ask_again(event, row, result)
        if report is None or self._contradictions(row, result):
            return await self.refused(event, row, reasons)
        return await self._store_accepted(event, row, result)


def _should_show_the_run(response: HttpResponse) -> bool:
    """Return whether a success says nothing, and its status does not mean that either."""
    return response.status not in (ACCEPTED_FOR_LATER, HTTPStatus.NO_CONTENT) and says_nothing(response)
