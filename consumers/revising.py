"""Take in a changed run: remember what is wanted now, and command what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.runtime.outcomes import DeadLetter, Done
from consumers.troubles import unknown_run
from router.happenings import ChangeAsked, ChangeRefused
from router.hierarchy import HierarchyError, compare_children, expand, with_children
from router.transitions import ENDED
from schemas.commands import ChangeRun
from schemas.outcomes import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.moves import Mover
    from consumers.requesting import RequestRuns
    from consumers.runtime.outcomes import Outcome
    from consumers.withdrawing import WithdrawRuns
    from router.runs import RunRow
    from schemas.documents import RunDocument
    from schemas.envelope import Event
    from schemas.lifecycle import RunChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviseRuns:
    """The handler of `RunChanged`."""

    mover: Mover
    request: RequestRuns
    withdraw: WithdrawRuns

    async def __call__(self, event: Event, changed: RunChanged) -> Outcome:
        """Revise one run, and the children of a hierarchical request with it."""
        row = await self.mover.store.run(changed.run.run_id)
        if row is None:
            return DeadLetter(unknown_run(changed.run.run_id, "change"))
        if row.decision is None or not row.decision.hierarchical or row.parent_run_id is not None:
            return await self._revise(event, row, changed.run.model_copy(update={"children": ()}), changed.reason)
        return await self._revise_tree(event, row, changed)

    async def _revise_tree(self, event: Event, root: RunRow, changed: RunChanged) -> Outcome:
        try:
            documents = {run.run_id: run for run in expand(changed.run, self.request.limits)}
        except HierarchyError as error:
            return DeadLetter(error.trouble)
        rows = {row.run_id: row for row in await self.mover.store.runs_of_request(root.request_id)}
        living = [row.requested for row in rows.values() if row.parent_run_id is not None and not row.cancel_asked]
        difference = compare_children(with_children(root.requested, living), changed.run)
        outcome = await self._revise(event, root, documents[root.run_id], changed.reason)
        await self._add(event, root, [documents[run_id] for run_id in difference.added])
        for run_id in difference.changed:
            await self._revise(event, rows[run_id], documents[run_id], changed.reason)
        for run_id in difference.removed:
            await self._remove(event, rows, run_id)
        return outcome

    async def _revise(self, event: Event, row: RunRow, document: RunDocument, reason: str | None) -> Outcome:
        refusal = _refusal(row, document)
        if refusal is not None:
            await self.mover.record(event, row, ChangeRefused(version=document.version, reasons=(refusal,)))
            return Done()
        if document != row.requested:
            row = await self.mover.intend(event, row, ChangeAsked(document=document))
        if row.decision is not None:
            command = ChangeRun(
                run=row.requested,
                request_id=row.request_id,
                spoke=row.spoke,
                decision=row.decision,
                reason=reason,
            )
            await self.mover.voice.say(event, [command], decision=row.decision)
        return Done()

    async def _add(self, event: Event, root: RunRow, documents: list[RunDocument]) -> None:
        request = await self.mover.store.request(root.request_id)
        if not documents or request is None:
            return
        rows = [self.request.new_row(document, request) for document in documents]
        await self.mover.store.save(*rows)
        await self.request.send(event, rows)

    async def _remove(self, event: Event, rows: Mapping[str, RunRow], run_id: str) -> None:
        row = rows.get(run_id)
        if row is None or row.phase in ENDED:
            return
        await self.withdraw.ask(event, row, "removed from the hierarchy")


def _refusal(row: RunRow, document: RunDocument) -> Reason | None:
    if row.phase in ENDED:
        return Reason(code="RUN_HAS_ENDED", message=f"Run {row.run_id} is {row.state}; it cannot be changed any more.")
    known = row.requested
    if document.version < known.version or (document.version == known.version and document != known):
        return Reason(
            code="VERSION_NOT_HIGHER",
            message=f"Run {row.run_id} is at version {known.version}; a change must carry a higher one, "
            f"not {document.version}.",
        )
    return None
