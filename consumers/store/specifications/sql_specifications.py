"""Store specifications in SQL, in the database of the run store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from consumers.store.tables import specifications
from schemas.published_tables import SpecificationRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from consumers.store.databases.database import Database
    from consumers.store.specifications.port import SpecificationChanges

_ROW = specifications.c


class SqlSpecifications:
    """A `SpecificationStore` over any `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, spec_id: str) -> SpecificationRecord | None:
        """Return one specification."""
        found = await self._database.read(partial(_select_one, spec_id=spec_id))
        return SpecificationRecord.model_validate_json(found) if found else None

    async def last_revision(self, spec_id: str) -> int:
        """Return the revision of a specification, also of one that is deleted; 0 if there never was one."""
        return await self._database.read(partial(_select_last_revision, spec_id=spec_id))

    async def page(self, after: str, limit: int) -> Sequence[SpecificationRecord]:
        """Return specifications with ids above `after`, in order."""
        found = await self._database.read(partial(_select_page, after=after, limit=limit))
        return [SpecificationRecord.model_validate_json(record) for record in found]

    async def revisions(self) -> Mapping[str, int]:
        """Return the revision of every specification, by id."""
        return await self._database.read(_select_revisions)

    async def save(self, changes: SpecificationChanges) -> None:
        """Store changes together. An older revision than the stored one changes nothing."""
        await self._database.write(partial(_save, changes=changes))


def _select_one(connection: Connection, spec_id: str) -> str | None:
    return connection.execute(select(_ROW.record).where(_ROW.id == spec_id)).scalar()


def _select_last_revision(connection: Connection, spec_id: str) -> int:
    return connection.execute(select(_ROW.revision).where(_ROW.id == spec_id)).scalar() or 0


def _select_page(connection: Connection, after: str, limit: int) -> Sequence[str]:
    wanted = select(_ROW.record).where(_ROW.id > after, _ROW.record.is_not(None)).order_by(_ROW.id).limit(limit)
    return [record for (record,) in connection.execute(wanted) if record is not None]


def _select_revisions(connection: Connection) -> Mapping[str, int]:
    rows = connection.execute(select(_ROW.id, _ROW.revision).where(_ROW.record.is_not(None)))
    return {spec_id: revision for spec_id, revision in rows}  # noqa: C416 - rows are no pairs to the type checker


def _save(connection: Connection, changes: SpecificationChanges) -> None:
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for record in sorted(changes.written, key=lambda one: one.id):  # in one order, so that processes do not deadlock
        row = {"revision": record.revision, "record": record.model_dump_json()}
        connection.execute(
            insert(specifications)
            .values(id=record.id, **row)
            .on_conflict_do_update(index_elements=[_ROW.id], set_=row, where=_ROW.revision < record.revision)
        )
    for spec_id, revision in sorted(changes.deleted.items()):
        # The row stays, so that a process that reads the topic later does not bring an older revision back.
        connection.execute(
            update(specifications)
            .where(_ROW.id == spec_id, _ROW.revision <= revision)
            .values(record=None, revision=revision)
        )
