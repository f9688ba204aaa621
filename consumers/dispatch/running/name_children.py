"""Name the children of a run at its system by a PATCH of the run, where the profile wants that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumers.dispatch.find_external_id import ExternalIdFinder
from consumers.problems import call_failed, external_id_missing, external_id_pending
from consumers.runtime.handler import DeadLetter, Done, RetryLater
from consumers.spokes.port import NamesChildren
from router.responses import Verdict
from router.runs.ids import idempotency_key
from router.runs.transitions import ENDED_PHASES
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.dispatch.call import Caller
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Attempt, Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event

_IS_NO = (Verdict.REFUSED, Verdict.CONFLICT, Verdict.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildNaming:
    """Brings what the system knows of the children of a run up to date, after one of them was accepted.

    Nothing is stored about it: the PATCH has the whole list, so a record that is read again repeats it without effect.
    """

    updater: RunUpdater
    caller: Caller

    async def name(self, event: Event, run_id: str, attempt: Attempt) -> Outcome:
        """PATCH the parent of a run that was accepted; a parent that has ended, or is sent elsewhere, is left alone."""
        row = await self.updater.store.run(run_id)
        if row is None or row.accepted_at is None or row.parent_run_id is None:
            return Done()
        family = await self.updater.store.runs_of_request(row.request_id)
        parent = _parent_of(row, family)
        spoke = self.caller.spoke(row.spoke)
        if parent is None or parent.phase in ENDED_PHASES or not isinstance(spoke, NamesChildren):
            return Done()
        finder = ExternalIdFinder(updater=self.updater, caller=self.caller)
        parent, row = await finder.find(event, parent), await finder.find(event, row)
        unnamed = next((each for each in (parent, row) if each.external_id is None), None)
        if unnamed is not None:
            return _wait_for_id(unnamed, parent, finder.delay(unnamed, attempt))
        children = [row if each.run_id == row.run_id else each for each in family if _is_child(each, parent)]
        call = spoke.to_name_children(parent, _parent_of(parent, family), children)
        key = idempotency_key(parent.request_id, parent.run_id, call.body or b"")
        result = await self.caller.call_about(parent, replace(call, idempotency_key=key), event, others=(row,))
        if result.meaning.verdict is Verdict.ACCEPTED:
            return Done()
        problem = call_failed(result, f"Run {parent.run_id} could not be told its child {row.run_id} at {row.spoke}")
        if result.meaning.verdict in _IS_NO:
            return DeadLetter(problem)
        delay = self.caller.delay_after(row.spoke, result, attempt, event.id)
        return DeadLetter(problem) if delay is None else RetryLater(delay, problem)


def _is_child(row: RunRow, parent: RunRow) -> bool:
    is_there = row.accepted_at is not None and row.external_id is not None and row.phase is not Phase.CANCELLED
    return row.parent_run_id == parent.run_id and is_there


def _parent_of(row: RunRow, family: Sequence[RunRow]) -> RunRow | None:
    return next((each for each in family if each.run_id == row.parent_run_id), None)


def _wait_for_id(row: RunRow, parent: RunRow, delay: float | None) -> Outcome:
    if delay is not None:
        return RetryLater(delay, external_id_pending(row))
    return DeadLetter(external_id_missing(row, f"The list of the children of run {parent.run_id}"))
