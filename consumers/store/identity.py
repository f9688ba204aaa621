"""Store the identity of a run store, its mark, and the gateways that used it; see `router.store_continuity`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson
from sqlalchemy import insert, literal, select, update

from consumers.store.tables import runs, store_gateways, store_identity
from router.runs.transitions import COMMANDED_PHASES
from router.store_continuity import StoreMark, StoreState
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from consumers.store.databases.database import Database

    Recorded = Mapping[str, Mapping[str, int]]  # topic → partition → offset

NOT_ROUTED_PHASES = (Phase.CREATED, Phase.WAITING, Phase.FALLOUT)  # by this store; perhaps it has lost what followed


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway by its topics and consumer groups."""

    prefix: str
    group: str


class StoreIdentity:
    """The identity of a store, over any `Database`. Every method raises StoreUnavailableError during an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self, gateway: Gateway) -> StoreState:
        """Return what the store knows of itself and of this gateway."""
        return await self._database.read(partial(_read_state, gateway=gateway))

    async def next_mark(self) -> StoreMark:
        """Count one up and return the new mark, which is stored when this returns."""
        return await self._database.write(_next_mark)

    async def write_nothing(self) -> None:
        """Write a row as it is, which needs all that a write needs."""
        await self._database.write(_write_nothing)

    async def bind(self, gateway: Gateway) -> None:
        """Store that this gateway works with this store."""
        await self._database.write(partial(_bind, gateway=gateway))

    async def recorded(self, gateway: Gateway) -> Recorded:
        """Return below which offsets events were recorded that may have led to runs which this store lost."""
        return await self._database.read(partial(_read_recorded, gateway=gateway))

    async def mark_in_doubt(self, at: datetime) -> int:
        """Mark all runs that are not accepted or ended as perhaps sent; return how many."""
        return await self._database.write(partial(_mark_in_doubt, at=self._database.moments.write(at)))

    async def requests_in_doubt(self, after: str, limit: int) -> Sequence[str]:
        """Return the ids of requests with runs in doubt, above `after`, in order."""
        return await self._database.read(partial(_requests_in_doubt, after=after, limit=limit))

    async def accept(self, gateway: Gateway, commits: Mapping[str, int], recorded: Recorded) -> None:
        """Continue from these commits (highest mark by store), although the store lost what led to them."""
        await self._database.write(partial(_accept, gateway=gateway, commits=commits, recorded=recorded))


def _read_state(connection: Connection, gateway: Gateway) -> StoreState:
    store_id, mark, unmarked, accepted = connection.execute(select(store_identity)).one()
    return StoreState(
        store_id=store_id,
        mark=mark,
        has_runs=connection.execute(select(runs.c.run_id).limit(1)).first() is not None,
        bound=_find(connection, gateway) is not None,
        unmarked=bool(unmarked),
        accepted=orjson.loads(accepted),
    )


def _find(connection: Connection, gateway: Gateway) -> str | None:
    columns = store_gateways.c
    which = (columns.prefix == gateway.prefix) & (columns.kafka_group == gateway.group)
    return cast("str | None", connection.execute(select(columns.recorded).where(which)).scalar())


def _read_recorded(connection: Connection, gateway: Gateway) -> Recorded:
    return cast("Recorded", orjson.loads(_find(connection, gateway) or "{}"))


def _next_mark(connection: Connection) -> StoreMark:
    columns = store_identity.c
    counted = update(store_identity).values(mark=columns.mark + 1).returning(columns.store_id, columns.mark)
    store_id, mark = connection.execute(counted).one()
    return StoreMark(store_id, mark)


def _write_nothing(connection: Connection) -> None:
    connection.execute(update(store_identity).values(mark=store_identity.c.mark))


def _bind(connection: Connection, gateway: Gateway, recorded: Recorded | None = None) -> None:
    values = {"prefix": gateway.prefix, "kafka_group": gateway.group, "recorded": orjson.dumps(recorded or {}).decode()}
    # The row of the identity is the lock: processes that start at once take turns.
    _write_nothing(connection)
    if _find(connection, gateway) is None:
        connection.execute(insert(store_gateways).values(values))
    elif recorded is not None:
        columns = store_gateways.c
        which = (columns.prefix == gateway.prefix) & (columns.kafka_group == gateway.group)
        connection.execute(update(store_gateways).where(which).values(recorded=values["recorded"]))


def _mark_in_doubt(connection: Connection, at: object) -> int:
    moved: dict[str, Any] = {"sent_at": at, "updated_at": at, "revision": runs.c.revision + 1}
    count = 0
    for phases, more in ((COMMANDED_PHASES, {"phase": Phase.IN_DOUBT.value}), (NOT_ROUTED_PHASES, {})):
        among = runs.c.phase.in_([phase.value for phase in phases])
        count += connection.execute(update(runs).where(among).values({**moved, **more})).rowcount
    return count


def _requests_in_doubt(connection: Connection, after: str, limit: int) -> Sequence[str]:
    wanted = select(runs.c.request_id).where(runs.c.phase == literal(Phase.IN_DOUBT.value), runs.c.request_id > after)
    found = connection.execute(wanted.group_by(runs.c.request_id).order_by(runs.c.request_id).limit(limit))
    return [row[0] for row in found]


def _accept(connection: Connection, gateway: Gateway, commits: Mapping[str, int], recorded: Recorded) -> None:
    store_id, mark, _, accepted = connection.execute(select(store_identity).with_for_update()).one()
    others = {**orjson.loads(accepted), **{store: mark for store, mark in commits.items() if store != store_id}}
    ahead = max(mark, commits.get(store_id, 0))
    connection.execute(update(store_identity).values(mark=ahead, accepted=orjson.dumps(others).decode()))
    _bind(connection, gateway, recorded)
