"""Keep one table equal to its live version on the topic; a version that cannot be used leaves the one before it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from consumers.runtime.faults import internal_problem
from consumers.table_topic.published_tables import UnreadableRecord
from router.selection.load import load_as, table_of
from router.tables.diagnostics import TableErrors
from schemas.published_tables import LivePointer

if TYPE_CHECKING:
    from collections.abc import Collection

    from consumers.table_topic.published_tables import PublishedRecord, PublishedTables
    from router.selection.load import LoadedTable
    from schemas.published_tables import TableKind, TableVersion

MAX_MISTAKES_SHOWN = 5  # mistakes of one version; `southbound tables check` prints all of them


class TableObserver(Protocol):
    """Observes which version decides, and which one could not be used."""

    def version_live(self, table: str, version: str, previous_version: str | None) -> None:
        """Record that this version decides from now on."""

    def version_refused(self, table: str, reason: str, active_version: str | None) -> None:
        """Record why what is live on the topic cannot be used, and which version is kept."""

    def version_accepted(self, table: str) -> None:
        """Record that what is live on the topic decides."""

    def follow_failed(self, reason: str) -> None:
        """Record why the topic cannot be followed."""


@dataclass(slots=True, kw_only=True)
class LiveTable:
    """One table by its id. `used` decides; `refused` says why that is not what is live on the topic."""

    table: str
    kind: TableKind
    spokes: Collection[str]
    observer: TableObserver
    used: LoadedTable | None = None
    refused: str = ""
    _seen: tuple[PublishedRecord | None, ...] = ()

    @property
    def version(self) -> str | None:
        """The version that decides."""
        return table_of(self.used).version if self.used else None

    async def follow(self, published: PublishedTables) -> None:
        """Use what is live now, if it can be used."""
        pointer = published.live(self.table)
        live = published.version(self.table, pointer.version) if isinstance(pointer, LivePointer) else None
        if (pointer, live) == self._seen:
            return
        self._seen = (pointer, live)
        if reason := await self._why_not(pointer, live):
            if isinstance(pointer, LivePointer) and self.used is None:
                await self._fall_back(published, pointer)
            self.refused = reason
            self.observer.version_refused(self.table, reason, self.version)
        elif self.used:
            self.refused = ""
            self.observer.version_accepted(self.table)

    async def _why_not(
        self, pointer: LivePointer | UnreadableRecord | None, live: TableVersion | UnreadableRecord | None
    ) -> str | None:
        if isinstance(pointer, LivePointer):
            return await self._use(pointer.version, live)
        if pointer is None:
            return f"{self.table} has no live version on the topic any more: publish one" if self.used else None
        return pointer.sentence

    async def _fall_back(self, published: PublishedTables, pointer: LivePointer) -> None:
        """Use the newest earlier version that loads, because the live one does not and no version is in use yet."""
        for change in pointer.earlier:
            if await self._use(change.version, published.version(self.table, change.version)) is None:
                return

    async def _use(self, version: str, live: TableVersion | UnreadableRecord | None) -> str | None:
        """Decide by this version from now on, or return why not."""
        previous_version = self.version
        if version == previous_version:
            return None
        if live is None:
            return f"{self.table}@{version} is live, but the topic does not have it: roll back"
        loaded = live.sentence if isinstance(live, UnreadableRecord) else await asyncio.to_thread(self._loaded, live)
        if isinstance(loaded, str):
            return loaded
        self.used = loaded
        self.observer.version_live(self.table, version, previous_version)
        return None

    def _loaded(self, live: TableVersion) -> LoadedTable | str:
        name = f"{live.table}@{live.version}"
        try:
            loaded = load_as(self.kind, live.text, name, self.spokes)
        except TableErrors as errors:
            more = len(errors.sentences) - MAX_MISTAKES_SHOWN
            return "; ".join([*errors.sentences[:MAX_MISTAKES_SHOWN], *([f"and {more} more"] if more > 0 else [])])
        except Exception as error:  # noqa: BLE001 - else one table would end every worker at once
            problem = internal_problem("UNEXPECTED", f"{name} broke the loader", error)
            return f"{problem.sentence}\n{problem.detail}"
        table_id = table_of(loaded).id
        return loaded if table_id == self.table else f"{name} holds the table {table_id}"
