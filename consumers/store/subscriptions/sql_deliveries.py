"""Store deliveries in SQL, together with what was announced of each run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from consumers.store.group_commit import GroupCommit
from consumers.store.subscriptions.sql_announced_specifications import announce_specifications, has_unannounced
from consumers.store.subscriptions.sql_subscriptions import SqlSubscriptions, read_subscriptions
from consumers.store.subscriptions.tables import announced_runs, deliveries, subscriptions
from consumers.store.tables import orders, runs
from router.northbound.hub.plan import GoneRun, Plan
from router.northbound.hub.run_changes import AnnouncedRun
from router.northbound.hub.subscription import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping, Select, Subquery

    from consumers.store.databases.database import Database
    from consumers.store.row_mapping import MomentFormat
    from consumers.store.subscriptions.port import PlanRequest, Settlement
    from consumers.store.subscriptions.sql_announced_specifications import PlanSpecification
    from router.northbound.hub.subscription import NewDelivery, RunSubscription

MAX_READ_LENGTH = 4_000_000  # characters of events of one subscriber that are read together, and one event more
MAX_GROUP = 200  # published events, or settlements, in one transaction


class SqlSubscriptionStore(SqlSubscriptions):
    """A `SubscriptionStore` over any `Database`. Concurrent callers share transactions."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._announcing: GroupCommit[PlanRequest, Plan] = GroupCommit(self._announce_together, max_weight=MAX_GROUP)
        self._settling: GroupCommit[tuple[Settlement, datetime], None] = GroupCommit(
            self._settle_together, max_weight=MAX_GROUP
        )

    async def announce(self, request: PlanRequest) -> Plan:
        """Plan the deliveries, and store them with the run as last announced, in one transaction."""
        return await self._announcing.submit(request)

    async def settle(self, settlement: Settlement, now: datetime) -> None:
        """Store the outcome of a delivery; a delivery that is not repeated is deleted."""
        await self._settling.submit((settlement, now))

    async def first_deliveries(self, subscription_id: str, now: datetime, limit: int) -> Sequence[Delivery]:
        """Return the first deliveries of a subscription, in order, without those that wait after a refusal."""
        moment: Any = self._moments.write(now)
        earlier = deliveries.alias("earlier")
        waits = exists().where(
            earlier.c.subscription_id == deliveries.c.subscription_id,
            earlier.c.run_id == deliveries.c.run_id,
            earlier.c.sequence <= deliveries.c.sequence,
            earlier.c.not_before > moment,
        )
        wanted = select(deliveries.c.sequence).where(deliveries.c.subscription_id == subscription_id, ~waits)
        page = _within_length(wanted.order_by(deliveries.c.sequence).limit(limit).subquery())
        rows = await self._database.read(lambda connection: connection.execute(page).all())
        return [Delivery(*row) for row in rows]

    async def expire(self, before: datetime, keep: int) -> Mapping[str, int]:
        """Delete deliveries older than `before` or more than `keep` of a subscription; return how many of each."""
        work = partial(_expire, before=self._moments.write(before), keep=keep)
        return await self._database.write(work)

    async def gone_runs(self, after: str, limit: int) -> tuple[Sequence[GoneRun], str | None]:
        """Read one page of announced runs; return the deleted ones, and where the next page begins (None: no more)."""
        page = select(announced_runs).where(announced_runs.c.run_id > after).order_by(announced_runs.c.run_id)
        part = page.limit(limit).subquery()
        known = or_(runs.c.run_id.is_not(None), orders.c.refusal.is_not(None))  # a refused order has no run
        wanted = (
            select(part, known.label("known"), orders.c.deleted_at.label("deleted_at"))
            .join(runs, runs.c.run_id == part.c.run_id, isouter=True)
            .join(orders, orders.c.run_id == part.c.run_id, isouter=True)
        )
        rows = await self._database.read(lambda connection: connection.execute(wanted).mappings().all())
        last = max((row["run_id"] for row in rows), default=None) if len(rows) == limit else None
        gone = [row for row in rows if not row["known"] or (row["deleted_at"] is not None and not row["deleted"])]
        return [_gone_run(row) for row in gone], last

    async def announce_deletions(
        self,
        run_ids: Sequence[str],
        plan: Callable[[GoneRun, Sequence[RunSubscription]], Sequence[NewDelivery]],
        at: datetime,
    ) -> int:
        """Store the deliveries about deleted runs, and that no more are made; return how many runs were announced."""
        work = partial(_announce_deletions, run_ids=sorted(run_ids), plan=plan, at=at, moments=self._moments)
        return await self._database.write(work)

    async def announce_specifications(self, plan: PlanSpecification, at: datetime, limit: int) -> int:
        """Plan and store the deliveries about specifications that differ from what was announced."""
        if not await self._database.read(has_unannounced):
            return 0
        work = partial(announce_specifications, plan=plan, at=at, limit=limit, moments=self._moments)
        return await self._database.write(work)

    async def _announce_together(self, requests: Sequence[PlanRequest]) -> Sequence[Plan | Exception]:
        return await self._database.write(partial(_announce, requests=requests, moments=self._moments))

    async def _settle_together(self, settled: Sequence[tuple[Settlement, datetime]]) -> Sequence[None]:
        await self._database.write(partial(_settle, settled=settled, moments=self._moments))
        return [None] * len(settled)


