"""Orders in SQL: saves that arrive during a transaction share the next one, with the marks of what was published."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.exc import DBAPIError

from consumers.store.databases.database import CommitInDoubtError, is_unstorable_row
from consumers.store.group_commit import GroupCommit
from consumers.store.orders.row_mapping import order_of, order_values, written_reasons
from consumers.store.orders.statements import (
    ListQuery,
    cancelled_orders,
    count_of,
    expired_orders,
    order_statements,
    page_of,
    refused_orders,
    unpublished_orders,
    withdrawn_orders,
)
from consumers.store.port import StoreUnavailableError, UnstorableError
from consumers.store.row_mapping import run_row
from consumers.store.transactions import read_measures
from router.northbound.order import RunView

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Executable

    from consumers.store.databases.database import Database
    from consumers.store.document_cache import DocumentCache
    from consumers.store.orders.port import RefusedOrders, RunQuery
    from consumers.store.row_mapping import ColumnValues
    from router.northbound.order import Order

    Orders = Sequence[Order]

MAX_GROUP_ORDERS = 200  # in one transaction, about
QUIET_TURNS = 3  # of the event loop, from the arrival of a request to its save


class SqlOrderStore:
    """An `OrderStore` over any `Database`."""

    def __init__(self, database: Database, documents: DocumentCache) -> None:
        self._database = database
        self._documents = documents
        self._sql = order_statements(database.sql.dialect)
        self._marks: dict[str, str] = {}  # run id → event id, of published orders that are not marked yet
        self._saves: GroupCommit[Orders, Order | None] = GroupCommit(
            self._save_group, max_weight=MAX_GROUP_ORDERS, weight=len, quiet_turns=QUIET_TURNS
        )

    async def save(self, orders: Orders) -> Order | None:
        """Write orders together or not at all, each over its predecessor."""
        return await self._saves.submit(orders)

    async def holder(self, order: Order) -> Order | None:
        """Return the order that is stored under the run id, the `Idempotency-Key` or the external id of this one."""
        return await self._database.read(partial(self._holder, order=order))

    async def remove(self, order: Order) -> None:
        """Delete an order that Kafka will never take, with the orders of its children."""
        await self._database.write(partial(self._remove, order=order))

    async def refuse(self, refused: RefusedOrders) -> None:
        """Store the reason beside each order that led to an event which is a dead letter."""
        try:
            known = await self._database.read(partial(self._stored_ids, run_ids=refused.run_ids))
            if known:
                reasons, at = written_reasons([refused.reason]), self._database.moments.write(refused.at)
                statement = refused_orders(refused, reasons, at)
                await self._database.write(lambda connection: connection.execute(statement))
        except (DBAPIError, ValueError, OverflowError, TypeError) as error:
            if not is_unstorable_row(error):
                raise  # otherwise no order can have such an id

    async def withdraw(self, orders: Orders) -> bool:
        """Delete refused orders; return False if one of them is not refused any more."""
        if not orders:
            return True
        statement = withdrawn_orders([order.run_id for order in orders])
        return await self._database.write(lambda connection: connection.execute(statement).rowcount) == len(orders)

    def mark_published(self, order: Order) -> None:
        """Record with the next transaction, or `flush`, that Kafka has the event of this order."""
        self._marks[order.run_id] = order.event_id

    def is_marked(self, order: Order) -> bool:
        """Return whether Kafka is known to have the event of this order."""
        return order.unpublished_since is None or self._marks.get(order.run_id) == order.event_id

    async def flush(self) -> None:
        """Write the marks of published orders."""
        if self._marks:
            await self._saves.submit(())

    async def unpublished(self, before: datetime, limit: int) -> Sequence[Order]:
        """Return orders whose event was stored before then and is perhaps not published; the oldest first."""
        wanted = unpublished_orders(self._database.moments.write(before), limit)
        found = await self._database.read(lambda connection: _rows(connection.execute(wanted).all()))
        return [order for order in map(self._to_order, found) if not self.is_marked(order)]

    async def mark_routed(self) -> None:
        """Record which runs have a row in `runs` by now."""
        await self._database.write(lambda connection: connection.exec_driver_sql(self._sql.mark_routed))

    async def expire_unrouted(self, before: datetime) -> None:
        """Delete published orders of before then whose run never got a row."""
        unwanted = expired_orders(self._database.moments.write(before))
        await self._database.write(lambda connection: connection.execute(unwanted))

    async def view(self, run_id: str) -> RunView | None:
        """Return one run."""
        try:
            views = await self._database.read(partial(self._read_views, run_ids=[run_id]))
        except (DBAPIError, ValueError, OverflowError, TypeError) as error:
            if not is_unstorable_row(error):
                raise
            return None  # no run can have such an id
        return views[0] if views else None

    async def family(self, view: RunView) -> Sequence[RunView]:
        """Return the runs of the same hierarchy, itself included."""
        root_run_id = view.document.root_run_id

        def read(connection: Connection) -> Sequence[RunView]:
            ids = {view.run_id, root_run_id}
            ids |= {order[0] for order in self._fetch(connection, self._sql.by_root, [root_run_id])}
            root = self._read_views(connection, [root_run_id])
            request_ids = {each.row.request_id for each in (view, *root) if each.row is not None}
            found = self._fetch(connection, self._database.sql.runs_of_requests, request_ids) if request_ids else ()
            return self._read_views(connection, sorted(ids | {row[0] for row in found}))

        return await self._database.read(read)

    async def run_id_of(self, client: str, external_id: str) -> str | None:
        """Return the run that a client ordered under its own id."""

        def read(connection: Connection) -> Sequence[ColumnValues]:
            return _rows(connection.exec_driver_sql(self._sql.by_external_id, (client, external_id)).all())

        found = await self._database.read(read)
        return cast("str", found[0][0]) if found else None

    async def list_views(self, query: RunQuery) -> Sequence[RunView]:
        """Return a page of runs, newest first."""
        kind = self._database.sql.dialect.name
        page = page_of(self._list_query(query), kind, query.offset, query.limit)

        return await self._database.read(partial(self._select_views, statement=page))

    async def count_views(self, query: RunQuery) -> int:
        """Return the number of runs of all pages."""
        counted = ListQuery(tenant=query.tenant, pushdown=query.pushdown, depth=query.limit)
        wanted = count_of(counted, self._database.sql.dialect.name)
        found = await self._database.read(lambda connection: _rows(connection.execute(wanted).all()))
        return cast("int", found[0][0])

    async def cancellations(
        self, tenant: str | None, run_ids: Collection[str] | None, limit: int, offset: int = 0
    ) -> Sequence[RunView]:
        """Return runs whose cancellation was ordered here, newest first, behind the first `offset` of them."""
        wanted = cancelled_orders(tenant, run_ids, limit).offset(offset)
        return await self._database.read(partial(self._select_views, statement=wanted))

    async def close(self) -> None:
        """Write the marks, and finish what was requested."""
        with suppress(StoreUnavailableError):  # what is not marked is published again, under the same id
            await self.flush()
        await self._saves.drain()

    def _list_query(self, query: RunQuery) -> ListQuery:
        after = query.after
        last = (self._database.moments.write(after.created_at), after.run_id) if after is not None else None
        depth = query.offset + query.limit
        return ListQuery(tenant=query.tenant, pushdown=query.pushdown, last=last, depth=depth, sort=query.sort)

    def _select_views(self, connection: Connection, statement: Executable) -> list[RunView]:
        return self._read_views(connection, [row[0] for row in _rows(connection.execute(statement).all())])

    def _read_views(self, connection: Connection, run_ids: Sequence[str]) -> list[RunView]:
        """Return the views of these runs in this order, without those that nobody knows."""
        if not run_ids:
            return []
        rows = {row[0]: row for row in self._fetch(connection, self._database.sql.runs, run_ids)}
        orders = {order[0]: order for order in self._fetch(connection, self._sql.by_run, run_ids)}
        measures = read_measures(connection, self._database.sql, rows.values())
        moments, documents = self._database.moments, self._documents
        return [
            RunView(
                row=run_row(rows[run_id], measures.get(run_id, ()), moments, documents) if run_id in rows else None,
                order=self._to_order(orders[run_id]) if run_id in orders else None,
            )
            for run_id in run_ids
            if run_id in rows or run_id in orders
        ]

    async def _save_group(self, group: Sequence[Orders]) -> Sequence[Order | Exception | None]:
        marks, self._marks = self._marks, {}
        try:
            return await self._save_together(group, marks)
        except BaseException as error:
            self._marks = marks | self._marks
            if not isinstance(error, DBAPIError | ValueError | OverflowError | TypeError):
                raise
            if not is_unstorable_row(error):
                raise
        if len(group) == 1:
            return [
                UnstorableError(
                    f"run store {self._database.name} cannot keep this order: it holds a value that"
                    " the database does not take"
                )
            ]
        half = len(group) // 2  # halve the group until the failing one is alone
        return [*await self._save_group(group[:half]), *await self._save_group(group[half:])]

    async def _save_together(self, group: Sequence[Orders], marks: dict[str, str]) -> Sequence[Order | None]:
        work = partial(self._write, group=group, marks=marks)
        try:
            return await self._database.write(work)
        except CommitInDoubtError:  # written or not, the same work has the same result
            return await self._database.write(work)

    def _write(self, connection: Connection, group: Sequence[Orders], marks: dict[str, str]) -> list[Order | None]:
        if marks:
            connection.exec_driver_sql(self._sql.mark_published, sorted(marks.items()))
        new = [all(order.revision == 1 for order in save) for save in group]
        placed = [order for save, is_new in zip(group, new, strict=True) if is_new for order in save]
        if self._insert(connection, placed) == len(placed):
            stored = {order.run_id: (order.event_id, order.revision) for order in placed}
        else:
            stored = dict(self._stored(connection, placed))
        return [
            self._settle(connection, save, stored) if is_new else self._replace(connection, save)
            for save, is_new in zip(group, new, strict=True)
        ]

    def _insert(self, connection: Connection, orders: Sequence[Order]) -> int:
        """Insert the orders whose id and keys are free; return how many, or -1 if the driver does not count."""
        if not orders:
            return 0
        moments, documents = self._database.moments, self._documents
        # Sorted, so that two processes lock the same row first and do not deadlock.
        values = sorted((order_values(order, moments, documents) for order in orders), key=_run_id_of)
        return connection.exec_driver_sql(self._sql.insert, values).rowcount

    def _replace(self, connection: Connection, save: Orders) -> Order | None:
        """Write a save of which orders are stored already, each over its predecessor."""
        connection.exec_driver_sql("SAVEPOINT changed_orders")
        self._insert(connection, [order for order in save if order.revision == 1])
        for order in sorted(save, key=lambda order: order.run_id):
            if order.revision > 1:
                values = order_values(order, self._database.moments, self._documents)
                connection.exec_driver_sql(self._sql.update, (*values[1:], order.run_id, order.revision - 1))
        refused = _refused(save, self._stored(connection, save))
        if refused:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT changed_orders")
        connection.exec_driver_sql("RELEASE SAVEPOINT changed_orders")
        return (self._holder(connection, refused[0]) or refused[0]) if refused else None

    def _stored(self, connection: Connection, orders: Sequence[Order]) -> Mapping[str, tuple[str, int]]:
        ids = [order.run_id for order in orders]
        found = self._fetch(connection, self._sql.revisions, ids) if ids else ()
        return {run_id: (event_id, revision) for run_id, event_id, revision in found}

    def _settle(self, connection: Connection, save: Orders, stored: Mapping[str, tuple[str, int]]) -> Order | None:
        """Return None if every order of a save is inserted; otherwise undo it and return what is in its place."""
        refused = _refused(save, stored)
        if not refused:
            return None
        written = [order.run_id for order in save if order not in refused]
        if written:
            connection.exec_driver_sql(self._sql.delete, (self._database.sql.id_list(written),))
        return self._holder(connection, refused[0]) or refused[0]

    def _stored_ids(self, connection: Connection, run_ids: Sequence[str]) -> Sequence[ColumnValues]:
        return self._fetch(connection, self._sql.revisions, run_ids)

    def _holder(self, connection: Connection, order: Order) -> Order | None:
        found = self._fetch(connection, self._sql.by_run, [order.run_id])
        for statement, key in (
            (self._sql.by_key, order.idempotency_key),
            (self._sql.by_external_id, order.external_id),
        ):
            if not found and key is not None:
                found = _rows(connection.exec_driver_sql(statement, (order.client, key)).all())
        return self._to_order(found[0]) if found else None

    def _remove(self, connection: Connection, order: Order) -> None:
        ids = self._database.sql.id_list([order.run_id])
        statement = self._sql.delete_family if order.run_id == order.root_run_id else self._sql.delete
        connection.exec_driver_sql(statement, (ids,))

    def _fetch(self, connection: Connection, statement: str, ids: Iterable[str]) -> Sequence[ColumnValues]:
        return _rows(connection.exec_driver_sql(statement, (self._database.sql.id_list(ids),)).all())

    def _to_order(self, values: ColumnValues) -> Order:
        return order_of(values, self._database.moments, self._documents)


def _refused(save: Orders, stored: Mapping[str, tuple[str, int]]) -> list[Order]:
    return [order for order in save if stored.get(order.run_id) != (order.event_id, order.revision)]


def _run_id_of(values: ColumnValues) -> str:
    return cast("str", values[0])


def _rows(found: Any) -> Sequence[ColumnValues]:  # noqa: ANN401 - rows of the driver
    return cast("Sequence[ColumnValues]", found)
