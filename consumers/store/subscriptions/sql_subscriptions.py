"""Store subscriptions in SQL, with how their deliveries go and which process makes them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, exists, func, insert, or_, select, update

from consumers.store.subscriptions.port import DuplicateSubscriptionError, TooManySubscriptionsError
from consumers.store.subscriptions.tables import deliveries, subscriptions
from router.northbound.api_version import ApiVersion
from router.northbound.hub.subscription import RunSubscription, SubscriptionState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection, RowMapping

    from consumers.store.databases.database import Database
    from consumers.store.row_mapping import MomentFormat
    from consumers.store.subscriptions.port import Failure, SubscriptionLimits

_ADD_LOCK = 8_701_654  # names our advisory lock on PostgreSQL; any number, but always the same


class SqlSubscriptions:
    """The subscriptions of a store, over any `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._moments = database.moments

    async def add(self, subscription: RunSubscription, identity: str, limits: SubscriptionLimits) -> None:
        """Store a subscription."""
        work = partial(_add, subscription=subscription, identity=identity, limits=limits, moments=self._moments)
        if (refused := await self._database.write(work)) is not None:
            raise refused

    async def find(self, subscription_id: str) -> RunSubscription | None:
        """Return one subscription."""
        wanted = select(subscriptions).where(subscriptions.c.subscription_id == subscription_id)
        row = await self._database.read(lambda connection: connection.execute(wanted).mappings().first())
        return None if row is None else subscription_of(row, self._moments)

    async def list_all(self) -> Sequence[tuple[RunSubscription, int]]:
        """Return all subscriptions, oldest first, with the number of deliveries that wait."""
        waiting = (
            select(func.count())
            .select_from(deliveries)
            .where(deliveries.c.subscription_id == subscriptions.c.subscription_id)
            .scalar_subquery()
        )
        order = (subscriptions.c.created_at, subscriptions.c.subscription_id)
        wanted = select(subscriptions, waiting.label("waiting")).order_by(*order)
        rows = await self._database.read(lambda connection: connection.execute(wanted).mappings().all())
        return [(subscription_of(row, self._moments), row["waiting"]) for row in rows]

    async def remove(self, subscription_id: str) -> bool:
        """Delete a subscription and its deliveries; return whether there was one."""
        return await self._database.write(partial(_remove, subscription_id=subscription_id))

    async def resume(self, subscription_id: str, now: datetime) -> bool:
        """Make a subscription active, with the next attempt now; return whether there is one."""
        values = {
            "state": SubscriptionState.ACTIVE.value,
            "failures": 0,
            "failing_since": None,
            "next_attempt_at": self._moments.write(now),
        }
        return await self._update(subscription_id, values)

    async def due(self, now: datetime) -> Sequence[RunSubscription]:
        """Return the subscriptions that have deliveries to make and for which no process delivers."""
        moment: Any = self._moments.write(now)
        may_start = or_(deliveries.c.not_before.is_(None), deliveries.c.not_before <= moment)
        wanted = select(subscriptions).where(
            subscriptions.c.state == SubscriptionState.ACTIVE.value,
            subscriptions.c.next_attempt_at <= moment,
            or_(subscriptions.c.leased_until.is_(None), subscriptions.c.leased_until <= moment),
            exists().where(deliveries.c.subscription_id == subscriptions.c.subscription_id, may_start),
        )
        rows = await self._database.read(lambda connection: connection.execute(wanted).mappings().all())
        return [subscription_of(row, self._moments) for row in rows]

    async def claim(self, subscription_id: str, owner: str, now: datetime, until: datetime) -> RunSubscription | None:
        """Return the subscription if this process may deliver for it until then; None if another one does."""
        moment: Any = self._moments.write(now)
        free = or_(
            subscriptions.c.leased_until.is_(None),
            subscriptions.c.leased_until <= moment,
            subscriptions.c.owner == owner,
        )
        values = {"owner": owner, "leased_until": self._moments.write(until)}
        is_active = subscriptions.c.state == SubscriptionState.ACTIVE.value
        return (
            await self.find(subscription_id) if await self._update(subscription_id, values, free, is_active) else None
        )

    async def renew(self, subscription_id: str, owner: str, now: datetime, until: datetime) -> bool:
        """Extend a claim; return False if it is lost."""
        moment: Any = self._moments.write(now)
        held = (
            subscriptions.c.owner == owner,
            subscriptions.c.leased_until > moment,
            subscriptions.c.state == SubscriptionState.ACTIVE.value,
        )
        return await self._update(subscription_id, {"leased_until": self._moments.write(until)}, *held)

    async def release(self, subscription_id: str, owner: str) -> None:
        """Give up a claim."""
        await self._update(subscription_id, {"owner": None, "leased_until": None}, subscriptions.c.owner == owner)

    async def fail(self, subscription_id: str, failure: Failure) -> None:
        """Store that a subscriber does not work."""
        values = {
            "problem": failure.problem,
            "failures": failure.failures,
            "failing_since": self._moments.write(failure.failing_since),
            "next_attempt_at": self._moments.write(failure.next_attempt_at),
        }
        parked = {"state": SubscriptionState.PARKED.value} if failure.parked else {}
        await self._update(subscription_id, {**values, **parked})

    async def _update(self, subscription_id: str, values: dict[str, object], *conditions: Any) -> bool:  # noqa: ANN401 - conditions of SQLAlchemy
        changed = update(subscriptions).where(subscriptions.c.subscription_id == subscription_id, *conditions)
        statement = changed.values(**values)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount > 0)


def read_subscriptions(connection: Connection, moments: MomentFormat) -> list[RunSubscription]:
    """Return all subscriptions, in a transaction."""
    rows = connection.execute(select(subscriptions).order_by(subscriptions.c.created_at)).mappings()
    return [subscription_of(row, moments) for row in rows]


def subscription_of(row: RowMapping, moments: MomentFormat) -> RunSubscription:
    """Return the subscription of a row."""
    return RunSubscription(
        subscription_id=row["subscription_id"],
        principal=row["principal"],
        tenant=row["tenant"],
        callback=row["callback"],
        query=row["query"],
        version=ApiVersion(row["version"]),
        created_at=moments.read(row["created_at"]),
        state=SubscriptionState(row["state"]),
        problem=row["problem"],
        failures=row["failures"],
        failing_since=moments.read_if(row["failing_since"]),
        next_attempt_at=moments.read(row["next_attempt_at"]),
        last_delivered_at=moments.read_if(row["last_delivered_at"]),
        delivered=row["delivered"],
        refused=row["refused"],
        expired=row["expired"],
    )


def _add(
    connection: Connection,
    subscription: RunSubscription,
    identity: str,
    limits: SubscriptionLimits,
    moments: MomentFormat,
) -> DuplicateSubscriptionError | TooManySubscriptionsError | None:
    """Return why the subscription is not added; None if it is."""
    # On SQLite the transaction holds the write lock already.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADD_LOCK})")
    equal = select(subscriptions.c.subscription_id).where(subscriptions.c.identity == identity)
    if (found := connection.execute(equal).scalar()) is not None:
        return DuplicateSubscriptionError(str(found))
    count = select(func.count()).select_from(subscriptions)
    # Clients of two tenants may have the same name.
    own = count.where(
        subscriptions.c.principal == subscription.principal,
        subscriptions.c.tenant.is_not_distinct_from(subscription.tenant),
    )
    for counted, limit in ((own, limits.per_client), (count, limits.total)):
        if (connection.execute(counted).scalar() or 0) >= limit:
            return TooManySubscriptionsError(of_client=counted is own)
    values = {
        "subscription_id": subscription.subscription_id,
        "identity": identity,
        "principal": subscription.principal,
        "tenant": subscription.tenant,
        "callback": subscription.callback,
        "query": subscription.query,
        "version": subscription.version.value,
        "created_at": moments.write(subscription.created_at),
        "state": subscription.state.value,
        "problem": subscription.problem,
        "failures": subscription.failures,
        "next_attempt_at": moments.write(subscription.next_attempt_at),
        "delivered": subscription.delivered,
        "refused": subscription.refused,
        "expired": subscription.expired,
    }
    connection.execute(insert(subscriptions).values(**values))
    return None


def _remove(connection: Connection, subscription_id: str) -> bool:
    connection.execute(delete(deliveries).where(deliveries.c.subscription_id == subscription_id))
    removed = connection.execute(delete(subscriptions).where(subscriptions.c.subscription_id == subscription_id))
    return removed.rowcount > 0
