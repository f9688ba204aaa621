"""Open the run store, with its tables ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.store.address import database_at
from consumers.store.migrate import upgrade_database
from consumers.store.sql_store import SqlRunStore

if TYPE_CHECKING:
    from consumers.store.sqlite import Synchronous


async def open_store(address: str, *, lock_timeout: float = 5.0, synchronous: Synchronous = "NORMAL") -> SqlRunStore:
    """Open `sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/DATABASE` and bring its tables up to date.

    `lock_timeout` (seconds) bounds the wait for other writers and for a connection. `synchronous` matters for SQLite
    only: NORMAL survives the end of the process at any moment, FULL a power cut too, for a disk flush per group.

    Raises:
        ValueError: the address is neither.
        SchemaError: a newer version wrote the tables.
        StoreUnavailableError: the database cannot be used now.
    """
    database = database_at(address, lock_timeout=lock_timeout, synchronous=synchronous)
    try:
        await upgrade_database(database)
    except BaseException:
        await database.close()
        raise
    return SqlRunStore(database)
