"""Handle a changed hierarchy: children are added, changed and removed together with their root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumers.problems import run_exists
from consumers.routing.commands import build_send_command, cancel_command, change_command
from consumers.routing.request_rows import build_run_rows
from consumers.runtime.handler import DeadLetter, Done
from router.runs.changes import change_event, child_was_removed, is_redelivered_change, version_not_higher
from router.runs.events import CancelRequested, ChangeRefused, ChangeRequested
from router.runs.hierarchy import ChildChanges, HierarchyError, compare_children, expand_hierarchy, with_children
from router.runs.pending import is_pending
from router.runs.processed_events import CANCEL, CHANGE, SEND, has_led_to
from router.runs.transitions import ENDED_PHASES
from router.specifications.enrichment import as_routed, unidentified_measure
from schemas.problem import Problem
from schemas.vocabulary import Phase, UpdateKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consumers.routing.assemble_hierarchy import HierarchyAssembler
    from consumers.routing.decide import Decider
    from consumers.run_updates.batch import RowUpdate
    from consumers.run_updates.updater import RunUpdater
    from consumers.runtime.handler import Outcome
    from router.runs.hierarchy_limits import HierarchyLimits
    from router.runs.run import RunRow
    from schemas.codec.envelope import Event
    from schemas.commands import Command
    from schemas.run_document import RunDocument

    Documents = Mapping[str, RunDocument]
    RowsById = Mapping[str, RunRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class HierarchyChanger:
    """Changes a root that was sent with its children. A change is stored completely or not at all."""

    updater: RunUpdater
    assembler: HierarchyAssembler
    limits: HierarchyLimits
    decider: Decider

    async def change(self, event: Event, root: RunRow, ordered: RunDocument, reason: str | None) -> Outcome:
        """Store what is requested now, then command what follows."""
        rows = {row.run_id: row for row in await self.updater.store.runs_of_request(root.request_id)}
        run = self._with_specifications(root, rows, ordered)
        if isinstance(run, Problem):
            return DeadLetter(run)
        try:
            documents = {run.run_id: run for run in expand_hierarchy(run, self.limits)}
        except HierarchyError as error:
            return DeadLetter(error.problem)
        difference = compare_children(with_children(root.requested, _living_documents(rows.values())), run)
        if is_redelivered_change(event, root, documents[root.run_id]):
            await self._handle_redelivery(event, rows, documents, difference, reason)
            return Done()
        root_event = _root_event(event, root, documents[root.run_id], difference)
        if isinstance(root_event, ChangeRequested):
            root_event = self.decider.keep_spoke(root, root_event, tuple(_living_documents(rows.values())))
        if isinstance(root_event, ChangeRefused):
            await self.updater.store_fact(event, root, root_event)
            return Done()
        pending_rows = await self._pending_rows_of_added(set(difference.added) - set(rows))
        if pending_rows is None:
            return DeadLetter(run_exists(run))
        updates: list[RowUpdate] = [(root, (root_event,))] if root_event else []
        updates += _child_updates(event, rows, documents, difference)
        embedded = [documents[i] for i in difference.added if i in documents and i not in rows]
        await self._store(event, root, updates, embedded, pending_rows)
        await self._command_changes(event, await self.updater.store.runs_of_request(root.request_id), documents, reason)
        return Done()

    def _with_specifications(self, root: RunRow, rows: RowsById, ordered: RunDocument) -> RunDocument | Problem:
        """Return the documents with the specifications that were applied to their runs; added runs get the present."""
        family: list[RunDocument] = []
        for document in (ordered, *ordered.children):
            row = root if document is ordered else rows.get(document.run_id)
            one = self.assembler.specifications.apply(document) if row is None else as_routed(document, row.requested)
            problem = one if isinstance(one, Problem) else unidentified_measure(one)
            if isinstance(one, Problem) or problem is not None:
                return problem or one
            family.append(one)
        return family[0].model_copy(update={"children": tuple(family[1:])}) if family[1:] else family[0]

    async def _pending_rows_of_added(self, run_ids: set[str]) -> RowsById | None:
        """Return the rows of added children that are pending; None if one of the ids belongs to another run."""
        found = [row for run_id in sorted(run_ids) if (row := await self.updater.store.run(run_id))]
        return {row.run_id: row for row in found} if all(map(is_pending, found)) else None

    async def _store(
        self, event: Event, root: RunRow, updates: list[RowUpdate], embedded: list[RunDocument], pending_rows: RowsById
    ) -> None:
        new, joining = build_run_rows(event, root, embedded, pending_rows, self.updater.now())
        if new or updates or joining:
            await self.updater.store_facts(event, [*updates, *joining], new)
        await self._store_joining(event, root)

    async def _store_joining(self, event: Event, root: RunRow) -> None:
        """Add the children that the change only names and that arrived as events of their own."""
        newest = await self.updater.store.run(root.run_id) or root
        waiting = await self.assembler.joining_children(newest)
        if waiting:
            documents, _ = await self.assembler.apply_or_give_up(event, waiting)
            await self.updater.store_intentions(
                event, build_run_rows(event, newest, documents, waiting, self.updater.now())[1]
            )

    async def _handle_redelivery(
        self, event: Event, rows: RowsById, documents: Documents, difference: ChildChanges, reason: str | None
    ) -> None:
        """Publish the commands again: all of the change is stored, and later changes must not be undone."""
        same = [rows[i] for i in difference.changed if rows[i].requested.version == documents[i].version]
        refused = [row for row in rows.values() if has_led_to(row, event.id, UpdateKind.CHANGE_REFUSED)]
        await self.updater.store_facts(
            event, [*_change_updates(event, same, documents), *_refused_updates(refused, documents)]
        )
        await self._command_changes(event, [*rows.values()], documents, reason)

    async def _command_changes(
        self, event: Event, rows: Sequence[RunRow], documents: Documents, reason: str | None
    ) -> None:
        commands = _commands_of(event, rows, documents, reason)
        if commands:
            await self.updater.announcer.publish(event, commands, decision=rows[0].decision)


def _root_event(
    event: Event, root: RunRow, document: RunDocument, difference: ChildChanges
) -> ChangeRequested | ChangeRefused | None:
    if document == root.requested and difference != ChildChanges():
        return ChangeRefused(version=document.version, reasons=(version_not_higher(root, document),))
    return change_event(event, root, document)


def _child_updates(event: Event, rows: RowsById, documents: Documents, child_changes: ChildChanges) -> list[RowUpdate]:
    changed = _change_updates(event, [rows[run_id] for run_id in child_changes.changed], documents)
    removed: list[RowUpdate] = [
        (rows[i], (CancelRequested(),)) for i in child_changes.removed if i in rows and _is_alive(rows[i])
    ]
    added_again = [rows[run_id] for run_id in child_changes.added if run_id in rows]
    return [*changed, *removed, *_refused_updates(added_again, documents)]


def _refused_updates(rows: Iterable[RunRow], documents: Documents) -> list[RowUpdate]:
    """Refuse the children that the newest document still has although they were removed or cancelled."""
    return [
        (row, (ChangeRefused(version=documents[row.run_id].version, reasons=(child_was_removed(row),)),))
        for row in rows
        if row.run_id in documents
    ]


def _change_updates(event: Event, rows: Iterable[RunRow], documents: Documents) -> list[RowUpdate]:
    run_events = [(row, change_event(event, row, documents[row.run_id])) for row in rows]
    return [(row, (run_event,)) for row, run_event in run_events if run_event is not None]


def _commands_of(event: Event, rows: Iterable[RunRow], documents: Documents, reason: str | None) -> list[Command]:
    """Return the commands that follow from this event, on its first delivery and on a redelivery."""
    commands: list[Command | None] = []
    for row in rows:
        if has_led_to(row, event.id, CHANGE):
            commands.append(change_command(row, documents.get(row.run_id, row.requested), reason))
        if has_led_to(row, event.id, CANCEL):
            commands.append(cancel_command(row, "removed from the hierarchy"))
        if has_led_to(row, event.id, SEND) and row.phase is Phase.ROUTED:
            commands.append(build_send_command(row))
    return [command for command in commands if command is not None]


def _living_documents(rows: Iterable[RunRow]) -> list[RunDocument]:
    return [row.requested for row in rows if row.parent_run_id is not None and not row.cancel_requested]


def _is_alive(row: RunRow) -> bool:
    return row.phase not in ENDED_PHASES
