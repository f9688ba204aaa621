"""Find the external id of a run that the system accepted without naming one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from consumers.dispatch.look_up import LookUp, NotProven
from consumers.spokes.port import FollowsLocation, NotUnderstoodError
from router.responses import Verdict
from router.runs.ids import derive_event_id
from router.runs.reports.identity import contradiction_of
from schemas.vocabulary import RunState

if TYPE_CHECKING:
    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt
    from router.runs.reports.report import ExternalReport
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

# Seconds; a run that was accepted without an id gets it from a callback, a poll or a look-up.
_FIRST_DELAY = 1.0
_MAX_DELAY = 60.0
_MAX_DOUBLINGS = 6
MAX_STEPS = 3  # from an address that a system named to the run


def settles(found: ExternalReport) -> bool:
    """Return whether a look-up has an outcome: an external id, or that the run is rejected and will have none."""
    return found.external_id is not None or found.state is RunState.REJECTED


class LookedUp(NamedTuple):
    """The result of one look-up: what the system reports, and whether it answered at all."""

    found: ExternalReport | None
    answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdFinder:
    """Looks the run up by the profile's method, as after a doubt; a callback that names the run may be quicker."""

    updater: RunUpdater
    caller: Caller

    async def find(self, event: Event, row: RunRow) -> RunRow:
        """Return the row with its external id if the system names one, or ended if it has rejected the run."""
        if row.external_id is not None:
            return row
        found = await self.look_up(row)
        if found is None or not settles(found):
            return row
        reported = self.caller.reported(row.spoke, found.of_part(), derive_event_id(event.id, "id"))
        return await self.updater.store_fact(event, row, reported)

    def delay(self, row: RunRow, attempt: Attempt) -> float | None:
        """Return the seconds until the id is looked up again; None once the profile's deadline has passed."""
        waited = (self.caller.now() - (row.accepted_at or row.updated_at)).total_seconds()
        if waited >= self.caller.spoke(row.spoke).profile.id_deadline:
            return None
        doublings = min(attempt.number - 1, _MAX_DOUBLINGS)
        return min(math.ldexp(_FIRST_DELAY, doublings), _MAX_DELAY)

    async def look_up(self, row: RunRow, href: str | None = None) -> ExternalReport | None:
        """Return what the system reports about the run that was POSTed; None if nothing.

        `href` is the address that it named when it accepted the run.
        """
        return (await self.ask(row, href)).found

    async def ask(self, row: RunRow, href: str | None = None) -> LookedUp:
        """Look the run up once; a system without look-ups has answered that it names no id."""
        spoke, posted = self.caller.spoke(row.spoke), row.sent or row.requested
        if isinstance(spoke, FollowsLocation) and (href := href or row.external_href):
            followed = await self._follow(spoke, row, href)
            if followed is not None:
                return LookedUp(found=followed, answered=True)
        call = spoke.to_look_up(posted)
        if call is None:
            return LookedUp(found=None, answered=True)
        answer = await LookUp(caller=self.caller, store=self.updater.store).find_accepted(row, posted, call)
        if isinstance(answer, NotProven):
            return LookedUp(found=None, answered=answer.answered)  # the id may still arrive by another way
        return LookedUp(found=answer, answered=True)

    async def _follow(self, spoke: FollowsLocation, row: RunRow, href: str) -> ExternalReport | None:
        """Return the run to which an address leads, in a few steps; None if it leads to none, or not yet."""
        for _ in range(MAX_STEPS):
            call = spoke.to_follow(href)
            if call is None:
                return None
            result = await self.caller.call_about(row, call, None)
            if result.meaning.verdict is not Verdict.ACCEPTED:
                return None
            try:
                found = spoke.read_followed(result.accepted_response())
            except NotUnderstoodError:
                return None
            if not isinstance(found, str):
                is_ours = found is not None and contradiction_of(found, row) is None
                return replace(found, as_of=result.asked_at) if found and is_ours else None
            href = found
        return None