def _within_length(page: Subquery) -> Select[*tuple[Any, ...]]:
    """Select the deliveries of a page, in order, until their bodies are as long as may be read together."""
    length = func.length(deliveries.c.body)
    before = func.sum(length).over(order_by=deliveries.c.sequence) - length
    columns = [deliveries.c[name] for name in Delivery._fields]
    sized = select(*columns, before.label("before")).join(page, page.c.sequence == deliveries.c.sequence).subquery()
    shown = [sized.c[name] for name in Delivery._fields]
    return select(*shown).where(sized.c.before < MAX_READ_LENGTH).order_by(sized.c.sequence)


def _announce(connection: Connection, requests: Sequence[PlanRequest], moments: MomentFormat) -> list[Plan | Exception]:
    known = read_subscriptions(connection, moments)
    if not known:
        return [Plan() for _ in requests]
    announced, deleted = _lock_announced(connection, {request.run_id for request in requests})
    plans: list[Plan | Exception] = []
    for request in requests:
        if request.run_id in deleted:  # whatever becomes of it, subscribers were notified that it is gone
            plans.append(Plan())
            continue
        try:
            plan = request.plan(announced[request.run_id], known)
        except Exception as error:  # noqa: BLE001 - it belongs to this request and to no other
            plans.append(error)
            continue
        plans.append(plan)
        if plan.announced is not None:
            announced[request.run_id] = plan.announced
            _store_announced(connection, plan.announced, request.tenant, plan.kept or {})
            _insert(connection, request.run_id, plan.deliveries, moments.write(request.at))
    return plans


def _lock_announced(connection: Connection, run_ids: Iterable[str]) -> tuple[dict[str, AnnouncedRun | None], set[str]]:
    """Return what was announced of these runs, and which are deleted; lock both until the transaction ends."""
    ids = sorted(run_ids)  # so that two processes lock the same row first and do not deadlock
    if connection.dialect.name == "postgresql":  # on SQLite the transaction holds the write lock already
        empty = {"tenant": None, "revision": -1, "state": "", "event_ids": "[]", "kept": "{}", "deleted": False}
        rows = [{"run_id": run_id, **empty} for run_id in ids]
        connection.execute(postgresql.insert(announced_runs).on_conflict_do_nothing(), rows)
    wanted = select(announced_runs).where(announced_runs.c.run_id.in_(ids)).order_by(announced_runs.c.run_id)
    found = {row["run_id"]: row for row in connection.execute(wanted.with_for_update()).mappings()}
    deleted = {run_id for run_id, row in found.items() if row["deleted"]}
    return {run_id: _announced_run(found.get(run_id)) for run_id in ids}, deleted


def _announced_run(row: RowMapping | None) -> AnnouncedRun | None:
    if row is None or row["revision"] < 0:
        return None
    ids = tuple(orjson.loads(row["event_ids"]))
    return AnnouncedRun(run_id=row["run_id"], revision=row["revision"], state=row["state"], event_ids=ids)


