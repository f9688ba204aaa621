"""Read from SQL who waits in line for a request definition, and how much of each definition is used."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, cast

from consumers.store.row_mapping import run_row, waits_of, waits_text
from consumers.store.statements import first_in_line, left_behind, uses_of
from consumers.store.transactions import select_runs
from router.selection.thresholds import ThresholdWindow, UseCount

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from consumers.store.database import Database
    from consumers.store.document_cache import DocumentCache
    from consumers.store.row_mapping import Values
    from router.runs.run import RunRow


class SqlWaitingQueue:
    """A `Line` over any `Database`."""

    def __init__(self, database: Database, documents: DocumentCache) -> None:
        self._database = database
        self._documents = documents

    async def counts(self, definitions: Collection[str]) -> Sequence[UseCount]:
        """Read how often these definitions were used, for the last windows of each."""
        wanted, clock = uses_of(definitions), self._database.clock
        found = await self._database.read(lambda connection: _all(connection, wanted))
        return [
            UseCount(definition=definition, window=ThresholdWindow(clock.read(since), clock.read(until)), uses=uses)
            for definition, since, until, uses in found
        ]

    async def lengths(self) -> Mapping[tuple[str, ...], int]:
        """Count the requests in line, by what they wait for."""
        sql = self._database.sql
        found = await self._database.read(lambda connection: connection.exec_driver_sql(sql.line_lengths).all())
        return {waits_of(text): count for text, count in found}

    async def first(
        self, waits_for: Collection[tuple[str, ...]], limit: int, after: RunRow | None = None
    ) -> Sequence[RunRow]:
        """Read the roots that wait for one of these; first made, first given."""
        last = (self._database.clock.write(after.created_at), after.run_id) if after is not None else None
        return await self._select(first_in_line(map(waits_text, waits_for), limit, last))

    async def left_behind(self, since: datetime, limit: int) -> Sequence[RunRow]:
        """Read roots that were routed in their turn before then, and perhaps never commanded."""
        return await self._select(left_behind(self._database.clock.write(since), limit))

    async def _select(self, wanted: Select[*tuple[object, ...]]) -> Sequence[RunRow]:
        found = await self._database.read(partial(select_runs, sql=self._database.sql, wanted=wanted))
        clock, documents = self._database.clock, self._documents
        return [run_row(row, found.measures.get(row[0], ()), clock, documents) for row in found.rows]


def _all(connection: Connection, wanted: Select[*tuple[object, ...]]) -> Sequence[Values]:
    return cast("Sequence[Values]", connection.execute(wanted).all())
