"""Act on the deadline of a run: ask its system once more, publish that it is late, and end it when its time is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.inbound.checks.run_check import is_not_there
from consumers.routing.commands import cancel_command
from consumers.spokes.port import NotUnderstoodError
from consumers.spokes.profile import EndOfRun
from router.responses import Verdict
from router.runs.deadlines.deadline import DEFAULT_LIMITS
from router.runs.deadlines.time_out import TIMEOUT, ends, is_due
from router.runs.events import CancelRequested, DeadlineReached, RunMissing
from router.runs.ids import derive_event_id
from router.runs.processed_events import CANCEL, has_led_to
from router.runs.reports.news import has_news
from router.runs.revisions.replacement import expects_cancellation
from schemas.inbound import InboundReceived
from schemas.vocabulary import UpdateKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from consumers.dispatch.call import Caller, CallResult
    from consumers.run_updates.updater import RunUpdater
    from consumers.spokes.profile import Profile
    from router.runs.events import RunEvent
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import CancelRun


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineCheck:
    """Handles a check of a run whose deadline is due; `on_jeopardy` is called with the spoke of a run that is late.

    The record of the check is redelivered after a crash, and comes after the reports that were received before it. So
    a report that waited for this consumer is processed first.
    """

    updater: RunUpdater
    caller: Caller
    on_jeopardy: Callable[[str], None] = lambda _: None

    def is_due(self, event: Event, row: RunRow) -> bool:
        """Return whether the deadline of the run is due."""
        return is_due(row, self._as_of(event))

    async def handle(self, event: Event, row: RunRow) -> RunRow:
        """Act on the deadline if it is due, and return the row as it is then."""
        if not self.is_due(event, row):
            await self._publish_again(event, row)
            return row
        row = await self._read(event, row)
        as_of = self._as_of(event)
        if not is_due(row, as_of):
            return row
        profile = self._profile(row)
        reached = DeadlineReached(as_of=as_of, limits=profile.time_limits if profile else DEFAULT_LIMITS)
        run_events: tuple[RunEvent, ...] = (CancelRequested(), reached) if self._cancels(row, as_of) else (reached,)
        # Over exactly this row: a report at the same moment may have moved the deadline, or ended the run.
        (row,) = await self.updater.store_intentions(
            event, [(row, run_events)], commands=lambda rows: _cancel_commands(event, rows)
        )
        if has_led_to(row, event.id, UpdateKind.JEOPARDY):
            self.on_jeopardy(row.spoke)
        return row

    def _as_of(self, event: Event) -> datetime:
        # The clock of the process that found the deadline due may be ahead of ours.
        now = self.updater.now()
        return max(now, event.data.received_at) if isinstance(event.data, InboundReceived) else now

    async def _publish_again(self, event: Event, row: RunRow) -> None:
        """Publish again what an earlier delivery of this check led to."""
        await self.updater.republish(event, row)
        commands = _cancel_commands(event, (row,))
        if commands:
            await self.updater.announcer.publish(event, commands, decision=row.decision)

    def _cancels(self, row: RunRow, as_of: datetime) -> bool:
        profile = self._profile(row)
        return profile is not None and profile.cancel_timed_out and ends(row, as_of) and not row.cancel_requested

    def _profile(self, row: RunRow) -> Profile | None:
        """Return the profile of the run's system; None once it is removed, which must keep no run open."""
        spoke = self.caller.spokes.get(row.spoke)
        return spoke.profile if spoke is not None else None

    async def _read(self, event: Event, row: RunRow) -> RunRow:
        """Ask the system once, because its notification may be lost; whatever it answers, the deadline counts."""
        profile = self._profile(row)
        if profile is None or row.external_id is None or row.deadline is None or not row.deadline.is_set:
            return row
        result = await self.caller.fetch_run(row, event, is_poll=True)
        if is_not_there(result):
            return await self._count_not_found(event, row, result)
        if result.meaning.verdict is not Verdict.ACCEPTED:
            return row
        try:
            report = self.caller.read_run_as_of(row, result)
        except NotUnderstoodError:
            return row
        by_measures = profile.end_of_run is EndOfRun.MEASURES
        grace = profile.measures_grace
        if not has_news(row, report, self.updater.now(), grace, ends_with_measures=by_measures):
            return row
        report_id = derive_event_id(event.id, f"deadline:{row.revision}")
        return await self.updater.store_fact(event, row, self.caller.reported(row.spoke, report, report_id))

    async def _count_not_found(self, event: Event, row: RunRow, result: CallResult) -> RunRow:
        """Have a run asked for again that its system does not show, unless its time is over now anyway."""
        if ends(row, self._as_of(event)) or expects_cancellation(row):
            return row
        lost_after = self.caller.spoke(row.spoke).profile.lost_after
        missing = RunMissing(lost_after=lost_after, reasons=result.meaning.reasons)
        return await self.updater.store_fact(event, row, missing)


def _cancel_commands(event: Event, rows: Sequence[RunRow]) -> list[CancelRun]:
    """Return the commands that cancel at their system the runs that this check ended."""
    ended = [row for row in rows if has_led_to(row, event.id, CANCEL)]
    return [command for row in ended if (command := cancel_command(row, TIMEOUT)) is not None]