def _store_announced(connection: Connection, run: AnnouncedRun, tenant: str | None, kept: Mapping[str, object]) -> None:
    values = {
        "tenant": tenant,
        "revision": run.revision,
        "state": run.state,
        "event_ids": orjson.dumps(run.event_ids).decode(),
        "kept": orjson.dumps(kept).decode(),
    }
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(announced_runs).values(run_id=run.run_id, deleted=False, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=values))


def _insert(connection: Connection, run_id: str, new: Sequence[NewDelivery], at: object) -> None:
    rows = [{**delivery._asdict(), "run_id": run_id, "attempts": 0, "created_at": at} for delivery in new]
    for row in rows:  # one by one: PostgreSQL does not promise to number the rows of one statement in order
        connection.execute(insert(deliveries).values(**row))


def _settle(connection: Connection, settled: Sequence[tuple[Settlement, datetime]], moments: MomentFormat) -> None:
    # Sorted, so that two processes lock the same subscription first and do not deadlock.
    for settlement, now in sorted(settled, key=lambda each: each[0][:2]):
        moment: Any = moments.write(now)
        of_row = deliveries.c.sequence == settlement.sequence
        if settlement.retry_at is not None:
            again: Any = moments.write(settlement.retry_at)
            values = {"attempts": deliveries.c.attempts + 1, "not_before": again}
            connection.execute(update(deliveries).where(of_row).values(**values))
            counted: dict[str, Any] = {"problem": settlement.problem}
        else:
            over = connection.execute(delete(deliveries).where(of_row)).rowcount
            column = subscriptions.c.delivered if settlement.delivered else subscriptions.c.refused
            counted = {column.name: column + over, "problem": settlement.problem}
        if settlement.delivered:
            counted["last_delivered_at"] = moment
        if settlement.works:
            counted |= {"failures": 0, "failing_since": None}
        of_subscription = subscriptions.c.subscription_id == settlement.subscription_id
        connection.execute(update(subscriptions).where(of_subscription).values(**counted))


def _expire(connection: Connection, before: object, keep: int) -> dict[str, int]:
    limit: Any = before
    dropped: dict[str, int] = {}
    for subscription_id in connection.execute(
        select(subscriptions.c.subscription_id).order_by(subscriptions.c.subscription_id)
    ).scalars():
        own = deliveries.c.subscription_id == subscription_id
        last_kept = (
            select(deliveries.c.sequence).where(own).order_by(deliveries.c.sequence.desc()).offset(keep).limit(1)
        )
        too_many = connection.execute(last_kept).scalar()
        old = deliveries.c.created_at < limit
        outdated = old if too_many is None else or_(old, deliveries.c.sequence <= too_many)
        count = connection.execute(delete(deliveries).where(and_(own, outdated))).rowcount
        if count:
            dropped[subscription_id] = count
            counted = {"expired": subscriptions.c.expired + count}
            connection.execute(
                update(subscriptions).where(subscriptions.c.subscription_id == subscription_id).values(**counted)
            )
    return dropped


def _gone_run(row: RowMapping) -> GoneRun:
    return GoneRun(row["run_id"], row["tenant"], row["state"], orjson.loads(row["kept"]))


def _announce_deletions(
    connection: Connection,
    run_ids: Sequence[str],
    plan: Callable[[GoneRun, Sequence[RunSubscription]], Sequence[NewDelivery]],
    at: datetime,
    moments: MomentFormat,
) -> int:
    known = read_subscriptions(connection, moments)
    of_these = announced_runs.c.run_id.in_(run_ids)
    wanted = select(announced_runs).where(of_these).order_by(announced_runs.c.run_id).with_for_update()
    new = [row for row in connection.execute(wanted).mappings() if row["revision"] >= 0 and not row["deleted"]]
    for row in new:
        _insert(connection, row["run_id"], plan(_gone_run(row), known), moments.write(at))
    stored = exists().where(runs.c.run_id == announced_runs.c.run_id)
    connection.execute(delete(announced_runs).where(of_these, ~stored))
    connection.execute(update(announced_runs).where(of_these).values(deleted=True))
    return len(new)
