"""Send a run to its external system: once, in order, and with every doubt settled before a second POST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from consumers.runtime.outcomes import DeadLetter, Done, RetryLater
from consumers.spokes.port import NotUnderstoodError
from consumers.troubles import cannot_look_up, in_words, reason_of, unknown_run
from router.answers import Verdict
from router.happenings import (
    Accepted,
    AttemptFailed,
    CancelledUnsent,
    GivenUp,
    OutcomeUnknown,
    ParentNotAccepted,
    Refused,
    Reported,
    Sending,
)
from router.transitions import ENDED, OUT
from router.trouble import Trouble
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from consumers.calling import Asked, Caller
    from consumers.moves import Mover
    from consumers.runtime.outcomes import Attempt, Outcome
    from consumers.spokes.port import Call
    from router.happenings import Happening
    from router.reports import ExternalReport
    from router.runs import RunRow
    from schemas.commands import SendRun
    from schemas.envelope import Event

ID_COMES_LATER = 202


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRuns:
    """The handler of `SendRun`."""

    mover: Mover
    caller: Caller

    async def __call__(self, event: Event, command: SendRun, attempt: Attempt) -> Outcome:
        """Bring one run out, or say why not."""
        row = await self.mover.store.run(command.run.run_id)
        if row is None:
            return DeadLetter(unknown_run(command.run.run_id, "send"))
        if row.phase in OUT or row.phase in ENDED:
            await self.mover.tell_again(event, row)
            return Done()
        if row.cancel_asked and row.sent_at is None:
            await self.mover.intend(event, row, CancelledUnsent())
            return Done()
        parent = await self._parent(command, row)
        if parent is not None and parent.accepted_at is None:
            return await self._without_parent(event, row, parent)
        sending = _Sending(
            mover=self.mover, caller=self.caller, event=event, command=command, attempt=attempt, parent=parent
        )
        return await (sending.post(row) if row.sent_at is None else sending.look_up(row))

    async def _parent(self, command: SendRun, row: RunRow) -> RunRow | None:
        if not command.decision.hierarchical or row.parent_run_id is None:
            return None
        return await self.mover.store.run(row.parent_run_id)

    async def _without_parent(self, event: Event, row: RunRow, parent: RunRow) -> Outcome:
        if parent.phase in ENDED:
            await self.mover.intend(event, row, ParentNotAccepted(parent_run_id=parent.run_id))
            return Done()
        trouble = Trouble(
            code="PARENT_IN_FALLOUT",
            sentence=f"Run {row.run_id} waits for its parent {parent.run_id}, which is {parent.phase}: "
            "redrive the parent's dead letter first, then this one.",
        )
        if row.phase is not Phase.FALLOUT:
            await self.mover.intend(event, row, GivenUp(reasons=(reason_of(trouble),)))
        return DeadLetter(trouble)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sending:
    """One attempt to bring one run out."""

    mover: Mover
    caller: Caller
    event: Event
    command: SendRun
    attempt: Attempt
    parent: RunRow | None

    async def post(self, row: RunRow) -> Outcome:
        row = await self.mover.intend(self.event, row, Sending(document=row.requested))
        asked = await self._ask(row, self._post_of(row))
        match asked.judgement.verdict:
            case Verdict.ACCEPTED:
                return await self._accepted(row, asked)
            case Verdict.REFUSED | Verdict.LOST:
                return await self._refused(row, asked)
            case Verdict.CONFLICT:
                return await self.look_up(row, refusal=asked)
            case Verdict.AMBIGUOUS:
                return await self._doubtful(row, asked)
            case Verdict.TRANSIENT | Verdict.CONFIGURATION:
                row = await self._record(row, AttemptFailed())
                return await self._again(row, asked)
            case _:
                assert_never(asked.judgement.verdict)

    async def look_up(self, row: RunRow, refusal: Asked | None = None) -> Outcome:
        """A POST was perhaps made: ask before making another."""
        # What was POSTed, not what is wanted by now: a change may have renamed the run meanwhile.
        posted = row.sent or row.requested
        call = self.caller.spoke(row.spoke).to_look_up(posted)
        if call is None:
            return await self._fallout(row, cannot_look_up(row))
        asked = await self._ask(row, call)
        if asked.judgement.verdict is not Verdict.ACCEPTED:
            return await self._doubtful(row, asked)
        try:
            found = self.caller.spoke(row.spoke).find_run(asked.answered(), posted)
        except NotUnderstoodError as error:
            return await self._doubtful(row, asked.doubted(str(error)))
        if found is not None:
            return await self._take(row, found)
        return await (self.post(row) if refusal is None else self._refused(row, refusal))

    async def _accepted(self, row: RunRow, asked: Asked) -> Outcome:
        try:
            report = self.caller.spoke(row.spoke).read_reply(asked.answered())
        except NotUnderstoodError as error:
            return await self._doubtful(row, asked.doubted(str(error)))
        if report.external_id is None and asked.answered().status != ID_COMES_LATER:
            return await self._doubtful(row, asked.doubted("The answer names no id for the run."))
        return await self._take(row, report)

    async def _take(self, row: RunRow, report: ExternalReport) -> Outcome:
        accepted = Accepted(external_id=report.external_id, href=report.href, document=row.sent or row.requested)
        await self._record(row, accepted, Reported(report_id=self.event.id, report=report))
        return Done()

    async def _refused(self, row: RunRow, asked: Asked) -> Outcome:
        await self._record(row, Refused(reasons=asked.judgement.reasons))
        return Done()

    async def _doubtful(self, row: RunRow, asked: Asked) -> Outcome:
        if row.phase is Phase.SENDING:
            row = await self._record(row, OutcomeUnknown(reasons=asked.judgement.reasons))
        return await self._again(row, asked)

    async def _again(self, row: RunRow, asked: Asked) -> Outcome:
        trouble = in_words(asked, f"Run {row.run_id} could not be sent to {row.spoke}")
        delay = self.caller.wait(row.spoke, asked, self.attempt)
        return await self._fallout(row, trouble) if delay is None else RetryLater(delay, trouble)

    async def _fallout(self, row: RunRow, trouble: Trouble) -> Outcome:
        if row.phase is not Phase.FALLOUT:
            await self._record(row, GivenUp(reasons=(reason_of(trouble),)))
        return DeadLetter(trouble)

    def _post_of(self, row: RunRow) -> Call:
        # The row has the newest document: a change that came while the command waited goes out with it.
        document = row.requested.model_copy(update={"children": self.command.run.children})
        command = self.command.model_copy(update={"run": document})
        return self.caller.spoke(row.spoke).to_send(command, self.parent, self.event.id)

    async def _ask(self, row: RunRow, call: Call) -> Asked:
        return await self.caller.ask(row.spoke, call)

    async def _record(self, row: RunRow, *happenings: Happening) -> RunRow:
        return await self.mover.record(self.event, row, *happenings)
