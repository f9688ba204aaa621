"""Change or cancel a child that travels in the document of a root that waits, and has no row of its own yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.asking import ask_for
from consumers.placing import new_row
from router.happenings import CancelledUnsent, ChangeAsked, ChangeRefused, ParentNotAccepted
from router.memory import CHANGE, led_to
from router.next_rows import replace
from router.waiting import carried, family_of, waits, with_changed, without
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from consumers.gathering import GatherRuns
    from consumers.moves import Mover
    from consumers.runtime.outcomes import Outcome
    from consumers.wishes import Move
    from router.happenings import Happening
    from router.runs import RunRow
    from schemas.documents import RunDocument
    from schemas.envelope import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedChildren:
    """Move children inside their root's document, so that what is decided on later is the newest."""

    mover: Mover
    gather: GatherRuns

    async def root_of(self, run_id: str, root_run_id: str) -> RunRow | None:
        """Read the waiting root that carries this run."""
        root = await self.mover.store.run(root_run_id)
        return root if root is not None and waits(root) and carried(root.requested, run_id) else None

    async def change(self, event: Event, root: RunRow, document: RunDocument) -> Outcome:
        """Put the newest document of a child into its root's."""
        known = carried(root.requested, document.run_id) or document
        asked = None if led_to(root, event.id, CHANGE) else ask_for(event, _row_of(root, known), document)
        if isinstance(asked, ChangeRefused):
            await self.mover.intend(event, _row_of(root, known), asked)
        if isinstance(asked, ChangeAsked):
            changed = with_changed(root.requested, document.model_copy(update={"children": ()}))
            root = await self.mover.intend(event, root, ChangeAsked(document=changed))
        return await self.gather.resume(event, root)

    async def cancel(self, event: Event, root: RunRow, run_id: str) -> Outcome:
        """Take a child out of its root's document, with all below it; each gets its end."""
        family = family_of(root.requested, run_id)
        rows = [_row_of(root, child) for child in family]
        left = without(root.requested, {child.run_id for child in family})
        moves: list[Move] = [(row, (_end_of(row, run_id),)) for row in rows]
        moved = await self.mover.intend_all(event, [*moves, (root, (ChangeAsked(document=left),))], rows)
        return await self.gather.resume(event, moved[-1])


def rows_of_carried(root: RunRow) -> list[RunRow]:
    """Give a row to each child that a root carries, so that each of them can have an end."""
    return [_row_of(root, child) for child in root.requested.children]


def _end_of(row: RunRow, cancelled: str) -> Happening:
    parent = row.parent_run_id or row.root_run_id
    return CancelledUnsent() if row.run_id == cancelled else ParentNotAccepted(parent_run_id=parent)


def _row_of(root: RunRow, child: RunDocument) -> RunRow:
    row = new_row(child, None, root.created_at)
    return replace(row, request_id=root.request_id, phase=Phase.WAITING, updated_at=root.updated_at)
