"""The tables that migrations make are the tables that the code means."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from consumers.store.address import database_at
from consumers.store.migrate import SchemaError, check, upgrade
from consumers.store.sql_store import open_store
from consumers.store.tables import metadata
from tests.integration.run_store_database import run_store_url, tell

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

__all__ = ["run_store_url"]  # a fixture


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/a folder to make/100 % of runs.db"
    url = str(request.getfixturevalue("run_store_url"))
    asyncio.run(tell(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"))
    return url


async def test_migrations_end_where_the_tables_are_described(address: str) -> None:
    await upgrade(address)
    database = database_at(address)
    differences = await database.read(_differences)
    await database.close()
    assert differences == []


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_a_description_that_is_ahead_of_the_migrations_is_noticed(address: str) -> None:
    await upgrade(address)
    database = database_at(address)
    await database.write(lambda connection: connection.exec_driver_sql("DROP INDEX runs_by_request"))
    differences = await database.read(_differences)
    await database.close()
    assert len(differences) == 1


async def test_a_check_changes_nothing(address: str) -> None:
    before = await check(address)
    assert (before.found, before.current) == (None, False)
    assert (await check(address)).found is None
    await upgrade(address)
    assert (await check(address)).current


async def test_an_upgrade_of_what_is_current_does_nothing(address: str) -> None:
    await upgrade(address)
    assert (await upgrade(address)).current


async def test_tables_of_a_newer_version_are_left_alone(address: str) -> None:
    await upgrade(address)
    database = database_at(address)
    await database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = 'r9999'"))
    await database.close()
    with pytest.raises(SchemaError, match="'r9999'"):
        await open_store(address)
