"""Handle a changed run: store what is requested now, and command what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import run_unknown
from consumers.routing.change_pending import PendingRunChanger
from consumers.routing.commands import change_command
from consumers.routing.embedded_children import EmbeddedChildren
from consumers.runtime.handler import DeadLetter, Done
from router.runs.changes import change_event
from router.runs.events import ChangeRequested
from router.runs.pending import is_pending
from router.runs.processed_events import CHANGE, has_led_to
from router.specifications.enrichment import as_routed, unidentified_measure

if TYPE_CHECKING:
    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.routing.change_hierarchy import HierarchyChanger
    from consumers.routing.commands import CommandPublisher
    from consumers.routing.decide import Decider
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.run_document import RunDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChangedHandler:
    """Handles `RunChanged`."""

    updater: RunUpdater
    commands: CommandPublisher
    assembler: HierarchyAssembler
    hierarchy_changer: HierarchyChanger
    decider: Decider

    async def handle(self, event: Event, run: RunDocument, reason: str | None) -> Outcome:
        """Change one run, and the children of a hierarchical request with it."""
        row = await self.updater.store.run(run.run_id)
        if row is None:
            return await self._change_embedded(event, run)
        if is_pending(row):
            return await PendingRunChanger(updater=self.updater, assembler=self.assembler).change(event, row, run)
        if row.decision is not None and row.decision.hierarchical and row.parent_run_id is None:
            return await self.hierarchy_changer.change(event, row, run, reason)
        # An earlier delivery may have routed the run and crashed before it published the command.
        await self.commands.publish_again(event, [row])
        document = as_routed(run, row.requested).model_copy(update={"children": ()})
        if problem := unidentified_measure(document):
            return DeadLetter(problem)
        await self._change(event, row, document, reason, run.children)
        return Done()

    async def _change_embedded(self, event: Event, document: RunDocument) -> Outcome:
        children = EmbeddedChildren(updater=self.updater, assembler=self.assembler)
        root = await children.find_pending_root(document.run_id, document.root_run_id)
        if root is None:
            return DeadLetter(run_unknown(document.run_id, "change"))
        return await children.change(event, root, document)

    async def _change(
        self,
        event: Event,
        row: RunRow,
        document: RunDocument,
        reason: str | None,
        children: tuple[RunDocument, ...],
    ) -> None:
        run_event = change_event(event, row, document)
        if isinstance(run_event, ChangeRequested):
            run_event = self.decider.keep_spoke(row, run_event, children)
        row = await self.updater.store_fact(event, row, run_event) if run_event else row
        command = change_command(row, document, reason)
        if command is not None and has_led_to(row, event.id, CHANGE):
            await self.updater.announcer.publish(event, [command], decision=row.decision)
