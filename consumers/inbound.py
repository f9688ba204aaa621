"""Inbound: interpret what external systems said and move the run it is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from consumers.runtime.outcomes import DeadLetter, Done, RetryLater
from consumers.spokes.port import NotUnderstoodError
from consumers.troubles import does_not_belong, in_words
from router.answers import Verdict
from router.happenings import Reported
from router.trouble import Trouble
from schemas.inbound import InboundReceived

if TYPE_CHECKING:
    from consumers.calling import Asked, Caller
    from consumers.moves import Mover
    from consumers.runtime.outcomes import Attempt, Outcome
    from router.reports import ExternalReport
    from router.runs import RunRow
    from schemas.envelope import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """The consumer of `testrun.inbound`.

    A report may overtake the answer to our own POST, so one about an unknown external id is tried
    again every `park_for` seconds until it is `park_until` seconds old.
    """

    mover: Mover
    caller: Caller
    park_for: float = 0.5
    park_until: float = 60.0

    async def __call__(self, event: Event, attempt: Attempt) -> Outcome:
        """Take one report in."""
        received = event.data
        if not isinstance(received, InboundReceived):
            return DeadLetter(does_not_belong(event, "the inbound topic"))
        try:
            report = self.caller.spoke(received.spoke).read_callback(received)
        except NotUnderstoodError as error:
            return DeadLetter(Trouble(code="INBOUND_NOT_UNDERSTOOD", sentence=str(error)))
        row = await self._run_of(received, report)
        if row is None:
            return self._unknown(received, report)
        return await self._take_in(event, row, report, attempt)

    async def _run_of(self, received: InboundReceived, report: ExternalReport) -> RunRow | None:
        external_id = report.external_id or received.external_id
        return await self.mover.store.run_at(received.spoke, external_id) if external_id else None

    def _unknown(self, received: InboundReceived, report: ExternalReport) -> Outcome:
        trouble = Trouble(
            code="UNKNOWN_EXTERNAL_ID",
            sentence=f"{received.spoke} reported on {report.external_id or 'a run without an id'}, "
            "which no run in the run store carries: check that the system answers for our runs.",
        )
        too_old = self.mover.now() - received.received_at > timedelta(seconds=self.park_until)
        return DeadLetter(trouble) if too_old or not report.external_id else RetryLater(self.park_for, trouble)

    async def _take_in(self, event: Event, row: RunRow, report: ExternalReport, attempt: Attempt) -> Outcome:
        if event.id in row.heard:
            await self.mover.tell_again(event, row)
            return Done()
        if not report.thin:
            return await self._record(event, row, report)
        asked = await self.caller.ask(row.spoke, self.caller.spoke(row.spoke).to_read(row.external_id or ""))
        if asked.judgement.verdict is not Verdict.ACCEPTED:
            return self._again(row, asked, attempt)
        try:
            whole = self.caller.spoke(row.spoke).read_reply(asked.answered())
        except NotUnderstoodError as error:
            return DeadLetter(Trouble(code="INBOUND_NOT_UNDERSTOOD", sentence=str(error)))
        return await self._record(event, row, replace(whole, event_id=report.event_id, thin=False))

    async def _record(self, event: Event, row: RunRow, report: ExternalReport) -> Outcome:
        await self.mover.record(event, row, Reported(report_id=event.id, report=report))
        return Done()

    def _again(self, row: RunRow, asked: Asked, attempt: Attempt) -> Outcome:
        trouble = in_words(asked, f"Run {row.run_id} could not be read at {row.spoke}")
        delay = self.caller.wait(row.spoke, asked, attempt)
        return DeadLetter(trouble) if delay is None else RetryLater(delay, trouble)
