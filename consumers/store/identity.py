"""Store the identity of a run store, its mark, and the gateway that works with it; see `router.store_continuity`."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import insert, literal, select, update

from consumers.store.port import StoreUnavailableError
from consumers.store.tables import runs, store_identity
from router.runs.transitions import COMMANDED_PHASES
from router.store_continuity import StoreState, TopicEnds
from schemas.vocabulary import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from consumers.store.databases.database import Database
    from router.store_continuity import StoreMark

NOT_ROUTED_PHASES = (Phase.CREATED, Phase.WAITING, Phase.FALLOUT)  # by this store; perhaps it has lost what followed


class StoreIdentity:
    """The identity of a store, over any `Database`. Every method raises StoreUnavailableError during an outage."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self) -> StoreState:
        """Return the identity of the store, as it is recorded there."""
        return await self._database.read(_read_state)

    async def next_mark(self) -> StoreState | None:
        """Count one up and return the new state, which is stored when this returns.

        None if the store has no identity, or if its address leads to no store, or to another one, or to an older one.
        """
        try:
            state = await self._database.write(_next_mark)
        except StoreUnavailableError:
            if await self._database.read_anew(_read_mark) is None:
                return None  # after an error the connection was opened again, and made an empty file
            raise
        there = await self._database.read_anew(_read_mark)
        return state if state and there and there[0] == state.store_id and there[1] >= state.mark else None

    async def write_nothing(self) -> None:
        """Write a row as it is, which needs all that a write needs."""
        await self._database.write(_write_nothing)

    async def bind(self, prefix: str) -> None:
        """Store that the gateway with these topics works with this store, if no other gateway does."""
        await self._database.write(partial(_bind, prefix=prefix))

    async def recorded(self) -> TopicEnds | None:
        """Return where the lifecycle topic ended when this store replaced what was lost; None if it never did."""
        return await self._database.read(_read_recorded)

    async def mark_in_doubt(self, at: datetime) -> int:
        """Mark all runs that are not accepted or ended as perhaps sent; return how many."""
        return await self._database.write(partial(_mark_in_doubt, at=self._database.moments.write(at)))

    async def requests_in_doubt(self, after: str, limit: int) -> Sequence[str]:
        """Return the ids of requests with runs in doubt, above `after`, in order."""
        return await self._database.read(partial(_requests_in_doubt, after=after, limit=limit))

    async def accept(self, prefix: str, replaced: StoreMark | None, recorded: TopicEnds) -> None:
        """Continue the gateway with these topics, although this store lost what led to the mark of the replaced one."""
        await self._database.write(partial(accept_gateway, prefix=prefix, replaced=replaced, recorded=recorded))


def ensure_identity(connection: Connection) -> None:
    """Store a new identity if there is none, so that a store which has lost its identity counts as another store."""
    if connection.execute(select(store_identity.c.store_id)).first() is None:
        values = {"store_id": uuid.uuid4().hex, "mark": 0, "unmarked": False, "accepted": "{}"}
        connection.execute(insert(store_identity).values(values))


def _read_state(connection: Connection) -> StoreState:
    row = connection.execute(select(store_identity)).one()
    return StoreState(
        store_id=row.store_id,
        mark=row.mark,
        has_runs=connection.execute(select(runs.c.run_id).limit(1)).first() is not None,
        bound_to=row.bound_to,
        unmarked=bool(row.unmarked),
        accepted=orjson.loads(row.accepted),
    )


def _read_mark(connection: Connection) -> tuple[str, int] | None:
    row = connection.execute(select(store_identity.c.store_id, store_identity.c.mark)).first()
    return (row.store_id, row.mark) if row else None


def _next_mark(connection: Connection) -> StoreState | None:
    counted = connection.execute(update(store_identity).values(mark=store_identity.c.mark + 1))
    return _read_state(connection) if counted.rowcount else None


def _write_nothing(connection: Connection) -> None:
    connection.execute(update(store_identity).values(mark=store_identity.c.mark))


def _bind(connection: Connection, prefix: str) -> None:
    connection.execute(update(store_identity).where(store_identity.c.bound_to.is_(None)).values(bound_to=prefix))


def _read_recorded(connection: Connection) -> TopicEnds | None:
    recorded = connection.execute(select(store_identity.c.recorded)).scalar()
    if recorded is None:
        return None
    found = orjson.loads(recorded)
    ends = {int(partition): end for partition, end in found["ends"].items()}
    return TopicEnds(topic=found["topic"], topic_id=found["topic_id"], ends=ends)


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


def accept_gateway(connection: Connection, prefix: str, replaced: StoreMark | None, recorded: TopicEnds) -> None:
    """Continue the gateway with these topics, in a transaction; see `StoreIdentity.accept`."""
    _write_nothing(connection)  # the lock: processes that start at once take turns
    state = _read_state(connection)
    mark, accepted = state.mark, dict(state.accepted)
    if replaced is not None and replaced.store_id == state.store_id:
        mark = max(mark, replaced.mark)
    elif replaced is not None:
        accepted[replaced.store_id] = replaced.mark
    connection.execute(
        update(store_identity).values(
            mark=mark,
            accepted=orjson.dumps(accepted).decode(),
            bound_to=prefix,
            recorded=orjson.dumps(asdict(recorded), option=orjson.OPT_NON_STR_KEYS).decode(),
        )
    )
