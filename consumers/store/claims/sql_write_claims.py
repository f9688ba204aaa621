"""Keep the claims on runs at targets in the database of the run store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from consumers.store.claims.write_claims import NOT_WRITTEN, ClaimResult, WrittenRun
from consumers.store.tables import written_runs

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from consumers.store.claims.write_claims import WriteClaim
    from consumers.store.databases.database import Database
    from consumers.store.row_mapping import MomentFormat


class SqlWriteClaims:
    """A `WriteClaims` over any `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, target: str, run_id: str) -> WrittenRun:
        """Read what is known of a run at a target."""
        return await self._database.read(partial(_read, target=target, run_id=run_id, moments=self._database.moments))

    async def claim(self, claim: WriteClaim) -> ClaimResult:
        """Claim a run, or return why it cannot be claimed."""
        return await self._database.write(partial(_claim, claim=claim, moments=self._database.moments))

    async def complete(self, claim: WriteClaim, target_id: str | None) -> None:
        """Store that the target has the revision, and release the claim."""
        known = {} if target_id is None else {"target_id": target_id}
        await self._database.write(
            partial(_update, claim=claim, values={**_RELEASED, **known, "posted_at": None, "written": claim.revision})
        )

    async def release(self, claim: WriteClaim, *, posted: bool) -> None:
        """Release the claim; without `posted`, no POST has perhaps created the run."""
        values = _RELEASED if posted else {**_RELEASED, "posted_at": None}
        await self._database.write(partial(_update, claim=claim, values=values))

    async def forget(self, claim: WriteClaim) -> None:
        """Store that the target does not have the run under the id that it gave it."""
        await self._database.write(partial(_update, claim=claim, values={"target_id": None, "posted_at": None}))


_RELEASED: dict[str, Any] = {"claimed_by": None, "claimed_at": None}


def _read(connection: Connection, target: str, run_id: str, moments: MomentFormat) -> WrittenRun:
    row = connection.execute(select(written_runs).where(*_is(target, run_id))).first()
    if row is None:
        return NOT_WRITTEN
    return WrittenRun(target_id=row.target_id, posted_at=moments.read_if(row.posted_at), written=row.written)


def _claim(connection: Connection, claim: WriteClaim, moments: MomentFormat) -> ClaimResult:
    which = _is(claim.target, claim.run_id)
    if connection.execute(select(written_runs.c.written).where(*which).with_for_update()).first() is None:
        _insert_unless_there(connection, claim)
    row = connection.execute(select(written_runs).where(*which).with_for_update()).one()
    if row.written > claim.revision or (row.written == claim.revision and not claim.force):
        return ClaimResult.WRITTEN
    held_by_other = row.claimed_by is not None and row.claimed_by != claim.writer
    if held_by_other and moments.read(row.claimed_at) > claim.abandoned_before:
        return ClaimResult.BUSY
    at = moments.write(claim.at)
    values = {"claimed_by": claim.writer, "claimed_at": at, **({"posted_at": at} if claim.posts else {})}
    connection.execute(update(written_runs).where(*which).values(values))
    return ClaimResult.CLAIMED


def _insert_unless_there(connection: Connection, claim: WriteClaim) -> None:
    # Another process may insert the same row at this moment.
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    new = insert(written_runs).values(target=claim.target, run_id=claim.run_id, written=0)
    connection.execute(new.on_conflict_do_nothing())


def _update(connection: Connection, claim: WriteClaim, values: dict[str, Any]) -> None:
    owned = written_runs.c.claimed_by == claim.writer
    connection.execute(update(written_runs).where(*_is(claim.target, claim.run_id), owned).values(values))


def _is(target: str, run_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return written_runs.c.target == target, written_runs.c.run_id == run_id
