"""Change a child that is embedded in the document of a pending root and has no row of its own yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.routing.request_rows import build_run_row
from router.runs.advance import advance
from router.runs.changes import change_event
from router.runs.events import ChangeRefused, ChangeRequested
from router.runs.pending import embedded_child, is_pending, with_changed_child
from router.runs.processed_events import CHANGE, has_led_to
from router.runs.run import replace
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedChildren:
    """Changes children inside their root's document, so that the newest document is the one decided on."""

    updater: RunUpdater
    assembler: HierarchyAssembler

    async def find_pending_root(self, run_id: str, root_run_id: str) -> RunRow | None:
        """Return the pending root that embeds this run."""
        root = await self.updater.store.run(root_run_id)
        return root if root is not None and is_pending(root) and embedded_child(root.requested, run_id) else None

    async def change(self, event: Event, root: RunRow, document: RunDocument) -> Outcome:
        """Replace a child's document inside its root's document."""
        known = embedded_child(root.requested, document.run_id) or document
        run_event = (
            None
            if has_led_to(root, event.id, CHANGE)
            else change_event(event, embedded_child_row(root, known), document)
        )
        if isinstance(run_event, ChangeRefused):
            await self._refuse(event, embedded_child_row(root, known), run_event)
        if isinstance(run_event, ChangeRequested):
            changed = with_changed_child(root.requested, document.model_copy(update={"children": ()}))
            root = await self.updater.store_intention(event, root, ChangeRequested(document=changed))
        return await self.assembler.route_if_complete(event, root)

    async def _refuse(self, event: Event, row: RunRow, refused: ChangeRefused) -> None:
        transition = advance(row, (refused,), row.updated_at)  # published, and not stored: the child has no row yet
        await self.updater.announcer.publish(event, transition.notifications, decision=None)


def embedded_child_row(root: RunRow, child: RunDocument) -> RunRow:
    """Return a row for an embedded child, so that it can end by itself."""
    row = build_run_row(child, None, root.created_at)
    return replace(row, request_id=root.request_id, phase=Phase.WAITING, updated_at=root.updated_at)
