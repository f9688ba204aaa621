"""Fill an empty store with rebuilt rows in one transaction: it has all of them, or it is as empty as before."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from consumers.store.databases.database import is_unstorable_row
from consumers.store.identity import accept_gateway
from consumers.store.port import UnstorableError
from consumers.store.row_mapping import measure_values, replaced_values, request_values, run_values
from consumers.store.tables import runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from consumers.store.databases.database import Database
    from consumers.store.document_cache import DocumentCache
    from router.runs.run import RequestRow, RunRow
    from router.selection.thresholds import UseCount
    from router.store_continuity import StoreMark, TopicEnds


class StoreNotEmptyError(Exception):
    """The store has runs, so nothing was written."""


class RebuiltRows(NamedTuple):
    """Rows that are written together."""

    runs: Sequence[RunRow]
    requests: Sequence[RequestRow]
    uses: Sequence[UseCount] = ()


class AcceptedGateway(NamedTuple):
    """The gateway that works with the store from now on; see `StoreIdentity.accept`."""

    prefix: str
    replaced: StoreMark | None
    recorded: TopicEnds


async def fill_store(
    database: Database,
    documents: DocumentCache,
    batches: Callable[[], Iterable[RebuiltRows]],
    gateway: AcceptedGateway,
) -> None:
    """Write all batches, and accept the gateway. `batches` is called again if the connection breaks.

    Raises:
        StoreNotEmptyError: the store has runs.
        UnstorableError: the database does not accept a row.
        StoreUnavailableError: the database cannot be used now.
    """
    work = partial(_fill, database=database, documents=documents, batches=batches, gateway=gateway)
    try:
        await database.write(work)
    except (DBAPIError, ValueError, OverflowError, TypeError) as error:
        if not is_unstorable_row(error):
            raise
        raise UnstorableError(f"run store {database.name} does not accept a rebuilt row: {error}") from error


def _fill(
    connection: Connection,
    database: Database,
    documents: DocumentCache,
    batches: Callable[[], Iterable[RebuiltRows]],
    gateway: AcceptedGateway,
) -> None:
    accept_gateway(connection, *gateway)  # first: it locks, so that nobody else fills the store at the same time
    if connection.execute(select(runs.c.run_id).limit(1)).first() is not None:
        raise StoreNotEmptyError
    sql, moments = database.sql, database.moments
    for batch in batches():
        _insert(connection, sql.insert_request, [request_values(row, moments) for row in batch.requests])
        _insert(connection, sql.insert_run, [run_values(row, moments, documents) for row in batch.runs])
        measures = [values for row in batch.runs for values in measure_values(row, moments)]
        _insert(connection, sql.insert_measure, measures)
        _insert(connection, sql.insert_replaced, [values for row in batch.runs for values in replaced_values(row)])
        windows = [(use, moments.write(use.window.start), moments.write(use.window.end)) for use in batch.uses]
        _insert(connection, sql.open_window, [(use.definition, start, end) for use, start, end in windows])
        _insert(connection, sql.count_uses, [(use.uses, use.definition, start) for use, start, _ in windows])


def _insert(connection: Connection, statement: str, rows: list[tuple[object, ...]]) -> None:
    if rows:
        connection.exec_driver_sql(statement, rows)
