"""Find out under which id an external system has a run that it accepted without naming one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.spokes.port import NotUnderstoodError
from router.responses import Verdict
from router.runs.events import Reported
from router.runs.ids import derived_id

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from router.runs.reports import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

WAIT_FOR_ID = 1.0  # seconds; a 202 without an id gets its id from a callback, a poll or a look-up


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdFinder:
    """Ask by the profile's look-up, as after a doubt; a callback that names the run may be quicker."""

    updater: RunUpdater
    caller: Caller

    async def __call__(self, event: Event, row: RunRow) -> RunRow:
        """Give the row with its external id if the system tells one; else as it was."""
        if row.external_id is not None:
            return row
        found = await self.look_up(row)
        if found is None or found.external_id is None:
            return row
        return await self.updater.store_fact(event, row, Reported(report_id=derived_id(event.id, "id"), report=found))

    async def look_up(self, row: RunRow) -> ExternalReport | None:
        """Give what the system tells about the run that was POSTed; None where it tells nothing."""
        spoke, posted = self.caller.spoke(row.spoke), row.sent or row.requested
        call = spoke.to_look_up(posted)
        asked = await self.caller.ask(row.spoke, call) if call else None
        if asked is None or asked.judgement.verdict is not Verdict.ACCEPTED:
            return None
        try:
            return spoke.find_run(asked.answered(), posted)
        except NotUnderstoodError:
            return None  # the id may still come by another way
