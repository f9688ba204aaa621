"""Keep the claims on polled runs in the database of the run store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from consumers.store.claims.poll_claims import SilentRun
from consumers.store.row_mapping import run_row
from consumers.store.statements import silent_runs
from consumers.store.tables import poll_claims
from consumers.store.transactions import select_runs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from consumers.store.claims.poll_claims import PollClaim
    from consumers.store.databases.database import Database
    from consumers.store.document_cache import DocumentCache
    from consumers.store.row_mapping import MomentFormat
    from router.runs.run import RunRow

_CLAIM = poll_claims.c


class SqlPollClaims:
    """A `PollClaims` over any `Database`."""

    def __init__(self, database: Database, documents: DocumentCache) -> None:
        self._database = database
        self._documents = documents

    async def silent_runs(
        self, spoke: str, since: datetime, at: datetime, limit: int, after: RunRow | None = None
    ) -> Sequence[SilentRun]:
        """Read runs that a spoke took, has not ended and nobody claims; longest silent first, a page at a time."""
        moments, documents = self._database.moments, self._documents
        last = (moments.write(after.updated_at), after.run_id) if after is not None else None
        statement = silent_runs(spoke, moments.write(since), moments.write(at), limit, last)
        found = await self._database.read(partial(select_runs, sql=self._database.sql, statement=statement))
        return [
            SilentRun(run_row(tuple(values), found.measures.get(values[0], ()), moments, documents), answers)
            for *values, answers in found.rows
        ]

    async def claim(self, claims: Sequence[PollClaim], at: datetime) -> frozenset[str]:
        """Claim runs, and return the ids of those that nobody else has claimed."""
        return await self._database.write(partial(_claim, claims=claims, at=at, moments=self._database.moments))

    async def shorten(self, claims: Sequence[PollClaim], until: datetime) -> None:
        """Let these claims end at `until`, and forget how many answers were without news."""
        end = self._database.moments.write(until)
        await self._database.write(partial(_shorten, claims=claims, end=end, moments=self._database.moments))


def _claim(connection: Connection, claims: Sequence[PollClaim], at: datetime, moments: MomentFormat) -> frozenset[str]:
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    new = insert(poll_claims).values([_values(each, moments) for each in _in_order(claims)])
    taken = {column.name: new.excluded[column.name] for column in poll_claims.c if not column.primary_key}
    is_free = (_CLAIM.revision < new.excluded.revision) | (_CLAIM.until <= moments.write(at))
    claiming = new.on_conflict_do_update(index_elements=["run_id"], set_=taken, where=is_free)
    return frozenset(connection.execute(claiming.returning(_CLAIM.run_id)).scalars())


def _shorten(connection: Connection, claims: Sequence[PollClaim], end: object, moments: MomentFormat) -> None:
    # A process that was suspended for longer than its claim lasts must not touch that of another one.
    own = (_CLAIM.run_id == bindparam("which"), _CLAIM.until == bindparam("given", type_=_CLAIM.until.type))
    which = [{"which": each.run_id, "given": moments.write(each.until)} for each in _in_order(claims)]
    connection.execute(update(poll_claims).where(*own).values(until=end, answers=0), which)


def _values(claim: PollClaim, moments: MomentFormat) -> dict[str, object]:
    until = moments.write(claim.until)
    return {"run_id": claim.run_id, "revision": claim.revision, "until": until, "answers": claim.answers}


def _in_order(claims: Sequence[PollClaim]) -> Sequence[PollClaim]:
    # So that two processes lock the same row first and do not deadlock.
    return sorted(claims, key=lambda claim: claim.run_id)
