"""Read from SQL which requests wait for a request definition, and how often each definition was used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from consumers.store.row_mapping import run_row, waits_for_of, waits_for_text
from consumers.store.statements import abandoned, first_in_queue, select_uses
from consumers.store.transactions import select_runs
from router.selection.thresholds import ThresholdWindow, UseCount

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from consumers.store.databases.database import Database
    from consumers.store.document_cache import DocumentCache
    from consumers.store.row_mapping import ColumnValues
    from router.runs.run import RunRow


class SqlWaitingQueue:
    """A `WaitingQueue` over any `Database`."""

    def __init__(self, database: Database, documents: DocumentCache) -> None:
        self._database = database
        self._documents = documents

    async def read_counts(self, definitions: Collection[str]) -> Sequence[UseCount]:
        """Return how often these definitions were used, for the last windows of each."""
        wanted, clock = select_uses(definitions), self._database.moments
        found = await self._database.read(lambda connection: _fetch_all(connection, wanted))
        return [
            UseCount(definition=definition, window=ThresholdWindow(clock.read(since), clock.read(until)), uses=uses)
            for definition, since, until, uses in found
        ]

    async def read_lengths(self) -> Mapping[tuple[str, ...], int]:
        """Return the number of queued requests, by what they wait for."""
        sql = self._database.sql
        found = await self._database.read(lambda connection: connection.exec_driver_sql(sql.queue_lengths).all())
        return {waits_for_of(text): count for text, count in found}

    async def read_first(
        self, waits_for: Collection[tuple[str, ...]], limit: int, after: RunRow | None = None
    ) -> Sequence[RunRow]:
        """Return the roots that wait for one of these, the oldest first."""
        last = (self._database.moments.write(after.created_at), after.run_id) if after is not None else None
        return await self._select(first_in_queue(map(waits_for_text, waits_for), limit, last))

    async def abandoned(self, since: datetime, limit: int) -> Sequence[RunRow]:
        """Return roots that were released before `since` and whose commands were perhaps never published."""
        return await self._select(abandoned(self._database.moments.write(since), limit))

    async def _select(self, statement: Select[*tuple[object, ...]]) -> Sequence[RunRow]:
        found = await self._database.read(partial(select_runs, sql=self._database.sql, statement=statement))
        clock, documents = self._database.moments, self._documents
        return [run_row(row, found.measures.get(row[0], ()), clock, documents) for row in found.rows]


def _fetch_all(connection: Connection, statement: Select[*tuple[object, ...]]) -> Sequence[ColumnValues]:
    return cast("Sequence[ColumnValues]", connection.execute(statement).all())
