"""Upgrade the tables of a database to what this version of Southbound expects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from consumers.store.databases.address import database_at
from consumers.store.identity import ensure_identity

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from consumers.store.databases.database import Database

UPGRADE_LOCK = 8_701_653  # names our advisory lock on PostgreSQL; any number, but always the same


class SchemaError(Exception):
    """This version cannot work with the tables; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaState:
    """The revision of a database's tables; None if it has none of ours yet."""

    found: str | None
    wanted: str

    @property
    def is_current(self) -> bool:
        """Whether nothing needs to be done."""
        return self.found == self.wanted


async def upgrade(address: str) -> SchemaState:
    """Create or upgrade the tables; return what was found before. Concurrent processes take turns.

    Raises:
        SchemaError: the database was written by a newer version.
        StoreUnavailableError: it cannot be reached.
    """
    database = database_at(address)
    try:
        return await upgrade_database(database)
    finally:
        await database.close()


async def check(address: str) -> SchemaState:
    """Return the revision of the tables, and change nothing."""
    database = database_at(address)
    try:
        return await database.read(_read_state)
    finally:
        await database.close()


async def upgrade_database(database: Database) -> SchemaState:
    """Do what `upgrade` does, on an open database."""
    return await database.write(partial(_upgrade, name=database.name))


def _upgrade(connection: Connection, name: str) -> SchemaState:
    # On SQLite the transaction holds the write lock already.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
    state = _read_state(connection)
    if state.found not in _known_revisions():
        raise SchemaError(
            f"run store {name} has tables of revision {state.found!r}, which this version does not know:"
            " a newer Southbound wrote them; update this one or name another database"
        )
    if not state.is_current:
        command.upgrade(_config(connection), "head")
    ensure_identity(connection)
    return state


def _read_state(connection: Connection) -> SchemaState:
    found = MigrationContext.configure(connection).get_current_revision()
    return SchemaState(found=found, wanted=_scripts().get_current_head() or "")


def _known_revisions() -> set[str | None]:
    return {None, *(script.revision for script in _scripts().walk_revisions())}


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config(None))


def _config(connection: Connection | None) -> Config:
    config = Config(attributes={"connection": connection})
    here = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(here).replace("%", "%%"))  # ConfigParser's own use of %
    config.set_main_option("path_separator", "os")
    return config
