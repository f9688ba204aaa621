"""Store timelines of runs in SQL, in the database of the run store.

A row has the entries of one run that were written together, so a run that ends soon has one or two rows.
"""

from __future__ import annotations

import random
from functools import cache, partial
from typing import TYPE_CHECKING

import orjson
from pydantic import TypeAdapter
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError

from consumers.store.databases.database import is_unstorable_row
from consumers.store.port import UnstorableError
from consumers.store.tables import run_timeline
from router.timeline.entries import MAX_ATTEMPTS, TimelineEntry, limit_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection

    from consumers.store.databases.database import Database
    from consumers.store.statements import Statements

    _Values = tuple[str, int, str]  # of the columns of a row, without its id

_ROW = run_timeline.c
_MAX_STORED = 2 * MAX_ATTEMPTS  # entries of a run in several rows, until they are limited and written as one row
_CHECKED_SHARE = 1 / 16  # of the writes: a timeline grows long in many of them, and each check is a query
_MAX_IDS = 500  # in one statement


class SqlTimelines:
    """A `TimelineStore` over any `Database`."""

    def __init__(self, database: Database, draw: Callable[[], float] = random.random) -> None:
        self._database = database
        self._draw = draw

    async def append(self, entries: Mapping[str, Sequence[TimelineEntry]]) -> None:
        """Add entries to the timelines of runs."""
        try:
            rows = [_row(run_id, added) for run_id, added in entries.items()]
            if rows:
                await self._database.write(
                    partial(_append, sql=self._database.sql, rows=rows, limits=self._draw() < _CHECKED_SHARE)
                )
        except (DBAPIError, ValueError, OverflowError, TypeError) as error:
            if not is_unstorable_row(error):
                raise
            reason = str(error).partition("\n")[0]
            raise UnstorableError(f"run store {self._database.name} cannot keep them: {reason}") from error

    async def read(self, run_id: str) -> Sequence[TimelineEntry]:
        """Return the timeline of a run, the oldest entry first."""
        return limit_entries(await self._database.read(partial(_read, run_id=run_id)))


def _row(run_id: str, entries: Sequence[TimelineEntry]) -> _Values:
    return run_id, len(entries), _to_text(entries)


def _to_text(entries: Sequence[TimelineEntry]) -> str:
    return orjson.dumps(entries).decode()


def _append(connection: Connection, sql: Statements, rows: Sequence[_Values], *, limits: bool) -> None:
    connection.exec_driver_sql(sql.insert_timeline, rows)
    if limits:
        _limit(connection, sql, [run_id for run_id, _, _ in rows])


def _limit(connection: Connection, sql: Statements, run_ids: Sequence[str]) -> None:
    for start in range(0, len(run_ids), _MAX_IDS):
        for run_id in _too_long(connection, run_ids[start : start + _MAX_IDS]):
            limited = limit_entries(_read(connection, run_id))
            connection.execute(delete(run_timeline).where(_ROW.run_id == run_id))
            connection.exec_driver_sql(sql.insert_timeline, (run_id, 0, _to_text(limited)))


def _too_long(connection: Connection, run_ids: Sequence[str]) -> Sequence[str]:
    """Return the runs with too many entries since they were last limited."""
    counted = select(_ROW.run_id).where(_ROW.run_id.in_(run_ids)).group_by(_ROW.run_id)
    return connection.execute(counted.having(func.sum(_ROW.entry_count) > _MAX_STORED)).scalars().all()


def _read(connection: Connection, run_id: str) -> list[TimelineEntry]:
    stored = connection.execute(select(_ROW.entries).where(_ROW.run_id == run_id).order_by(_ROW.id)).scalars()
    return [entry for entries in stored for entry in _reader().validate_json(entries)]


@cache
def _reader() -> TypeAdapter[list[TimelineEntry]]:
    return TypeAdapter(list[TimelineEntry])
