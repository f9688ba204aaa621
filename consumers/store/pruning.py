"""Delete requests that ended long ago, with their runs and measures, a bounded number at a time."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from consumers.store.port import PrunePosition, PruneResult
from consumers.store.statements import ended_runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from consumers.store.databases.database import Database
    from consumers.store.row_mapping import ColumnValues
    from consumers.store.statements import Statements


class SqlPruning:
    """A `Pruning` over any `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prune(self, before: datetime, limit: int, after: PrunePosition | None = None) -> PruneResult:
        """Delete requests of which no run was updated since `before`; about `limit` runs, or one whole request."""
        moments, sql = self._database.moments, self._database.sql
        last = (moments.write(after.updated_at), after.run_id) if after is not None else None
        cutoff = moments.write(before)
        found = await self._database.read(partial(_candidates, sql=sql, before=cutoff, limit=limit, last=last))
        if not found:
            return PruneResult(runs=0, last=None)
        requests = {request_id for _, _, request_id in found}
        deleted = await self._database.write(partial(_delete, sql=sql, requests=requests, before=cutoff))
        updated_at, run_id, _ = found[-1]
        return PruneResult(runs=deleted, last=PrunePosition(moments.read(updated_at), run_id))


def _candidates(
    connection: Connection, sql: Statements, before: object, limit: int, last: tuple[object, str] | None
) -> Sequence[ColumnValues]:
    """Return runs that ended, as many as belong to requests with `limit` runs together, but those of one at least."""
    found = _rows(connection.execute(ended_runs(before, limit, last)))
    ids = {request_id for _, _, request_id in found}
    sizes: dict[str, int] = dict(_fetch(connection, sql.request_sizes, sql.id_list(ids)))
    counted: dict[str, int] = {}
    for number, (_, _, request_id) in enumerate(found):
        counted[request_id] = sizes.get(request_id, 0)
        if number and len(counted) > 1 and sum(counted.values()) > limit:
            return found[:number]
    return found


def _delete(connection: Connection, sql: Statements, requests: Collection[str], before: Any) -> int:  # noqa: ANN401 - as the database stores moments
    rows = _fetch(connection, sql.ends_of_requests, sql.id_list(requests))
    by_request: dict[str, list[ColumnValues]] = defaultdict(list)
    for row in rows:
        by_request[row[1]].append(row)
    ended = {
        request_id: family
        for request_id, family in by_request.items()
        if all(is_ended and updated_at < before for _, _, _, updated_at, is_ended in family)
    }
    # A child that was cancelled before its root was routed is a request of its own, which the root still needs.
    roots = {root for family in ended.values() for _, _, root, _, _ in family}
    open_roots = {row[0] for row in _fetch(connection, sql.open_runs, sql.id_list(roots))} if roots else set()
    chosen = [name for name, family in ended.items() if not any(root in open_roots for _, _, root, _, _ in family)]
    if not chosen:
        return 0
    run_ids = [run_id for name in chosen for run_id, *_ in ended[name]]
    connection.exec_driver_sql(sql.delete_measures, (sql.id_list(run_ids),))
    connection.exec_driver_sql(sql.delete_orders, (sql.id_list(run_ids),))
    connection.exec_driver_sql(sql.delete_timelines, (sql.id_list(run_ids),))
    connection.exec_driver_sql(sql.delete_poll_claims, (sql.id_list(run_ids),))
    connection.exec_driver_sql(sql.delete_replaced, (sql.id_list(run_ids),))
    connection.exec_driver_sql(sql.delete_written, (sql.id_list(run_ids),))
    connection.exec_driver_sql(sql.delete_runs, (sql.id_list(chosen),))
    connection.exec_driver_sql(sql.delete_requests, (sql.id_list(chosen),))
    return len(run_ids)


def _fetch(connection: Connection, statement: str, *parameters: object) -> Sequence[ColumnValues]:
    return _rows(connection.exec_driver_sql(statement, parameters))


def _rows(result: Iterable[Any]) -> Sequence[ColumnValues]:
    return cast("Sequence[ColumnValues]", [tuple(row) for row in result])
